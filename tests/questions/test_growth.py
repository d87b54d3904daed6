"""Months that grew, as people read them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.instants import EPOCH, from_datetime
from tyk_endpoint_stats.questions.growth import GrownDay, GrownMonth, months_of

LAST = datetime(2026, 11, 26, 12, tzinfo=UTC)
BEFORE = datetime(2026, 11, 26, 11, 59, 59, tzinfo=UTC)


def number(*day):
    return (date(*day) - EPOCH.date()).days


def grown(*hits):
    return {number(*day): Grown(many, from_datetime(LAST) - late_us) for day, many, late_us in hits}


def test_months_come_with_their_days_the_latest_first():
    growth = grown(((2026, 9, 30), 10, 0), ((2025, 9, 30), 1, 0), ((2026, 9, 1), 2, 10**6))
    late, early = months_of(growth)
    assert late == GrownMonth(
        date(2026, 9, 1),
        12,
        LAST,
        (
            GrownDay(date(2026, 9, 1), 2, BEFORE),
            GrownDay(date(2026, 9, 30), 10, LAST),
        ),
    )
    assert early.to_dict() == {
        "month": "2025-09",
        "hits": 1,
        "last": "2026-11-26T12:00:00Z",
        "days": [{"day": "2025-09-30", "hits": 1, "last": "2026-11-26T12:00:00Z"}],
    }
    assert months_of(growth, ZoneInfo("Asia/Tokyo"))[1].to_dict()["last"] == "2026-11-26T21:00:00+09:00"

"""What of the siblings of Tyk's two routes has nothing to do with stores; ``RoutesExam`` has the rest."""

from datetime import date

from tests.web.plain_usage import Usage
from tests.web.tyk_exam import D, row, series_rows


def test_an_exclusive_end_date_leaves_the_last_day_out_everywhere():
    usage = Usage("memory://", end_date_exclusive=True)
    day = date(2020, 11, 1)
    assert usage.body("/api/usage/1/11/2020/2/11/2020")["data"] == [row(usage, usage.within(day, day))]
    assert len(usage.body("/api/usage/1/11/2020/3/11/2020?res=day")["data"]) == 2
    assert usage.body("/api/usage/1/11/2020/1/11/2020?res=day") == {"data": [], "pages": 1}


def test_these_tests_catch_days_of_another_zone():
    """The broken twin has UTC's days where the zone's are asked for."""
    right, twin = Usage("memory://", "Asia/Kolkata"), Usage("memory://", "UTC")
    wanted = series_rows(right, right.within(), "day")
    twin.zone = right.zone
    for usage, is_right in ((right, True), (twin, False)):
        assert (usage.body(f"/api/usage/{D}?res=day")["data"] == wanted) is is_right

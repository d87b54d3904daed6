"""The demo's story: what a reader shall find in it is there, and only there."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tyk_endpoint_stats.demo import Traffic
from tyk_endpoint_stats.demo.catalogue import make_catalogue
from tyk_endpoint_stats.demo.hit import Hit
from tyk_endpoint_stats.demo.story import Story, make_story

END = datetime(2026, 11, 26, 14, 37, 5, tzinfo=UTC)
END_NS = int(END.timestamp()) * 10**9
DAY_NS = 86_400 * 10**9
TRAFFIC = Traffic(records=60_000, days=61, keys=40, clients=8, endpoints=48, end=END, story=True)


@pytest.fixture(scope="module")
def hits() -> list[Hit]:
    return list(TRAFFIC.hits())


@pytest.fixture(scope="module")
def story() -> Story:
    return make_story(make_catalogue(1, 40, 8, 48), END_NS)


def between(hits: list[Hit], first_day: float, last_day: float) -> list[Hit]:
    """Those of so many days before the end."""
    return [hit for hit in hits if first_day <= (END_NS - hit.at_ns) / DAY_NS < last_day]


def test_it_ends_when_it_was_told_to_and_begins_61_days_before(hits: list[Hit]) -> None:
    assert END - timedelta(hours=6) < datetime.fromtimestamp(max(h.at_ns for h in hits) / 1e9, UTC) <= END
    assert timedelta(days=60) < END - datetime.fromtimestamp(min(h.at_ns for h in hits) / 1e9, UTC)


def test_the_same_story_is_told_by_the_same_seed() -> None:
    short = Traffic(records=500, days=61, keys=40, endpoints=48, end=END, story=True)
    assert list(short.lines()) == list(short.lines())
    assert "partner" in make_story(make_catalogue(2, 40, 8, 48), 0).partner.alias


def test_the_partner_grows_by_more_than_a_third_while_the_whole_stays(hits: list[Hit], story: Story) -> None:
    now, before = (sum(h.key == story.partner.key for h in between(hits, *days)) for days in ((0, 28), (28, 56)))
    assert now > 1.35 * before
    whole_now, whole_before = (len(between(hits, *days)) for days in ((0, 28), (28, 56)))
    assert whole_now == pytest.approx(whole_before, rel=0.1)


def test_an_endpoint_fails_and_is_slow_for_20_hours(hits: list[Hit], story: Story) -> None:
    called = [h for h in hits if h.path == story.failing.path and h.api == story.failing.api]
    assert datetime.fromtimestamp(story.failing_from_ns / 1e9, UTC) == datetime(2026, 11, 24, 8, tzinfo=UTC)
    inside = [h for h in called if 0 <= h.at_ns - story.failing_from_ns < DAY_NS * 20 / 24]
    outside = [h for h in called if not 0 <= h.at_ns - story.failing_from_ns < DAY_NS]
    assert sum(h.code >= 500 for h in inside) > 0.4 * len(inside) > 10
    assert not [h for h in outside if h.code >= 500]
    slow, usual = (sorted(h.total_ms for h in part)[len(part) // 2] for part in (inside, outside))
    assert slow > 5 * usual


def test_an_endpoint_moves_to_the_next_version(hits: list[Hit], story: Story) -> None:
    old, new = story.moved
    assert (old.path[:4], new.path) == ("/v1/", old.path.replace("/v1/", "/v2/"))
    early, late = (Counter(h.path for h in between(hits, *days) if h.api == old.api) for days in ((25, 60), (0, 9)))
    assert (early[new.path], late[old.path]) == (0, 0)
    assert min(early[old.path], late[new.path]) > 50


def test_a_consumer_goes_quiet(hits: list[Hit], story: Story) -> None:
    assert sum(h.key == story.quiet.key for h in between(hits, 25, 61)) > 100
    assert not [h for h in between(hits, 0, 23.9) if h.key == story.quiet.key]


def test_without_a_story_nothing_of_it_happens() -> None:
    plain = Traffic(records=20_000, days=61, keys=40, clients=8, endpoints=48, end=END)
    moved_to = make_story(make_catalogue(1, 40, 8, 48), END_NS).moved[1].path
    assert not [hit for hit in plain.hits() if hit.path == moved_to]

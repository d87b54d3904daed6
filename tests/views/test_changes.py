"""What changed: what is news is named, and what is noise is not."""

from random import Random

import pytest

from tyk_endpoint_stats.core.batch import Endpoint
from tyk_endpoint_stats.core.histogram import bin_of
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.views.changes import Tag, changes_of
from tyk_endpoint_stats.views.evidence import share_rose, share_z
from tyk_endpoint_stats.views.lines import Folded, Line


def stats(
    hits: int, *, failed: int = 0, refused: int = 0, slow: int = 0, ms: int = 20, slow_ms: int = 900
) -> EndpointStats:
    codes = {200: hits - failed - refused, 500: failed, 429: refused}
    histogram = {bin_of(ms): hits - slow, bin_of(slow_ms): slow}
    return EndpointStats(
        hits=hits,
        timed_hits=hits,
        codes={code: count for code, count in codes.items() if count},
        histogram={number: count for number, count in histogram.items() if count},
        min_latency_all_ms=ms,
        max_latency_ms=slow_ms if slow else ms,
        first_hit_us=0,
        last_hit_us=1,
    )


def folded(**lines: tuple[EndpointStats, EndpointStats]) -> Folded[Endpoint]:
    """Lines by name: the period, and the time before; with a large one that stays the same."""
    everything = {"rest": (stats(10_000), stats(10_000)), **lines}
    found = [Line(Endpoint("api", name), now=now, before=before) for name, (now, before) in everything.items()]
    now, before = EndpointStats(), EndpointStats()
    for line in found:
        now.merge(line.now)
        before.merge(line.before)
    return Folded(found, now, before)


def tags(what: Folded[Endpoint]) -> dict[str, Tag]:
    return {change.line.key.path: change.tag for change in changes_of(what)}


def test_each_kind_of_change_is_named_and_the_most_urgent_stands_first() -> None:
    found = folded(
        more=(stats(400), stats(100)),
        fewer=(stats(30), stats(300)),
        refused=(stats(500, refused=80), stats(500, refused=10)),
        slower=(stats(400, slow=60), stats(400)),
        gone=(EndpointStats(), stats(60)),
        new=(stats(60), EndpointStats()),
        failing=(stats(800, failed=60), stats(800, failed=10)),
    )
    assert list(tags(found)) == ["failing", "new", "gone", "slower", "refused", "fewer", "more"]
    assert [tag.value.lower() for tag in tags(found).values()] == list(tags(found))
    (refused,) = (change for change in changes_of(found) if change.tag is Tag.REFUSED)
    assert refused.code == 429


def test_a_share_that_chance_explains_is_no_news() -> None:
    # 1.2 % of 490 to 2.6 % of 799: more than twice as much, and z is 1.7.
    noise = folded(rest=(stats(14_900), stats(10_000)), noise=(stats(799, failed=21), stats(490, failed=6)))
    assert 1 < share_z(21, 799, 6, 490) < 2
    assert tags(noise) == {}


def test_without_the_test_of_two_proportions_noise_is_named() -> None:
    """The broken twin: it believes in every point of a difference."""

    def believes_in_chance(part: int, whole: int, part_before: int, whole_before: int) -> bool:
        return part / whole - part_before / whole_before >= 0.01

    noise = folded(rest=(stats(14_900), stats(10_000)), noise=(stats(799, failed=21), stats(490, failed=6)))
    assert [change.tag for change in changes_of(noise, believes_in_chance)] == [Tag.FAILING]


@pytest.mark.parametrize("seed", range(5))
def test_traffic_in_which_nothing_changes_has_no_changes(seed: int) -> None:
    rng = Random(seed)

    def drawn(hits: int) -> EndpointStats:
        hits = max(1, round(rng.gauss(hits, hits**0.5)))
        failed = sum(rng.random() < 0.02 for _ in range(hits))
        slow = sum(rng.random() < 0.05 for _ in range(hits - failed))
        return stats(hits, failed=failed, slow=slow)

    sizes = [rng.randrange(20, 900) for _ in range(40)]
    quiet = folded(**{f"e{number}": (drawn(size), drawn(size)) for number, size in enumerate(sizes)})
    assert len(tags(quiet)) <= 1, "one in 700 of 80 comparisons"


def test_a_line_that_grew_with_the_whole_is_no_news() -> None:
    grown = folded(rest=(stats(14_900), stats(10_000)), row=(stats(805), stats(500)))
    assert grown.now.hits / grown.before.hits == pytest.approx(1.49, abs=0.02)
    assert tags(grown) == {}
    assert tags(folded(row=(stats(805), stats(500)))) == {"row": Tag.MORE}, "where the whole stays, it is"


def test_few_requests_more_or_less_are_no_news() -> None:
    assert tags(folded(few=(stats(3), EndpointStats()), some=(EndpointStats(), stats(4)))) == {}


def test_a_higher_percentile_of_few_requests_is_no_news() -> None:
    assert tags(folded(few=(stats(79, slow=30), stats(79)))) == {}
    # 6 of 100 instead of 4: the 95th percentile jumps from 20 to 900 ms, and nothing has happened.
    assert tags(folded(jumps=(stats(100, slow=6), stats(100, slow=4)))) == {}


def test_without_a_time_before_nothing_changed() -> None:
    alone = folded(rest=(stats(100), EndpointStats()))
    assert changes_of(alone) == []


def test_evidence_needs_a_point_and_three_standard_errors() -> None:
    assert share_rose(300, 10_000, 150, 10_000)
    assert not share_rose(240, 10_000, 150, 10_000), "0.9 points, however sure"
    assert not share_rose(5, 100, 1, 100), "4 points of little"
    assert not share_rose(5, 0, 1, 100)
    assert share_z(0, 10, 0, 10) == 0

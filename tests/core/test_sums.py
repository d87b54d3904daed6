"""Sums of several stretches are what their hits come to one by one, whichever way they are added up."""

import random
from collections.abc import Sequence

import pytest

from tyk_endpoint_stats import Record
from tyk_endpoint_stats.core import sums as sums_module
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.core.sums import Sums, added, total
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit

Hit = tuple[int, int, int, int, int]
"""Endpoint, day, second, code, latency."""

ALL_CALLED, FEW_CALLED = (20, 1.0), (400, 0.02)
"""How many endpoints there are, and which share of them a part has: added beside each other, and one by one."""


def hits_of(rng: random.Random, endpoints: int, share: float, errors: float) -> list[Hit]:
    """Those of one part: some endpoints, in any order, a few hits of one day each."""
    called = [number for number in range(endpoints) if rng.random() < share] or [rng.randrange(endpoints)]
    rng.shuffle(called)
    day = FIRST_DAY + rng.randrange(-3, 3)
    return [
        (number, day, rng.randrange(86_400), 500 if rng.random() < errors else 200, rng.randrange(1000))
        for number in called
        for _ in range(rng.randrange(1, 4))
    ]


def record_of(one: Hit) -> Record:
    number, day, second, code, latency_ms = one
    return hit(day, second, path=str(number), code=code, latency_ms=latency_ms)


def sums_of(hits: Sequence[Hit]) -> Sums:
    batch = batch_of(map(record_of, hits))
    (segment,) = batch.segments
    return Sums.of_days(segment, [int(path) for _, path in batch.endpoints])


def states_of(hits: Sequence[Hit]) -> dict[int, EndpointStats]:
    states: dict[int, EndpointStats] = {}
    for number, day, second, code, latency_ms in hits:
        at_us = day * DAY_US + second * 1_000_000
        states.setdefault(number, EndpointStats()).add(code, latency_ms, latency_ms, latency_ms, at_us)
    for stats in states.values():
        stats.codes, stats.histogram = {}, {}
    return states


@pytest.mark.parametrize("parts", [1, 2, 9])
@pytest.mark.parametrize("errors", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("endpoints", "share"), [ALL_CALLED, (20, 0.8), (20, 0.5), FEW_CALLED])
def test_sums_are_what_their_hits_come_to(endpoints: int, share: float, errors: float, parts: int) -> None:
    rng = random.Random(f"{endpoints} {share} {errors} {parts}")
    for _ in range(10):
        hits = [hits_of(rng, endpoints, share, errors) for _ in range(parts)]
        together = [one for each in hits for one in each]
        packed = [sums_of(each).packed() for each in hits]
        found = added([Sums.unpacked(part.endpoints, part.columns) for part in packed])
        assert list(found.endpoints) == sorted({number for number, *_ in together})
        assert dict(found.states()) == states_of(together)
        assert dict(total([found, found]).states()) == states_of([(0, *rest) for _, *rest in together * 2])  # type: ignore[misc]
        assert sums_of(together[:1]).packed().hits == 1


@pytest.mark.parametrize(
    ("name", "asked"), [("_padded", (20, 0.8)), ("_COLUMNS", ALL_CALLED), ("_added_one_by_one", FEW_CALLED)]
)
def test_that_test_sees_both_ways(monkeypatch: pytest.MonkeyPatch, name: str, asked: tuple[int, float]) -> None:
    """The broken twins: padding that shifts, minima that are maxima, a part that is forgotten."""
    plain = getattr(sums_module, name)
    broken = {
        "_padded": lambda part, endpoints: [[*column[1:], column[0]] for column in plain(part, endpoints)],
        "_COLUMNS": [(max if add is min else add, nothing) for add, nothing in sums_module._COLUMNS],
        "_added_one_by_one": lambda parts, endpoints: plain([*parts[:-1], parts[0]], endpoints),
    }[name]
    monkeypatch.setattr(sums_module, name, broken)
    with pytest.raises((AssertionError, ValueError)):
        test_sums_are_what_their_hits_come_to(*asked, 0.5, 9)

"""Copies between stores: what is exact about them, what they refuse, and a twin that the tests must catch."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tyk_endpoint_stats.maintenance.copy as copying_module
from tyk_endpoint_stats import Consumer
from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.day_row import DayRow, compacted_row, merged_rows, state_of_row
from tyk_endpoint_stats.core.record import Latency
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.parallel import ingest_all
from tyk_endpoint_stats.maintenance.copy import CopyReport, copy
from tyk_endpoint_stats.maintenance.difference import NoPart, difference, row_difference
from tyk_endpoint_stats.opening import open_sources
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.stores.sqlite import SQLiteStore
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.copying import check_killed_copies, fill, held_by, killed_at

# --- what is missing


ROWS = (
    st.lists(
        st.builds(
            lambda code, latency, second: hit(0, second, code=code, request_time=3, latency=latency),
            st.sampled_from((200, 301, 404)),
            st.none() | st.builds(Latency, st.integers(0, 99), st.integers(0, 9)),
            st.sampled_from((0, 1, 1_000, 50_000)),
        ),
        min_size=1,
        max_size=6,
    )
    .map(batch_of)
    .map(lambda batch: batch.rows[0])
)
STATES = st.just(EndpointStats()) | ROWS.map(state_of_row)


@given(ROWS, ROWS)
def test_the_difference_of_rows_makes_the_part_whole(part: DayRow, rest: DayRow) -> None:
    """Quarter hours too, where they were pruned in both."""
    for some in ([part, rest], [one._replace(quarter_hours=b"") for one in (part, rest)]):
        whole = merged_rows(some)
        missing = row_difference(whole, some[0])
        assert missing is not None
        assert missing.hits == rest.hits
        again = compacted_row(merged_rows([some[0], missing]))
        assert state_of_row(again) == state_of_row(whole)
        assert again.quarter_hours == compacted_row(whole).quarter_hours
        assert row_difference(whole, again) is None


def test_a_row_with_other_quarter_hours_is_no_part() -> None:
    (part,), (whole,) = batch_of([hit(0, 5)]).rows, batch_of([hit(0, 5), hit(0, 6)]).rows
    (elsewhere,) = batch_of([hit(0, 5_000)]).rows
    with pytest.raises(NoPart):
        row_difference(whole, part._replace(quarter_hours=elsewhere.quarter_hours))


@given(STATES, STATES)
def test_the_difference_makes_the_part_whole(part: EndpointStats, rest: EndpointStats) -> None:
    whole = part.copy()
    whole.merge(rest)
    missing = difference(whole, part)
    if missing is None:
        assert whole == part
    else:
        assert missing.hits == rest.hits
        part.merge(missing)
        assert part == whole


@given(STATES, STATES)
def test_what_is_no_part_has_no_difference(one: EndpointStats, other: EndpointStats) -> None:
    try:
        missing = difference(one, other)
    except NoPart:
        return
    merged = other.copy()
    if missing is not None:
        merged.merge(missing)
    assert merged == one


@pytest.mark.parametrize("field", ["hits", "total_latency_ms", "codes", "min_latency_all_ms", "last_hit_us"])
def test_a_part_that_reaches_beyond_is_none(field: str) -> None:
    whole, part = (state_of_row(batch_of([hit()] * times).rows[0]) for times in (2, 1))
    beyond = {"codes": {204: 1}, "min_latency_all_ms": 1, "last_hit_us": 10**17}.get(field, 99)
    setattr(part, field, beyond)
    with pytest.raises(NoPart):
        difference(whole, part)


# --- copies


def test_a_copy_that_does_not_compare_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: brings whole states, whatever is there."""
    monkeypatch.setattr(copying_module, "row_difference", lambda whole, part: whole if whole != part else None)
    with pytest.raises((AssertionError, StoreError)):
        check_killed_copies(MemoryStore())


def test_a_copy_that_sets_positions_first_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: positions of a store that grows meanwhile; records behind them would count twice."""
    origin, target = GrowsWhileRead(), MemoryStore()
    fill(origin)
    monkeypatch.setattr(copying_module, "_progress_of", lambda store: _frozen(origin, store))
    copy(origin, target)
    assert held_by(target) != held_by(origin)


def _frozen(origin: "GrowsWhileRead", store: Any) -> Any:
    if store is origin and origin.first is None:
        origin.first = {one.source: one for one in store.sources()}
    return origin.first if store is origin else {one.source: one for one in store.sources() if one.source != "copy"}


class GrowsWhileRead(MemoryStore):
    """Gets another batch while it is copied, a few times."""

    first: Any = None
    left = 3

    def read(self, selection: Any) -> Any:
        answer = super().read(selection)
        if self.left:
            self.left -= 1
            fill(self, 6 - self.left, 7 - self.left)
        return answer


def test_a_store_that_grows_while_it_is_copied_is_copied_whole() -> None:
    origin, target = GrowsWhileRead(), MemoryStore()
    fill(origin)
    copy(origin, target)
    assert origin.left == 0
    assert held_by(target) == held_by(origin)


def test_a_store_that_never_stops_growing_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    origin, target = GrowsWhileRead(), MemoryStore()
    origin.left = 10**6
    fill(origin)
    monkeypatch.setattr(GrowsWhileRead, "read", _growing_read)
    with pytest.raises(StoreError, match="stop its ingests"):
        copy(origin, target)
    with pytest.raises(StoreError, match="not finished"):
        ingest(target, [hit()])


def _growing_read(self: GrowsWhileRead, selection: Any) -> Any:
    answer = MemoryStore.read(self, selection)
    self.merge(batch_of([hit()], "file:busy", *_steps(self)))
    return answer


def _steps(store: MemoryStore) -> tuple[str | None, str]:
    at = store.position("file:busy")
    return at, str(int(at or 0) + 1)


def test_two_copies_at_once_do_not_both_bring_the_same() -> None:
    origin, target = MemoryStore(), MemoryStore()
    fill(origin)
    started: list[CopyReport] = []

    def start_another(report: CopyReport) -> None:
        if not started:
            started.append(copy(origin, target))

    with pytest.raises(StoreError, match="another copy"):
        copy(origin, target, start_another)
    assert held_by(target) == held_by(origin)


def test_a_target_that_was_written_to_in_the_midst_is_refused() -> None:
    origin, target = MemoryStore(), MemoryStore()
    fill(origin)

    def intrude(report: CopyReport) -> None:
        target.merge(batch_of([hit(path="/elsewhere")]))

    with pytest.raises(StoreError, match=r"has to be a new store|what the store to copy from has not"):
        copy(origin, target, intrude)


def test_a_copy_that_has_gone_its_own_way_is_no_target_any_more() -> None:
    origin, target = MemoryStore(), MemoryStore()
    fill(origin)
    copy(origin, target)
    skipped = Batch(source="file:1", begins="4", ends="5")
    skipped.counts.read, skipped.counts.skipped = 1, {"tcp": 1}
    target.merge(skipped)
    with pytest.raises(StoreError, match="read more of the source 'file:1'"):
        copy(origin, target)


def test_another_stores_copy_is_no_target() -> None:
    origin, other, target = MemoryStore(), MemoryStore(), MemoryStore()
    fill(origin)
    fill(other, 0, 3)
    other.merge(batch_of([hit(path="/other")], "file:1", "3", "4"))
    copy(origin, target)
    with pytest.raises(StoreError):
        copy(other, target)


def test_what_can_only_be_asked_can_not_be_copied() -> None:
    class OnlyRead(ReadableStore):
        def read(self, selection: Any) -> Any:
            return []

        def close(self) -> None: ...

    with pytest.raises(StoreError, match="only be asked"):
        copy(OnlyRead(), MemoryStore())


def test_an_ingest_goes_on_in_the_copy(tmp_path: Path) -> None:
    """The same file, grown: what was copied is not counted again, with one process and with several."""
    line = b'{"path":"/%d","api_key":"k","response_code":200,"timestamp":"2020-10-13T10:00:00Z"}\n'
    file = tmp_path / "records.jsonl"
    file.write_bytes(b"".join(line % number for number in range(500)))
    with SQLiteStore(tmp_path / "a.db") as origin, SQLiteStore(tmp_path / "b.db") as target:
        for source in open_sources(str(file)):
            ingest(origin, source)
        assert killed_at(origin, target, 2, after=True)
        with pytest.raises(StoreError, match="not finished"):
            list(ingest_all(target, open_sources(str(file))))
        copy(origin, target)
        with file.open("ab") as growing:
            growing.write(b"".join(line % number for number in range(500, 800)))
        for source in open_sources(str(file)):
            assert ingest(target, source).counts.counted == 300
        rows = target.endpoints(Consumer.key("k"), date(2020, 10, 13), date(2020, 10, 13))
        assert (len(rows), {row.hits for row in rows}) == (800, {1})

"""The hits of a running batch: a state's first hit in columns, the others in sums.

Where traffic is sparse, most states see one hit: putting its numbers at the ends of lists takes 86 ns, making an
object of them 142, and the close reads them in the order in which they lie in memory. Of a state that sees more the
sums are kept in a list, whose items take 30 ns to change, an object's attributes 39.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct, field

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY
from tyk_endpoint_stats.core.cells import BIN_BITS, MAX_CELLS
from tyk_endpoint_stats.core.rows import NO_HIT

__all__ = ["Hits", "Quarter", "count_by_day", "count_cells", "first_sums"]

_COUNTED, _CELLS = 11, 12
"""Where in a state's sums the counted cells are, and where those begin that are not."""

_ERROR = 400 << BIN_BITS


class Quarter(Struct, frozen=True, gc=False):
    """A quarter of an hour and its day. One object a quarter and batch.

    Where ``end`` is ``start`` the aggregator looks at each of its records.

    Attributes:
        start: its first moment.
        end: the first moment behind it.
        number: quarters since 1970.
    """

    start: datetime
    end: datetime
    number: int


class Hits(Struct):
    """Hits by the states they belong to, which are numbered as they come.

    An identity is everything that names a hit: organisation, key, client, API, path, alias, API name. Names are
    part of it so that the loop never compares them, and a hit with a key and a client is counted once and told
    apart at the close. A state is an identity in a quarter.

    Attributes:
        newest: of each identity, its newest state. An identity is its seven names joined by TABs, or a key of
            ``tabbed``.
        tabbed: the seven names of identities that have a TAB in a name.
        identities: of each state, the place of its identity among ``newest``.
        quarters: of each state.
        moments: of each state's first hit.
        latencies: of each state's first hit, in milliseconds.
        upstreams: the upstream's part of them.
        request_times: of each state's first hit, in milliseconds.
        cells: of each state's first hit, its response code and latency bin together.
        sums: of each state, ``None`` as long as it has one hit; then first and last moment; sums of latencies, of
            what request times have beyond them (nothing, nearly always) and of upstreams' latencies; maxima of both
            latencies; minima of both over non-error hits; minima of both over errors; hits by cell (or ``None``);
            and then the cell of each hit that is not in there.
    """

    newest: dict[str, int] = field(default_factory=dict)
    tabbed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    identities: list[int] = field(default_factory=list)
    quarters: list[Quarter] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    latencies: list[int] = field(default_factory=list)
    upstreams: list[int] = field(default_factory=list)
    request_times: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    sums: list[list[Any] | None] = field(default_factory=list)


def first_sums(hits: Hits, state: int) -> list[Any]:
    """What a state's first hit comes to."""
    moment, latency, upstream = hits.moments[state], hits.latencies[state], hits.upstreams[state]
    more, cell = hits.request_times[state] - latency, hits.cells[state]
    sums = [moment, moment, latency, more, upstream, latency, upstream]
    if cell < _ERROR:
        sums += (latency, upstream, NO_HIT, NO_HIT, None, cell)
    else:
        sums += (NO_HIT, NO_HIT, latency, upstream, None, cell)
    return sums


def count_cells(hits: Hits) -> None:
    """Count the cells of states that have many of them, so that memory grows with states and not with hits."""
    for sums in hits.sums:
        if sums is not None and len(sums) > _CELLS + MAX_CELLS:
            counted = sums[_COUNTED] or {}
            for cell in sums[_CELLS:]:
                counted[cell] = counted.get(cell, 0) + 1
            sums[_COUNTED] = counted
            del sums[_CELLS:]


def count_by_day(hits: Hits) -> dict[int, int]:
    """The hits of each day, by days since 1970, before they are used up."""
    counted: dict[int, int] = {}
    for quarter, sums in zip(hits.quarters, hits.sums, strict=True):
        day = quarter.number // QUARTER_HOURS_PER_DAY
        several = 1 if sums is None else len(sums) - _CELLS + sum((sums[_COUNTED] or {}).values())
        counted[day] = counted.get(day, 0) + several
    return counted

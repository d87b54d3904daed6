"""The running batch: hits by the quarter hour and the identity they belong to, while records come.

Where traffic is sparse most quarter hours of an identity see one hit: putting its numbers at the ends of lists takes
86 ns, making an object of them 142, and the flush reads them in the order in which they lie in memory. Of one that
sees more the sums are kept in a list, whose items take 30 ns to change; an object's attributes take 39.
"""

from datetime import datetime

from msgspec import Struct, field

from tyk_endpoint_stats.core.packed import BIN_BITS

__all__ = ["ERROR", "NO_MINIMUM", "QuarterHour", "RunningBatch", "Sums", "count_waiting_cells", "first_sums"]

ERROR = 400 << BIN_BITS
"""The cells of errors begin here."""

NO_MINIMUM = 1 << 62
"""Greater than any duration, so that minima need no look at whether there is one."""

MAX_WAITING_CELLS = 32
"""More cells of one quarter hour are counted: a count takes as much memory as four of them."""


class QuarterHour(Struct, frozen=True, gc=False):
    """A quarter of an hour. One object each and batch.

    Where ``end`` is ``start`` the aggregator looks at each of its records.

    Attributes:
        start: its first moment.
        end: the first moment behind it.
        number: quarter hours since 1970.
    """

    start: datetime
    end: datetime
    number: int


class Sums(Struct, gc=False):
    """The hits of one identity in one quarter hour, from the second on.

    Attributes:
        first, last: their moments.
        numbers: of timed hits, in milliseconds: latencies, request times beyond them (nothing, nearly always; of a hit
            without a latency all of its request time), upstream latencies; the largest of both latencies (-1: none);
            the smallest of both over non-errors, and over errors (``NO_MINIMUM``: none); and how many hits are not
            timed.
        cells: of hits that were not counted yet.
        counted: hits by cell.
    """

    first: datetime
    last: datetime
    numbers: list[int]
    cells: list[int]
    counted: dict[int, int]


class RunningBatch(Struct):
    """Hits by state: an identity in a quarter hour. States are numbered as they come.

    An identity is everything that names a hit: organisation, key, client, API, path, alias, API name. Names are part of
    it so that the loop never compares them, and a hit with a key and a client is counted once and told apart when the
    batch is flushed.

    Attributes:
        newest: of each identity, its newest state. An identity is its seven names joined by TABs, or a key of
            ``tabbed``.
        tabbed: the seven names of identities that have a TAB in a name.
        identities: of each state, the place of its identity among ``newest``.
        quarter_hours: of each state.
        moments: of each state's first hit, and so are the following.
        latencies: in milliseconds; -1 without one.
        upstreams: the upstream's part of them; -1 without one.
        request_times: in milliseconds.
        cells: response code and latency bin together.
        sums: of each state, ``None`` as long as it has one hit.
    """

    newest: dict[str, int] = field(default_factory=dict)
    tabbed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    identities: list[int] = field(default_factory=list)
    quarter_hours: list[QuarterHour] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    latencies: list[int] = field(default_factory=list)
    upstreams: list[int] = field(default_factory=list)
    request_times: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    sums: list[Sums | None] = field(default_factory=list)


def first_sums(running: RunningBatch, state: int) -> Sums:
    """The sums of a state that had one hit."""
    latency, upstream, cell = running.latencies[state], running.upstreams[state], running.cells[state]
    moment, request_time = running.moments[state], running.request_times[state]
    if latency < 0:
        numbers = [0, request_time, 0, -1, -1, NO_MINIMUM, NO_MINIMUM, NO_MINIMUM, NO_MINIMUM, 1]
    elif cell < ERROR:
        numbers = [latency, request_time - latency, upstream, latency, upstream]
        numbers += [latency, upstream, NO_MINIMUM, NO_MINIMUM, 0]
    else:
        numbers = [latency, request_time - latency, upstream, latency, upstream]
        numbers += [NO_MINIMUM, NO_MINIMUM, latency, upstream, 0]
    return Sums(moment, moment, numbers, [cell], {})


def count_waiting_cells(running: RunningBatch) -> int:
    """Count the cells of states that have many of them, so that memory grows with states and not with hits.

    Returns:
        How many cells are held now, counted or not.
    """
    held = 0
    for sums in running.sums:
        if sums is not None:
            if len(sums.cells) > MAX_WAITING_CELLS:
                for cell in sums.cells:
                    sums.counted[cell] = sums.counted.get(cell, 0) + 1
                sums.cells.clear()
            held += len(sums.cells) + len(sums.counted)
    return held

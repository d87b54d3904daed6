"""Packed values: the distribution of a day row and its quarter hours, each in one small binary value.

A packed value is *pieces*, one behind the other::

    piece = version (one byte, 1) · length (varint: seven bits a byte, the lowest first) · MessagePack of so many bytes

Two packed values one behind the other are the packed value of their merge. So every engine appends in its own
upsert, nobody reads before writing, and ``compact`` makes one piece of many. The MessagePack of

* a distribution is ``[cells, {code: hits}, {latency bin: timed hits}]``. A *cell* is a response code and a latency bin
  in one number: of few hits a list of cells costs less to make than counts;
* quarter hours is ``[hits, states]``: quarter hours of one hit, and quarter hours of several (``HitPiece`` and
  ``StatePiece`` below).

Nothing here trusts what it reads: what is no packed value is a ``PackedError``.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import DecodeError, Struct, msgpack

from tyk_endpoint_stats.core.counts import add_counts
from tyk_endpoint_stats.core.histogram import bin_of
from tyk_endpoint_stats.core.instants import DAY_US, QUARTER_HOUR_US
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = [
    "BIN_BITS",
    "MAX_COMPACTED_CODES",
    "UNTIMED",
    "HitPiece",
    "PackedError",
    "StatePiece",
    "TooManyCodes",
    "compact_distribution",
    "compact_quarter_hours",
    "count_cells",
    "count_pieces",
    "is_one_hit",
    "pack",
    "pack_distribution",
    "pack_quarter_hours",
    "unpack_distribution",
    "unpack_quarter_hours",
]

BIN_BITS = 11
UNTIMED = (1 << BIN_BITS) - 1
"""The bin in the cell of a hit without a latency; ``bin_of(10**12)`` is 1277."""

MAX_COMPACTED_CODES = 2**17
"""Of a row: more distinct ones stay in pieces, which take no memory."""

_VERSION = 1
_SHORT = 0x80
_HEADS = tuple(bytes((_VERSION, length)) for length in range(_SHORT))
_QUARTER_HOURS_PER_DAY = DAY_US // QUARTER_HOUR_US
_MAX_LENGTH_BYTES = 5
_encode = msgpack.Encoder().encode


class PackedError(ValueError):
    """Bytes are no packed value of a version that is known."""


class TooManyCodes(PackedError):
    """A packed value has more response codes than whoever reads it has memory for."""


class HitPiece(Struct, array_like=True, gc=False):
    """A quarter hour of one hit.

    Attributes:
        quarter_hour: of the day, 0 to 95.
        at_us: microseconds since the quarter hour began.
        latency_ms: -1: the record has no latency.
        upstream_latency_ms: -1 likewise.
        request_time_ms: as recorded.
        code: the response code.
    """

    quarter_hour: int
    at_us: int
    latency_ms: int
    upstream_latency_ms: int
    request_time_ms: int
    code: int


class StatePiece(Struct, array_like=True, gc=False):
    """A quarter hour of several hits: ``EndpointStats``' members, instants in microseconds since it began."""

    quarter_hour: int
    hits: int
    success: int
    error: int
    timed_hits: int
    total_request_time_ms: int
    total_latency_ms: int
    total_upstream_latency_ms: int
    max_latency_ms: int | None
    max_upstream_latency_ms: int | None
    min_latency_all_ms: int | None
    min_upstream_latency_all_ms: int | None
    min_latency_non_error_ms: int | None
    min_upstream_latency_non_error_ms: int | None
    first_hit_us: int
    last_hit_us: int
    cells: list[int]
    codes: dict[int, int]
    histogram: dict[int, int]


_decode_distribution = msgpack.Decoder(tuple[list[int], dict[int, int], dict[int, int]]).decode
_decode_quarter_hours = msgpack.Decoder(tuple[list[HitPiece], list[StatePiece]]).decode


def pack(content: object) -> bytes:
    """A piece of that content: a value that MessagePack can hold."""
    data = _encode(content)
    length = len(data)
    if length < _SHORT:
        return _HEADS[length] + data
    head = bytearray((_VERSION,))
    while length >= _SHORT:
        head.append(length & 0x7F | _SHORT)
        length >>= 7
    head.append(length)
    return bytes(head) + data


def pack_distribution(codes: Mapping[int, int], histogram: Mapping[int, int]) -> bytes:
    """Hits by response code and timed hits by latency bin, as one piece."""
    return pack(((), codes, histogram))


def count_cells(cells: Iterable[int], codes: dict[int, int], histogram: dict[int, int]) -> None:
    """Add the hits of some cells to hits by response code and timed hits by latency bin."""
    for cell in cells:
        code, latency_bin = cell >> BIN_BITS, cell & UNTIMED
        codes[code] = codes.get(code, 0) + 1
        if latency_bin != UNTIMED:
            histogram[latency_bin] = histogram.get(latency_bin, 0) + 1


def pack_quarter_hours(states: Mapping[int, EndpointStats]) -> bytes:
    """The states of quarter hours of one day, by their number in it, as one piece; ``b""`` of none."""
    if not states:
        return b""
    hits: list[HitPiece] = []
    pieces: list[StatePiece] = []
    for quarter_hour, stats in sorted(states.items()):
        first, last = stats.first_hit_us, stats.last_hit_us
        assert first is not None
        assert last is not None
        hit = _hit_of(quarter_hour, stats, first)
        if hit is not None:
            hits.append(hit)
        else:
            pieces.append(
                StatePiece(
                    quarter_hour,
                    stats.hits,
                    stats.success,
                    stats.error,
                    stats.timed_hits,
                    stats.total_request_time_ms,
                    stats.total_latency_ms,
                    stats.total_upstream_latency_ms,
                    stats.max_latency_ms,
                    stats.max_upstream_latency_ms,
                    stats.min_latency_all_ms,
                    stats.min_upstream_latency_all_ms,
                    stats.min_latency_non_error_ms,
                    stats.min_upstream_latency_non_error_ms,
                    first % QUARTER_HOUR_US,
                    last % QUARTER_HOUR_US,
                    [],
                    stats.codes,
                    stats.histogram,
                )
            )
    return pack((hits, pieces))


def unpack_distribution(data: bytes, max_codes: int | None = None) -> tuple[dict[int, int], dict[int, int]]:
    """Hits by response code and timed hits by latency bin.

    Args:
        data: packed.
        max_codes: how many response codes there may be.

    Raises:
        TooManyCodes: there are more.
        PackedError: ``data`` is no packed distribution.
    """
    codes: dict[int, int] = {}
    histogram: dict[int, int] = {}
    for content in _contents(data):
        try:
            cells, its_codes, its_histogram = _decode_distribution(content)
        except (DecodeError, RecursionError) as problem:
            raise PackedError(f"a distribution that can't be read: {problem}") from problem
        count_cells(cells, codes, histogram)
        add_counts(codes, its_codes)
        add_counts(histogram, its_histogram)
        _check_codes(len(codes), max_codes)
    return codes, histogram


def unpack_quarter_hours(
    data: bytes, day: int, first: int = 0, end: int = _QUARTER_HOURS_PER_DAY, max_codes: int | None = None
) -> dict[int, EndpointStats]:
    """The states of the quarter hours ``first`` … ``end - 1`` of a day, by their number in it.

    Args:
        data: packed.
        day: days since 1970, for the states' instants.
        first: the first quarter hour that is wanted.
        end: the first one behind them.
        max_codes: how many response codes there may be, in all of them.

    Raises:
        TooManyCodes: there are more.
        PackedError: ``data`` is no packed value of quarter hours.
    """
    states: dict[int, EndpointStats] = {}
    start_us = day * DAY_US
    for content in _contents(data):
        try:
            hits, pieces = _decode_quarter_hours(content)
        except (DecodeError, RecursionError) as problem:
            raise PackedError(f"quarter hours that can't be read: {problem}") from problem
        for hit in hits:
            number = hit.quarter_hour
            if first <= number < end:
                _merge_into(states, number, _state_of_hit(hit, start_us + number * QUARTER_HOUR_US))
        for piece in pieces:
            number = piece.quarter_hour
            if first <= number < end:
                _merge_into(states, number, _state_of(piece, start_us + number * QUARTER_HOUR_US))
        _check_codes(sum(len(state.codes) for state in states.values()), max_codes)
    return states


def compact_distribution(data: bytes) -> bytes:
    """The same in one piece; as it is where that would take much memory, which honest data never does."""
    try:
        return pack_distribution(*unpack_distribution(data, MAX_COMPACTED_CODES))
    except TooManyCodes:
        return data


def compact_quarter_hours(data: bytes) -> bytes:
    """The same in one piece, each quarter hour once; as it is where that would take much memory."""
    try:
        return pack_quarter_hours(unpack_quarter_hours(data, 0, max_codes=MAX_COMPACTED_CODES))
    except TooManyCodes:
        return data


def count_pieces(data: bytes) -> int:
    """How many pieces a packed value has.

    Raises:
        PackedError: ``data`` is no packed value.
    """
    return sum(1 for _ in _contents(data))


def is_one_hit(stats: EndpointStats) -> bool:
    """Whether a state is what a single hit makes, in every field; its instants may be any."""
    hit = _hit_of(0, stats, stats.first_hit_us or 0)
    if hit is None or hit.request_time_ms < 0:
        return False
    return hit.latency_ms == -1 or min(hit.latency_ms, hit.upstream_latency_ms) >= 0


def _check_codes(count: int, max_codes: int | None) -> None:
    if max_codes is not None and count > max_codes:
        raise TooManyCodes(f"{count:,} response codes")


def _merge_into(states: dict[int, EndpointStats], number: int, state: EndpointStats) -> None:
    known = states.get(number)
    if known is None:
        states[number] = state
    else:
        known.merge(state)


def _hit_of(quarter_hour: int, stats: EndpointStats, at_us: int) -> HitPiece | None:
    """The hit that a state is of; ``None``: of several, or of a difference, which has the extremes of all hits."""
    if stats.hits != 1 or len(stats.codes) != 1:
        return None
    (code,) = stats.codes
    latency = -1 if stats.max_latency_ms is None else stats.max_latency_ms
    upstream = -1 if stats.max_upstream_latency_ms is None else stats.max_upstream_latency_ms
    since_us = at_us % QUARTER_HOUR_US
    hit = HitPiece(quarter_hour, since_us, latency, upstream, stats.total_request_time_ms, code)
    return hit if _state_of_hit(hit, at_us - since_us) == stats else None


def _state_of_hit(hit: HitPiece, start_us: int) -> EndpointStats:
    code, latency, upstream, at_us = hit.code, hit.latency_ms, hit.upstream_latency_ms, start_us + hit.at_us
    success, error = int(200 <= code <= 299), int(code >= 400)
    if latency < 0:
        stats = EndpointStats(1, success, error, 0, hit.request_time_ms)
        stats.first_hit_us = stats.last_hit_us = at_us
        stats.codes = {code: 1}
        return stats
    non_error, upstream_non_error = (None, None) if error else (latency, upstream)
    return EndpointStats(
        1,
        success,
        error,
        1,
        hit.request_time_ms,
        latency,
        upstream,
        latency,
        upstream,
        latency,
        upstream,
        non_error,
        upstream_non_error,
        at_us,
        at_us,
        {code: 1},
        {bin_of(latency): 1},
    )


def _state_of(piece: StatePiece, start_us: int) -> EndpointStats:
    count_cells(piece.cells, piece.codes, piece.histogram)
    return EndpointStats(
        piece.hits,
        piece.success,
        piece.error,
        piece.timed_hits,
        piece.total_request_time_ms,
        piece.total_latency_ms,
        piece.total_upstream_latency_ms,
        piece.max_latency_ms,
        piece.max_upstream_latency_ms,
        piece.min_latency_all_ms,
        piece.min_upstream_latency_all_ms,
        piece.min_latency_non_error_ms,
        piece.min_upstream_latency_non_error_ms,
        start_us + piece.first_hit_us,
        start_us + piece.last_hit_us,
        piece.codes,
        piece.histogram,
    )


def _contents(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    at, end = 0, len(view)
    while at < end:
        if view[at] != _VERSION:
            raise PackedError(f"a packed value of version {view[at]}; this program knows version {_VERSION}")
        length = shift = 0
        at += 1
        for _ in range(_MAX_LENGTH_BYTES):
            if at >= end:
                raise PackedError("a packed value that was cut")
            byte = view[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < _SHORT:
                break
        if at + length > end or byte >= _SHORT:
            raise PackedError("a packed value that was cut")
        yield view[at : at + length]
        at += length

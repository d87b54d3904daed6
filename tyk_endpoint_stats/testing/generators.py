"""Random records and questions over small alphabets, so that ids, times and names collide all the time."""

from collections.abc import Iterable
from itertools import combinations, product
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tyk_endpoint_stats.core.aggregator import Aggregator
from tyk_endpoint_stats.core.batch import Batch, Kind
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.instants import to_datetime
from tyk_endpoint_stats.core.record import GraphQLStats, Latency, MCPStats, Record
from tyk_endpoint_stats.core.selection import Dimension, Selection

__all__ = ["FIRST_DAY", "batch_of", "hit", "numbered_batch", "odd_records", "records", "selections", "timestamp"]

FIRST_DAY = 18548
"""2020-10-13, the first of the three days that most generated records lie in."""

_DAY_US = 86_400_000_000
_QUARTER_US = 900_000_000
_ORGS = ("", "org-1", "org-2")
_KEYS = ("", "k1", "k2", "K1")
_CLIENTS = ("", "c1", "k1")
_APIS = ("", "api-1", "api-2")
_PATHS = ("/get", "/get/", "/GET", "", "/a b/ü")
_ALIASES = ("", "Ann", "Bob")
_API_NAMES = ("", "One", "Zwei")
_CODES = (200, 200, 204, 299, 301, 399, 400, 404, 500, 0, 100, 199, 300, -7)


def hit(
    day: int = FIRST_DAY, second: int = 28_340, *, code: int = 200, latency_ms: int = 10, **fields: object
) -> Record:
    """One good record: key ``k1`` at ``/get``, unless told otherwise.

    Args:
        day: days since 1970-01-01 UTC.
        second: seconds since that midnight.
        code: response code.
        latency_ms: all three durations.
        fields: attributes of ``Record``.
    """
    given: dict[str, object] = {
        "path": "/get",
        "response_code": code,
        "api_key": "k1",
        "timestamp": timestamp(day * _DAY_US + second * 1_000_000),
        "api_id": "api-1",
        "org_id": "org-1",
        "request_time": latency_ms,
        "latency": Latency(latency_ms, latency_ms),
    }
    return Record(**(given | fields))  # type: ignore[arg-type]


def batch_of(
    records: Iterable[Record], source: str | None = None, begins: str | None = None, ends: str | None = None
) -> Batch:
    """One batch of these records."""
    aggregator = Aggregator()
    aggregator.add(records)
    return aggregator.close(source, begins, ends)


def numbered_batch(records: Iterable[Record], source: str, number: int) -> Batch:
    """A batch of a source whose positions are the numbers of its batches, counted from 0."""
    return batch_of(records, source, str(number) if number else None, str(number + 1))


def timestamp(at_us: int, offset_minutes: int = 0, digits: int = 6) -> str:
    """RFC 3339 text of an instant with that offset and that many digits of a second; the rest is cut."""
    text = to_datetime(at_us + offset_minutes * 60_000_000).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if digits:
        # Behind the sixth digit stand nines: whoever rounds instead of cutting ends in another microsecond.
        text += f".{at_us % 1_000_000:06d}999"[: digits + 1]
    if not offset_minutes:
        return text + "Z"
    hours, minutes = divmod(abs(offset_minutes), 60)
    return f"{text}{'-' if offset_minutes < 0 else '+'}{hours:02d}:{minutes:02d}"


def _together(*choices: Iterable[object]) -> SearchStrategy[tuple[Any, ...]]:
    """One of each, in one draw: a draw takes Hypothesis as long as a store takes to merge a hit."""
    return st.sampled_from(list(product(*choices)))


def _texts(characters: str, max_size: int) -> SearchStrategy[str]:
    """Any short text of these, in one draw."""
    return st.sampled_from(
        ["".join(some) for size in range(max_size + 1) for some in product(characters, repeat=size)]
    )


def _instants(days: int) -> SearchStrategy[int]:
    edges = st.builds(
        lambda quarter, beside: FIRST_DAY * _DAY_US + quarter * _QUARTER_US + beside,
        st.integers(0, days * 96),
        st.sampled_from((-1, 0, 1)),
    )
    anywhere = st.integers(FIRST_DAY * _DAY_US, (FIRST_DAY + days) * _DAY_US - 1)
    return edges | anywhere


def _timestamps(days: int) -> SearchStrategy[str]:
    forms = _together((0, 0, 330, -210, 840, -720, 1), (6, 9, 3, 0, 7))
    return st.builds(lambda at_us, form: timestamp(at_us, *form), _instants(days), forms)


def _latencies(durations: SearchStrategy[int]) -> SearchStrategy[Latency | None]:
    timed = st.builds(Latency, durations, durations)
    return timed | timed | timed | st.none()


def records(*, days: int = 3) -> SearchStrategy[Record]:
    """Records that are well formed; now and then one has no latency, or is skipped for its kind.

    Args:
        days: they lie in so many UTC days from 2020-10-13 on, and a microsecond around their edges.
    """
    durations = (0, 1, 2, 54, 55, 56, 300, 4095, 4096, 10**12)
    return st.builds(
        _record,
        _together(_ORGS, _KEYS, _CLIENTS, _ALIASES),
        _together(_APIS, _PATHS, _API_NAMES, (*_CODES, -1), (False, True)),
        _together(durations, durations, durations, (True, True, True, False)),
        _timestamps(days),
    )


def _record(
    who: tuple[str, str, str, str],
    what: tuple[str, str, str, int, bool],
    how_long: tuple[int, int, int, bool],
    when: str,
) -> Record:
    org_id, api_key, oauth_id, alias = who
    api_id, path, api_name, code, track_path = what
    request_ms, latency_ms, upstream_ms, is_timed = how_long
    return Record(
        path=path,
        response_code=code,
        api_key=api_key,
        timestamp=when,
        api_name=api_name,
        api_id=api_id,
        org_id=org_id,
        oauth_id=oauth_id,
        request_time=request_ms,
        latency=Latency(latency_ms, upstream_ms) if is_timed else None,
        alias=alias,
        track_path=track_path,
    )


def odd_records() -> SearchStrategy[Record]:
    """Records of every kind the aggregator meets: TABs, ids and paths too long, no time, GraphQL, MCP, TCP."""
    tabbed = _texts("\t\0aü😀1", 4)
    long_ids = st.sampled_from(("i" * 512, "i" * 513, "ü" * 256, "ü" * 257, "😀" * 128, "😀" * 129))
    long_paths = st.sampled_from(
        ("/" + "p" * 2047, "/" + "p" * 2048, "/" + "p" * 2049, "/" + "ü" * 1024, "/" + "😀" * 600)
    )
    long_names = st.sampled_from(("n" * 256, "n" * 257, "😀" * 65))
    times = _timestamps(3) | st.sampled_from(
        (
            "",
            "0001-01-01T00:00:00Z",
            "0001-01-01T05:30:00+05:30",
            "yesterday",
            "2020-10-13T12:00:00",
            "2020-13-01T12:00:00Z",
            "2020-10-13T23:59:60Z",
            "2020-10-13t23:59:59.123456789z",
            "2020-10-13 12:00:00+0530",
            "1969-12-31T23:59:59.999999Z",
            "0001-01-02T00:00:00-23:59",
            "9999-12-31T00:00:00+14:00",
            "0001-01-01T00:00:00.000001Z",
            "9999-12-31T23:59:59.9999999Z",
        )
    )
    durations = st.integers(0, 5000) | st.sampled_from((10**12, 2**31))
    return st.builds(
        Record,
        path=st.sampled_from(_PATHS) | tabbed | long_paths,
        response_code=st.sampled_from((*_CODES, -1)) | st.integers(-(2**31), 2**31 - 1),
        api_key=st.sampled_from(_KEYS) | tabbed | long_ids,
        timestamp=times,
        api_name=st.sampled_from(_API_NAMES) | tabbed | long_names,
        api_id=st.sampled_from(_APIS) | tabbed | long_ids,
        org_id=st.sampled_from(_ORGS) | tabbed | long_ids,
        oauth_id=st.sampled_from(_CLIENTS) | tabbed | long_ids,
        request_time=durations,
        latency=_latencies(durations),
        alias=st.sampled_from(_ALIASES) | tabbed | long_names,
        track_path=st.booleans(),
        graphql_stats=st.builds(GraphQLStats, st.sampled_from((False, False, False, True))),
        mcp_stats=st.builds(MCPStats, st.sampled_from((False, False, False, True))),
    )


@st.composite
def _spans(draw: st.DrawFn, days: int) -> tuple[Span, ...]:
    """Spans that do not overlap: each day is asked for whole, by quarters, or not at all."""
    chosen = draw(st.sampled_from(list(product((None, *Width), repeat=days + 2))))
    spans = []
    for day, width in enumerate(chosen, FIRST_DAY - 1):
        if width is Width.DAY:
            spans.append(Span(width, day, day + 1))
        elif width is Width.QUARTER_HOUR:
            first, length = divmod(draw(st.integers(0, 96 * 96 - 1)), 96)
            spans.append(Span(width, day * 96 + first, day * 96 + min(first + length + 1, 96)))
    return tuple(spans)


def selections(*, days: int = 3) -> SearchStrategy[Selection]:
    """Questions about such records: every grouping, every filter, days and quarters mixed."""
    groupings = [frozenset(by) for size in range(len(Dimension) + 1) for by in combinations(Dimension, size)]
    everything = (Span(Width.DAY, -(10**6), 10**7),)
    return st.builds(
        _selection,
        _spans(days) | st.just(everything),
        _together(_or_none(_ORGS), _or_none(Kind), _or_none(("k1", "k2", "c1", "nobody"))),
        _together(_or_none((*_APIS, "no-api")), _or_none(_PATHS), groupings, (False, True)),
    )


def _or_none(values: Iterable[object]) -> list[object]:
    """Every second time there is no filter."""
    values = list(values)
    return [None] * len(values) + values


def _selection(
    spans: tuple[Span, ...],
    who: tuple[str | None, Kind | None, str | None],
    what: tuple[str | None, str | None, frozenset[Dimension], bool],
) -> Selection:
    api_id, path, group_by, distributions = what
    return Selection(spans, group_by, *who, api_id, path, distributions=distributions)

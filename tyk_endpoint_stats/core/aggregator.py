"""Records in, states out, one pass: the loop every record goes through.

Memory is bounded by the states of the running batch, never by the records: whoever feeds the aggregator closes
the batch when ``len(aggregator)`` says it is large enough.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from msgspec import Struct

from tyk_endpoint_stats.core.buckets import QUARTERS_PER_DAY, Bucket, Width
from tyk_endpoint_stats.core.histogram import SMALL_BINS, bin_of
from tyk_endpoint_stats.core.instants import EPOCH, QUARTER_US, from_datetime, parse_rfc3339
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Batch, Counts, Kind, NameSeen, Series
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["Aggregator", "Rules"]

MAX_PATH_BYTES = 2048
MAX_ID_BYTES = 512
MAX_NAME_BYTES = 256

_QUARTER = timedelta(microseconds=QUARTER_US)
_GO_ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)
_BIN_BITS = 11  # bin_of(10**12) is 1277
_SMALL = len(SMALL_BINS)


class Rules(Struct, frozen=True):
    """Which records count.

    Attributes:
        tracked_only: only records whose path the gateway was told to track (Tyk Pump's default).
        include: of ``"graphql"`` and ``"mcp"``, the records to count that are skipped otherwise.
    """

    tracked_only: bool = False
    include: frozenset[str] = frozenset()


class _Identity(Struct, frozen=True, gc=False):
    """What a running state is kept apart by: everything that names the hit."""

    org_id: str
    api_key: str
    oauth_id: str
    api_id: str
    path: str
    alias: str
    api_name: str


class _Running(Struct, gc=False):
    """A state while its batch runs: what the loop touches, and nothing it could leave to the close.

    Outcomes are not counted here: ``cells`` counts hits by response code and latency bin together (code in
    the high bits), and hits, success, error, codes and histogram are its sums, made once at the close.
    Names are part of what keeps states apart, so the loop never compares them.
    """

    identity: _Identity
    first: datetime
    last: datetime
    request_time: int
    latency: int
    upstream: int
    max_latency: int
    max_upstream: int
    min_latency: int
    min_upstream: int
    min_error_latency: int
    min_error_upstream: int
    cells: dict[int, int]


_NONE_YET = 1 << 62


class Aggregator:
    """Adds records to states. Not thread-safe; one aggregator serves one source.

    Args:
        rules: which records count.
    """

    def __init__(self, rules: Rules = Rules()) -> None:  # noqa: B008 - frozen
        self.rules = rules
        self._start()

    def _start(self) -> None:
        self._buckets: dict[int, dict[str, _Running]] = {}
        self.counts = Counts()

    def __len__(self) -> int:
        """How many states the running batch has: what its memory grows with."""
        return sum(map(len, self._buckets.values()))

    def reason_to_skip(self, record: Record) -> str:
        """Why a record is no hit under the rules: ``tcp``, ``graphql``, …; ``""`` if it is one."""
        include = self.rules.include
        if record.response_code == -1:
            return "tcp"
        if record.graphql_stats.is_graphql and "graphql" not in include:
            return "graphql"
        if record.mcp_stats.is_mcp and "mcp" not in include:
            return "mcp"
        if not record.api_key and not record.oauth_id:
            return "no_consumer"
        if self.rules.tracked_only and not record.track_path:
            return "untracked"
        return ""

    def add(
        self, records: Iterable[Record], instant_of: Callable[[Any], datetime] = datetime.fromisoformat
    ) -> list[tuple[int, str]]:
        """Count records, or count why they do not count.

        Args:
            records: anything with ``Record``'s attributes.
            instant_of: turns a record's ``timestamp`` into an aware datetime.

        Returns:
            The malformed ones: index and reason.
        """
        malformed: list[tuple[int, str]] = []
        skipped: dict[str, int] = {}
        tracked_only = self.rules.tracked_only
        states: dict[str, _Running] = {}
        get = states.get
        low = high = _GO_ZERO_TIME  # no bucket yet
        bins, small = SMALL_BINS, _SMALL
        index = -1
        for index, record in enumerate(records):
            code = record.response_code
            if (
                code == -1
                or record.graphql_stats.is_graphql
                or record.mcp_stats.is_mcp
                or tracked_only
                or not record.api_key
            ):
                reason = self.reason_to_skip(record)
                if reason:
                    skipped[reason] = skipped.get(reason, 0) + 1
                    continue
            try:
                moment = instant_of(record.timestamp)
                if moment.tzinfo is not UTC:
                    moment = _to_utc(moment)
            except (ValueError, TypeError, OverflowError):
                try:
                    moment = parse_rfc3339(record.timestamp)
                except (ValueError, TypeError):
                    malformed.append((index, "no timestamp" if not record.timestamp else "timestamp"))
                    continue
            if not low <= moment < high:
                if moment == _GO_ZERO_TIME:
                    malformed.append((index, "no timestamp"))
                    continue
                number = from_datetime(moment) // QUARTER_US
                low = EPOCH + number * _QUARTER
                high = low + _QUARTER
                states = self._buckets.setdefault(number, {})
                get = states.get
            key = (
                f"{record.org_id}\t{record.api_key}\t{record.oauth_id}\t{record.api_id}\t{record.path}"
                f"\t{record.alias}\t{record.api_name}"
            )
            latency, upstream = record.latency.total, record.latency.upstream
            cell = (code << _BIN_BITS) + (bins[latency] if latency < small else bin_of(latency))
            state = get(key)
            if state is None:
                problem = _too_long(record)
                if problem:
                    malformed.append((index, problem))
                    continue
                if key.count("\t") != 6:
                    # An id with a TAB: the joined text could be two identities', their lengths tell them apart.
                    key = f"\t\t\t\t\t\t\t{len(record.org_id)},{len(record.api_key)},{len(record.oauth_id)},"
                    key += f"{len(record.api_id)},{len(record.path)},{len(record.alias)}{_joined(record)}"
                    state = get(key)
            if state is None:
                error = code >= 400
                states[key] = _Running(
                    _Identity(
                        record.org_id,
                        record.api_key,
                        record.oauth_id,
                        record.api_id,
                        record.path,
                        record.alias,
                        record.api_name,
                    ),
                    moment,
                    moment,
                    record.request_time,
                    latency,
                    upstream,
                    latency,
                    upstream,
                    _NONE_YET if error else latency,
                    _NONE_YET if error else upstream,
                    latency if error else _NONE_YET,
                    upstream if error else _NONE_YET,
                    {cell: 1},
                )
                continue
            if moment > state.last:
                state.last = moment
            elif moment < state.first:
                state.first = moment
            state.request_time += record.request_time
            state.latency += latency
            state.upstream += upstream
            if latency > state.max_latency:
                state.max_latency = latency
            if upstream > state.max_upstream:
                state.max_upstream = upstream
            if code < 400:
                if latency < state.min_latency:
                    state.min_latency = latency
                if upstream < state.min_upstream:
                    state.min_upstream = upstream
            else:
                if latency < state.min_error_latency:
                    state.min_error_latency = latency
                if upstream < state.min_error_upstream:
                    state.min_error_upstream = upstream
            cells = state.cells
            cells[cell] = cells.get(cell, 0) + 1
        counts = self.counts
        counts.read += index + 1
        counts.counted += index + 1 - sum(skipped.values()) - len(malformed)
        for reason, count in skipped.items():
            counts.skipped[reason] = counts.skipped.get(reason, 0) + count
        for _, reason in malformed:
            counts.malformed[reason] = counts.malformed.get(reason, 0) + 1
        return malformed

    def close(self, source: str | None = None, begins: str | None = None, ends: str | None = None) -> Batch:
        """The batch so far; the aggregator starts the next one empty."""
        batch = Batch(counts=self.counts, source=source, begins=begins, ends=ends)
        for number, running in self._buckets.items():
            quarter: dict[Series, EndpointStats] = {}
            day = batch.states.setdefault(Bucket(Width.DAY, number // QUARTERS_PER_DAY), {})
            batch.states[Bucket(Width.QUARTER, number)] = quarter
            for state in running.values():
                stats = _finished(state)
                identity = state.identity
                org_id, api_id = identity.org_id, identity.api_id
                path = _cut(identity.path, MAX_PATH_BYTES, hashed=True)
                seen_us = stats.last_hit_us
                assert seen_us is not None
                if identity.api_name:
                    _see(batch.api_names, (org_id, api_id), (seen_us, _cut(identity.api_name, MAX_NAME_BYTES)))
                for kind, consumer_id in ((Kind.KEY, identity.api_key), (Kind.OAUTH, identity.oauth_id)):
                    if not consumer_id:
                        continue
                    if identity.alias:
                        alias = _cut(identity.alias, MAX_NAME_BYTES)
                        _see(batch.aliases, (org_id, kind, consumer_id), (seen_us, alias))
                    series = (org_id, kind, consumer_id, api_id, path)
                    for states in (quarter, day):
                        known = states.get(series)
                        if known is None:
                            states[series] = stats.copy()
                        else:
                            known.merge(stats)
        self._start()
        return batch


def _joined(record: Record) -> str:
    return "".join(
        (record.org_id, record.api_key, record.oauth_id, record.api_id, record.path, record.alias, record.api_name)
    )


def _to_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    return moment.astimezone(UTC)


def _too_long(record: Record) -> str:
    for name in ("api_key", "oauth_id", "api_id", "org_id"):
        if len(getattr(record, name).encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
            return f"{name} over {MAX_ID_BYTES} bytes"
    return ""


def _cut(text: str, limit: int, *, hashed: bool = False) -> str:
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= limit:
        return text
    cut = data[:limit].decode("utf-8", "ignore")
    return f"{cut}~{sha256(data).hexdigest()[:16]}" if hashed else cut


def _see(names: dict[Any, NameSeen], key: Any, seen: NameSeen) -> None:
    known = names.get(key)
    if known is None or seen > known:
        names[key] = seen


def _finished(state: _Running) -> EndpointStats:
    hits = success = error = 0
    codes: dict[int, int] = {}
    histogram: dict[int, int] = {}
    for cell, count in state.cells.items():
        code, latency_bin = cell >> _BIN_BITS, cell & ((1 << _BIN_BITS) - 1)
        hits += count
        if code >= 400:
            error += count
        elif 200 <= code < 300:
            success += count
        codes[code] = codes.get(code, 0) + count
        histogram[latency_bin] = histogram.get(latency_bin, 0) + count
    non_error = hits > error
    return EndpointStats(
        hits,
        success,
        error,
        state.request_time,
        state.latency,
        state.upstream,
        state.max_latency,
        state.max_upstream,
        min(state.min_latency, state.min_error_latency),
        min(state.min_upstream, state.min_error_upstream),
        state.min_latency if non_error else None,
        state.min_upstream if non_error else None,
        from_datetime(state.first),
        from_datetime(state.last),
        codes,
        histogram,
    )

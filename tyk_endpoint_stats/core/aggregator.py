"""Records in, states out, one pass: the loop every record goes through.

Memory is bounded by the states of the running batch, their names and their cells, never by the records: whoever feeds
the aggregator closes the batch when ``len(aggregator)`` or ``held_bytes`` says it is large enough.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from msgspec import Struct

from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.core.counts import add_counts
from tyk_endpoint_stats.core.flush import batch_of
from tyk_endpoint_stats.core.histogram import SMALL_BINS, bin_of
from tyk_endpoint_stats.core.instants import EPOCH, QUARTER_HOUR_US, from_datetime, parse_rfc3339
from tyk_endpoint_stats.core.limits import too_long
from tyk_endpoint_stats.core.normalise import path_normaliser
from tyk_endpoint_stats.core.packed import BIN_BITS, UNTIMED
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.running_batch import QuarterHour, RunningBatch, count_waiting_cells, first_sums

__all__ = ["Aggregator", "Rules"]

_QUARTER_HOUR = timedelta(microseconds=QUARTER_HOUR_US)
_GO_ZERO_TIME = datetime(1, 1, 1, tzinfo=UTC)
_LAST_QUARTER_HOUR = datetime(9999, 12, 31, 23, 45, tzinfo=UTC)
_NO_QUARTER_HOUR = QuarterHour(_GO_ZERO_TIME, _GO_ZERO_TIME, 0)
_SMALL = len(SMALL_BINS)

PIECE = 1024
"""How many records are counted at a time."""

MAX_UNCOUNTED = 2**18
"""How many hits may wait with their cells, at some 36 bytes each, before those are counted."""

_STATE_BYTES, _IDENTITY_BYTES, _CELL_BYTES, _NAME_FACTOR = 600, 800, 200, 4
"""About what a state, an identity, a counted cell and a character of a name take until the batch is merged."""


class Rules(Struct, frozen=True):
    """Which records count.

    Attributes:
        tracked_only: only records whose path the gateway was told to track (Tyk Pump's default).
        include: of ``"graphql"`` and ``"mcp"``, the records to count that are skipped otherwise.
        normalise: which ids of a path give way to a name: ``"uuid"``, ``"ulid"``, ``"number"``.
        patterns: regular expressions; what they match in a path gives way to ``{var}``.
    """

    tracked_only: bool = False
    include: frozenset[str] = frozenset()
    normalise: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()


class Aggregator:
    """Adds records to states. Not thread-safe; one aggregator serves one source.

    Args:
        rules: which records count.

    Attributes:
        counts: what became of the records of the running batch.
    """

    def __init__(self, rules: Rules = Rules()) -> None:  # noqa: B008 - frozen
        self.rules = rules
        self._path_of = path_normaliser(rules.normalise, rules.patterns)
        self._start()

    def _start(self) -> None:
        self._running = RunningBatch()
        self._uncounted = self._cells = self._name_characters = 0
        self._quarter_hours: dict[int, QuarterHour] = {}
        self.counts = Counts()

    def __len__(self) -> int:
        """How many states the running batch has: identities in quarter hours."""
        return len(self._running.quarter_hours)

    @property
    def held_bytes(self) -> int:
        """About how much memory the running batch takes, or will when it is closed: states, names and cells."""
        of_states = len(self) * _STATE_BYTES + len(self._running.newest) * _IDENTITY_BYTES
        return of_states + self._cells * _CELL_BYTES + self._name_characters * _NAME_FACTOR

    def reason_to_skip(self, record: Record) -> str:
        """Why a record is no hit under the rules: ``tcp``, ``graphql``, …; ``""`` if it is one."""
        include = self.rules.include
        if record.response_code == -1:
            return "tcp"
        if record.graphql_stats.is_graphql and "graphql" not in include:
            return "graphql"
        if record.mcp_stats.is_mcp and "mcp" not in include:
            return "mcp"
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
        records = iter(records)
        first = 0
        while piece := list(islice(records, PIECE)):
            self._add(piece, first, instant_of, malformed)
            first += len(piece)
        return malformed

    def _add(
        self,
        records: Sequence[Record],
        first: int,
        instant_of: Callable[[Any], datetime],
        malformed: list[tuple[int, str]],
    ) -> None:
        skipped: dict[str, int] = {}
        unusable = len(malformed)
        running = self._running
        newest, identities, quarter_hours, sums = (
            running.newest,
            running.identities,
            running.quarter_hours,
            running.sums,
        )
        moments, latencies, upstreams = running.moments, running.latencies, running.upstreams
        request_times, cells = running.request_times, running.cells
        get = newest.get
        tracked_only = self.rules.tracked_only
        quarter_hour = _NO_QUARTER_HOUR
        low = high = _GO_ZERO_TIME  # no quarter hour yet
        bins, small = SMALL_BINS, _SMALL
        for index, record in enumerate(records, first):
            # The timestamp comes first: what has none is no record, whatever else it may be.
            timestamp = record.timestamp
            try:
                moment = instant_of(timestamp)
                if moment.tzinfo is not UTC:
                    moment = _to_utc(moment)
            except (ValueError, TypeError, OverflowError):
                try:
                    moment = parse_rfc3339(timestamp)
                except (ValueError, TypeError):
                    malformed.append((index, "timestamp" if timestamp else "no timestamp"))
                    continue
            # Records come nearly in order of time: two comparisons of datetimes (26 ns) instead of the arithmetic that
            # finds the quarter hour (250 ns).
            if not low <= moment < high:
                if moment == _GO_ZERO_TIME:
                    malformed.append((index, "no timestamp"))
                    continue
                quarter_hour = self._quarter_hour(moment)
                low, high = quarter_hour.start, quarter_hour.end
            code = record.response_code
            if code == -1 or record.graphql_stats.is_graphql or record.mcp_stats.is_mcp or tracked_only:
                reason = self.reason_to_skip(record)
                if reason:
                    skipped[reason] = skipped.get(reason, 0) + 1
                    continue
            its_latency = record.latency
            if its_latency is None:
                latency = upstream = -1
                cell = (code << BIN_BITS) + UNTIMED
            else:
                latency, upstream = its_latency.total, its_latency.upstream
                cell = (code << BIN_BITS) + (bins[latency] if latency < small else bin_of(latency))
            # One text is cheaper to hash and to compare than a tuple, and no object the collector tracks.
            key = (
                f"{record.org_id}\t{record.api_key}\t{record.oauth_id}\t{record.api_id}\t{record.path}"
                f"\t{record.alias}\t{record.api_name}"
            )
            state = get(key)
            if state is None:
                problem = too_long(record)
                if problem:
                    malformed.append((index, problem))
                    continue
                if key.count("\t") != 6:
                    key = self._key_with_tabs(record)
                    state = get(key)
            if state is None or quarter_hours[state] is not quarter_hour:
                if state is None:
                    identities.append(len(newest))
                    self._name_characters += len(key)
                else:
                    identities.append(identities[state])
                newest[key] = len(quarter_hours)
                quarter_hours.append(quarter_hour)
                moments.append(moment)
                latencies.append(latency)
                upstreams.append(upstream)
                request_times.append(record.request_time)
                cells.append(cell)
                sums.append(None)
                continue
            known = sums[state]
            if known is None:
                known = sums[state] = first_sums(running, state)
            known.cells.append(cell)
            if moment > known.last:
                known.last = moment
            elif moment < known.first:
                known.first = moment
            # Their places are those that ``Sums`` describes; a list's items are the cheapest to change.
            numbers = known.numbers
            if latency < 0:
                numbers[1] += record.request_time
                numbers[9] += 1
                continue
            numbers[0] += latency
            if record.request_time != latency:
                numbers[1] += record.request_time - latency
            numbers[2] += upstream
            if latency > numbers[3]:
                numbers[3] = latency
            if upstream > numbers[4]:
                numbers[4] = upstream
            if code < 400:
                if latency < numbers[5]:
                    numbers[5] = latency
                if upstream < numbers[6]:
                    numbers[6] = upstream
            else:
                if latency < numbers[7]:
                    numbers[7] = latency
                if upstream < numbers[8]:
                    numbers[8] = upstream
        counted = len(records) - sum(skipped.values()) - (len(malformed) - unusable)
        counts = self.counts
        counts.read += len(records)
        counts.counted += counted
        add_counts(counts.skipped, skipped)
        for _, reason in malformed[unusable:]:
            add_counts(counts.malformed, {reason: 1})
        self._uncounted += counted
        if self._uncounted > MAX_UNCOUNTED:
            self._cells = count_waiting_cells(running)
            self._uncounted = 0

    def close(self, source: str | None = None, begins: str | None = None, ends: str | None = None) -> Batch:
        """The batch so far; the aggregator starts the next one empty."""
        batch = batch_of(self._running, self._path_of)
        batch.counts = self.counts
        batch.source, batch.begins, batch.ends = source, begins, ends
        self._start()
        return batch

    def _quarter_hour(self, moment: datetime) -> QuarterHour:
        number = from_datetime(moment) // QUARTER_HOUR_US
        quarter_hour = self._quarter_hours.get(number)
        if quarter_hour is None:
            start = EPOCH + number * _QUARTER_HOUR
            # Nothing takes the short way into the quarter hour of the zero time, which is no hit, nor into the last
            # one, behind whose end there is no datetime.
            end = start + _QUARTER_HOUR if _GO_ZERO_TIME < start < _LAST_QUARTER_HOUR else start
            quarter_hour = self._quarter_hours[number] = QuarterHour(start, end, number)
        return quarter_hour

    def _key_with_tabs(self, record: Record) -> str:
        # A name with a TAB: the joined text could stand for two identities. The parts' repr stands for one, and
        # has no TAB, so it is the text of no other.
        parts = (
            record.org_id,
            record.api_key,
            record.oauth_id,
            record.api_id,
            record.path,
            record.alias,
            record.api_name,
        )
        key = repr(parts)
        self._running.tabbed[key] = parts
        return key


def _to_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    return moment.astimezone(UTC)

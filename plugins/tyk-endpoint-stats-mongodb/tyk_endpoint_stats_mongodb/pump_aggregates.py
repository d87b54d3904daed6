"""Answers straight from the aggregates that Tyk Pump keeps in MongoDB: nothing is copied, nothing is written."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient

from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import EdgeInsideBucket, StoreError, UnusableStore
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.tyk.pump_buckets import TimeRange, time_ranges
from tyk_endpoint_stats_mongodb.address import Address, number_option, parse_address
from tyk_endpoint_stats_mongodb.gate import Deadline, Gate
from tyk_endpoint_stats_mongodb.pump_answer import PumpAnswer
from tyk_endpoint_stats_mongodb.pump_collections import AGGREGATES, aggregate_collections
from tyk_endpoint_stats_mongodb.pump_pipeline import pipeline_of
from tyk_endpoint_stats_mongodb.snapshots import from_one_snapshot, has_snapshots

__all__ = ["CODEC", "PumpAggregates", "open_pump"]

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
LENGTH_OPTION = "aggregation_time"

_HOUR_MIN = 60
_MINUTE_US = 60_000_000
_OLDEST_WIRE = 13  # MongoDB 5.0: fields by any name, and snapshots outside of transactions
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    unicode_decode_error_handler="replace", datetime_conversion=DatetimeConversion.DATETIME_MS
)
"""Somebody else's data: a bad byte or a date beyond Python's must not abort a whole reply. Dates come as integers,
which is all we need of them: reckoning with the driver's zone is slow."""


def open_pump(url: str) -> "PumpAggregates":
    """The aggregates in a database: ``tyk-pump+mongodb://host/database[.collection][?aggregation_time=60]``.

    Without a collection those of every organisation (``z_tyk_analyticz_aggregate_*``), or where there are none the
    mixed one (``tyk_analytics_aggregates``); never both, which hold the same.

    Raises:
        PluginError: the URL can't be used.
        StoreBusy: no server answered.
        UnusableStore: there are no aggregates, or the server is too old.
    """
    address = parse_address(url, {LENGTH_OPTION})
    minutes = number_option(address, LENGTH_OPTION, _HOUR_MIN, 1, _HOUR_MIN)
    client = address.connect()
    try:
        return PumpAggregates(client, address, minutes * _MINUTE_US)
    except BaseException:
        client.close()
        raise


class PumpAggregates(ReadableStore):
    """Tyk Pump's aggregates as a store that can be asked. Thread-safe.

    The numbers are Pump's, with what Pump did to them; what its documents do not say is absent, see
    ``tyk.pump_counters``. Everyone's hits are read where Pump counts them: all of an organisation's or of an API's,
    or those of its tracked endpoints. A question that would divide one of its buckets raises ``EdgeInsideBucket``.

    Args:
        client: goes on to belong to the store.
        address: where the aggregates are.
        length_us: how long one of Pump's buckets is.
    """

    def __init__(self, client: MongoClient[Any], address: Address, length_us: int) -> None:
        self.warnings = (
            f"{address.label}: these are Tyk Pump's own numbers: only tracked paths are in them unless it has "
            "track_all_paths, last_hit is a lower bound, min_latency may be an error's, a flush counts whole in "
            "the hour of its first record; there are no percentiles and no codes below 400",
        )
        self._client, self._address, self._length_us = client, address, length_us
        self._database = client.get_database(address.database, codec_options=CODEC)
        self._seam = address.seam()
        self._gate = Gate(address.label, client.close)
        with self._seam.translated(CONNECT_TIMEOUT_S), Deadline(CONNECT_TIMEOUT_S):
            hello = client.admin.command("hello")
            if hello.get("maxWireVersion", 0) < _OLDEST_WIRE:
                raise UnusableStore(f"{address.label}: the server is too old; MongoDB 5.0 or newer is needed")
            self._has_snapshots = has_snapshots(hello)
            self._collections()

    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        """See the contract. Names are those of the time that is asked for."""
        ranges = time_ranges(selection.spans)
        if not ranges:
            with self._gate.passing():
                return []
        with (
            self._gate.passing(),
            self._seam.translated(READ_TIMEOUT_S),
            Deadline(READ_TIMEOUT_S),
            self._explained(),
        ):
            # Named before the snapshot: in one, collections can't be listed.
            names = self._collections(selection.org_id)
            if self._has_snapshots:
                return from_one_snapshot(
                    self._client, lambda session: self._answer(names, selection, ranges, session)
                )
            return self._answer(names, selection, ranges, None)

    def close(self) -> None:
        """See the contract."""
        self._gate.close()

    def _answer(
        self, names: Sequence[str], selection: Selection, ranges: Sequence[TimeRange], session: Any
    ) -> list[tuple[Group, EndpointStats]]:
        answer = PumpAnswer(selection, ranges, self._length_us)
        pipeline = pipeline_of(selection, ranges, self._length_us)
        for name in names:
            with self._database[name].aggregate(pipeline, session=session) as documents:
                for document in documents:
                    try:
                        answer.add(document)
                    except ValueError as problem:
                        raise StoreError(
                            f"{self._address.label}: a document of {name} can't be read: {problem}"
                        ) from problem
        return answer.groups()

    def _collections(self, org_id: str | None = None) -> list[str]:
        """The collections to read, new ones among them; of one organisation, where they are by organisation."""
        try:
            names = aggregate_collections(self._database.list_collection_names(), self._address.collection)
        except LookupError as problem:
            raise UnusableStore(
                f"{self._address.label} {problem.args[0]}; is mongo-pump-aggregate among Tyk Pump's pumps?"
            ) from problem
        if org_id is None:
            return names
        return [name for name in names if name == AGGREGATES + org_id or not name.startswith(AGGREGATES)]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except EdgeInsideBucket as problem:
            if self._length_us < _HOUR_MIN * _MINUTE_US:
                raise
            raise EdgeInsideBucket(
                f"{problem} (a Pump that aggregates by less than an hour has an aggregation_time: add "
                f"?{LENGTH_OPTION}=1 to the URL)"
            ) from problem

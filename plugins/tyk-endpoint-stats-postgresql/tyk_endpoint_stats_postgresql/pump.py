"""Answers straight from the aggregates that Tyk Pump keeps in PostgreSQL: nothing is copied, nothing is written."""

import os
from collections.abc import Sequence

from tyk_endpoint_stats.core.batch import Consumer, Endpoint, Kind
from tyk_endpoint_stats.core.buckets import Bucket
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import PluginError, StoreClosed, StoreError, UnusableStore
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.tyk.endpoint_key import decode_api_endpoint_key, decode_endpoint_key
from tyk_endpoint_stats.tyk.pump_buckets import HOUR_US, bucket_of, edge_inside, time_ranges
from tyk_endpoint_stats.tyk.pump_counters import PumpCounter
from tyk_endpoint_stats_postgresql.connections import Connection, Pool, connect, translated
from tyk_endpoint_stats_postgresql.pump_reading import PumpRow, read_names, read_rows
from tyk_endpoint_stats_postgresql.pump_tables import find_tables
from tyk_endpoint_stats_postgresql.schema import check_name
from tyk_endpoint_stats_postgresql.urls import place_of

__all__ = ["PumpReader", "open_pump"]

TABLE = "tyk_aggregated"
READ_TIMEOUT_S = 30.0
READERS = 8
READER_WAIT_S = 5.0
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LENGTHS_US = {"60": HOUR_US, "1": 60_000_000}


def open_pump(url: str) -> "PumpReader":
    """The aggregates in a database: ``tyk-pump+postgresql://user@host/database``.

    Raises:
        PluginError: the URL is none.
        StoreError: the server can't be reached, or has no such table.
    """
    return PumpReader(url)


class PumpReader(ReadableStore):
    """Tyk Pump's table ``tyk_aggregated``, or its daily shards, as a store that can be asked. Thread-safe.

    The numbers are Pump's, with what Pump did to them; what its rows do not say is absent, see
    ``tyk.pump_counters``. Everyone's hits are read where Pump counts them: all of an organisation's or of an API's,
    or those of its tracked endpoints. A question that would divide one of its buckets raises ``EdgeInsideBucket``.

    Args:
        url: with libpq's options, ``schema`` (where the tables are) and ``aggregation_time`` (minutes a bucket:
            60, or 1 where Pump is set to ``store_analytics_per_minute``).
    """

    warnings: Sequence[str] = (
        "these are Tyk Pump's own numbers: last_hit is a lower bound, min_latency may be an error's, a flush is "
        "counted whole in the hour of its first record; there are no percentiles and no codes below 400",
    )

    def __init__(self, url: str) -> None:
        self._place = place_of(url, frozenset({"schema", "aggregation_time"}))
        options = self._place.options
        self._schema = check_name(options["schema"]) if "schema" in options else None
        minutes = options.get("aggregation_time", "60")
        if minutes not in _LENGTHS_US:
            raise PluginError(f"{self._place.name}: aggregation_time is {minutes!r}; Pump's SQL knows 60 and 1")
        self._length_us = _LENGTHS_US[minutes]
        self._pid = os.getpid()
        with translated(self._place), self._connect() as connection:
            if not find_tables(connection, TABLE):
                where = f"schema {self._schema}" if self._schema else "the search path"
                raise UnusableStore(
                    f"{self._place.name}: there is no table {TABLE} or {TABLE}_YYYYMMDD in {where}; "
                    "is sql-pump-aggregate among Tyk Pump's pumps? Another schema: ?schema=NAME"
                )
        self._readers = Pool(self._connect, READERS, READER_WAIT_S, self._place.name)

    def _connect(self) -> Connection:
        settings = {"search_path": self._schema} if self._schema else {}
        return connect(self._place, READ_TIMEOUT_S, default_transaction_read_only="on", **settings)

    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        """See the contract."""
        if self._pid != os.getpid():
            raise StoreClosed(f"{self._place.name} was opened before a fork; open it again in this process")
        ranges = time_ranges(selection.spans)
        by = selection.group_by
        with translated(self._place), self._readers.lend(_READ, READ_TIMEOUT_S) as connection:
            tables = find_tables(connection, TABLE)
            merged: dict[tuple[Consumer | None, Endpoint | None, Bucket | None], PumpCounter] = {}
            for row in read_rows(connection, tables, ranges, self._length_us, selection):
                endpoint = self._endpoint(row)
                if endpoint is not None and not _is_wanted(endpoint, selection):
                    continue
                kept = endpoint if Dimension.ENDPOINT in by else None
                group = (row.consumer, kept, self._bucket(row, selection))
                merged.setdefault(group, PumpCounter()).merge(row.counter)
                selection.check_groups(len(merged))
            aliases, api_names = (
                read_names(connection, tables, ranges, named, selection) if merged and dimension in by else {}
                for named, dimension in (("apikeys", Dimension.CONSUMER), ("apiid", Dimension.ENDPOINT))
            )
        return [
            (
                Group(
                    consumer,
                    endpoint,
                    bucket,
                    _alias(consumer, aliases),
                    api_names.get(endpoint.api_id, "") if endpoint else "",
                ),
                counter.stats(distributions=selection.distributions),
            )
            for (consumer, endpoint, bucket), counter in merged.items()
        ]

    def _endpoint(self, row: PumpRow) -> Endpoint | None:
        if row.key is None:
            return None
        try:
            return (decode_api_endpoint_key if row.is_everyones else decode_endpoint_key)(row.key)
        except ValueError as problem:
            raise StoreError(f"{self._place.name}: a row of {TABLE} can't be read: {problem}") from problem

    def _bucket(self, row: PumpRow, selection: Selection) -> Bucket | None:
        if row.start_us is not None:
            return bucket_of(row.start_us, self._length_us, selection.spans)
        if row.divided_us is not None:
            raise edge_inside(row.divided_us, self._length_us)
        return None

    def close(self) -> None:
        """See the contract."""
        if self._pid == os.getpid():
            self._readers.close(READ_TIMEOUT_S)


def _is_wanted(endpoint: Endpoint, selection: Selection) -> bool:
    return selection.api_id in (None, endpoint.api_id) and selection.path in (None, endpoint.path)


def _alias(consumer: Consumer | None, aliases: dict[str, str]) -> str:
    """Pump keeps aliases of keys alone."""
    return aliases.get(consumer.id, "") if consumer is not None and consumer.kind is Kind.KEY else ""

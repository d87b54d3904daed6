"""Which endpoints did this API key, or this OAuth client, call between two dates; how often, how fast?

Exact answers from Tyk Gateway's records::

    with open_store("sqlite:///stats.db") as store:
        store.ingest(read_records("analytics.jsonl"))
        for row in store.endpoints(Consumer.key("7f3c3ca87376cabe"), date(2020, 10, 13), date(2020, 10, 14)):
            print(row.path, row.hits, row.latency)

Importing this loads no driver and no server.
"""

from tyk_endpoint_stats.core.aggregator import Aggregator, Rules
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Consumer, Endpoint, Kind
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import TykEndpointStatsError
from tyk_endpoint_stats.hookspecs import hookimpl
from tyk_endpoint_stats.ingest import IngestReport
from tyk_endpoint_stats.opening import open_sources, open_store
from tyk_endpoint_stats.reports import ConsumerRow, EndpointRow
from tyk_endpoint_stats.sources.files import read_records
from tyk_endpoint_stats.stores.contract import ReadableStore, Store

__all__ = [
    "Aggregator",
    "Consumer",
    "ConsumerRow",
    "Endpoint",
    "EndpointRow",
    "EndpointStats",
    "IngestReport",
    "Kind",
    "ReadableStore",
    "Record",
    "Rules",
    "Store",
    "TykEndpointStatsError",
    "hookimpl",
    "open_sources",
    "open_store",
    "read_records",
]

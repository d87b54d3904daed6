"""Which endpoints did this API key, or this OAuth client, call between two dates; how often, how fast?

Exact answers from Tyk Gateway's records::

    with open_store("sqlite:///stats.db") as store:
        store.ingest(read_records("analytics.jsonl"))
        for row in store.endpoints(Consumer.key("7f3c3ca87376cabe"), date(2020, 10, 13), date(2020, 10, 14)):
            print(row.path, row.hits, row.latency)

Importing this loads no driver and no server, and each name's module when the name is first used: a command line
that only says how it is used should not wait for decoders.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tyk_endpoint_stats.core.aggregator import Aggregator, Rules
    from tyk_endpoint_stats.core.batch import Consumer, Endpoint, Kind
    from tyk_endpoint_stats.core.record import Record
    from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
    from tyk_endpoint_stats.core.stats import EndpointStats
    from tyk_endpoint_stats.errors import (
        InvalidQuestion,
        PositionConflict,
        SourceError,
        StoreBusy,
        StoreError,
        TykEndpointStatsError,
    )
    from tyk_endpoint_stats.hookspecs import hookimpl
    from tyk_endpoint_stats.ingest.options import IngestOptions
    from tyk_endpoint_stats.ingest.report import IngestReport
    from tyk_endpoint_stats.opening import open_sources, open_store
    from tyk_endpoint_stats.questions.group_rows import ConsumerRow, EndpointRow
    from tyk_endpoint_stats.questions.period import Period
    from tyk_endpoint_stats.questions.rows import Rows
    from tyk_endpoint_stats.sources.files import read_records
    from tyk_endpoint_stats.stores.base import ReadableStore, Store
    from tyk_endpoint_stats.web.server import make_server
    from tyk_endpoint_stats.web.settings import Settings
    from tyk_endpoint_stats.web.tokens import Tokens

    __version__: str

__all__ = [
    "Aggregator",
    "Consumer",
    "ConsumerRow",
    "Dimension",
    "Endpoint",
    "EndpointRow",
    "EndpointStats",
    "Group",
    "IngestOptions",
    "IngestReport",
    "InvalidQuestion",
    "Kind",
    "Period",
    "PositionConflict",
    "ReadableStore",
    "Record",
    "Rows",
    "Rules",
    "Selection",
    "Settings",
    "SourceError",
    "Store",
    "StoreBusy",
    "StoreError",
    "Tokens",
    "TykEndpointStatsError",
    "__version__",
    "hookimpl",
    "make_server",
    "open_sources",
    "open_store",
    "read_records",
]

_HOMES = {
    "Aggregator": "core.aggregator",
    "Consumer": "core.batch",
    "ConsumerRow": "questions.group_rows",
    "Dimension": "core.selection",
    "Endpoint": "core.batch",
    "EndpointRow": "questions.group_rows",
    "EndpointStats": "core.stats",
    "Group": "core.selection",
    "IngestOptions": "ingest.options",
    "IngestReport": "ingest.report",
    "InvalidQuestion": "errors",
    "Kind": "core.batch",
    "Period": "questions.period",
    "PositionConflict": "errors",
    "ReadableStore": "stores.base",
    "Record": "core.record",
    "Rows": "questions.rows",
    "Rules": "core.aggregator",
    "Selection": "core.selection",
    "Settings": "web.settings",
    "SourceError": "errors",
    "Store": "stores.base",
    "StoreBusy": "errors",
    "StoreError": "errors",
    "Tokens": "web.tokens",
    "TykEndpointStatsError": "errors",
    "hookimpl": "hookspecs",
    "make_server": "web.server",
    "open_sources": "opening",
    "open_store": "opening",
    "read_records": "sources.files",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("tyk-endpoint-stats")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

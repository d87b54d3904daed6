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
    from tyk_endpoint_stats.core.aggregator import Aggregator as Aggregator
    from tyk_endpoint_stats.core.aggregator import Rules as Rules
    from tyk_endpoint_stats.core.batch import Consumer as Consumer
    from tyk_endpoint_stats.core.batch import Endpoint as Endpoint
    from tyk_endpoint_stats.core.batch import Kind as Kind
    from tyk_endpoint_stats.core.record import Record as Record
    from tyk_endpoint_stats.core.selection import Dimension as Dimension
    from tyk_endpoint_stats.core.selection import Group as Group
    from tyk_endpoint_stats.core.selection import Selection as Selection
    from tyk_endpoint_stats.core.stats import EndpointStats as EndpointStats
    from tyk_endpoint_stats.errors import InvalidQuestion as InvalidQuestion
    from tyk_endpoint_stats.errors import PositionConflict as PositionConflict
    from tyk_endpoint_stats.errors import SourceError as SourceError
    from tyk_endpoint_stats.errors import StoreBusy as StoreBusy
    from tyk_endpoint_stats.errors import StoreError as StoreError
    from tyk_endpoint_stats.errors import TykEndpointStatsError as TykEndpointStatsError
    from tyk_endpoint_stats.hookspecs import hookimpl as hookimpl
    from tyk_endpoint_stats.ingest.options import IngestOptions as IngestOptions
    from tyk_endpoint_stats.ingest.report import IngestReport as IngestReport
    from tyk_endpoint_stats.opening import open_sources as open_sources
    from tyk_endpoint_stats.opening import open_store as open_store
    from tyk_endpoint_stats.questions.group_rows import ConsumerRow as ConsumerRow
    from tyk_endpoint_stats.questions.group_rows import EndpointRow as EndpointRow
    from tyk_endpoint_stats.questions.period import Period as Period
    from tyk_endpoint_stats.questions.rows import Rows as Rows
    from tyk_endpoint_stats.sources.files import read_records as read_records
    from tyk_endpoint_stats.stores.base import ReadableStore as ReadableStore
    from tyk_endpoint_stats.stores.base import Store as Store
    from tyk_endpoint_stats.web.server import make_server as make_server
    from tyk_endpoint_stats.web.settings import Settings as Settings
    from tyk_endpoint_stats.web.tokens import Tokens as Tokens

    __version__: str

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

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - they are strings


if not TYPE_CHECKING:  # for whom a name that is not above would be of any type

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return import_module("importlib.metadata").version("tyk-endpoint-stats")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

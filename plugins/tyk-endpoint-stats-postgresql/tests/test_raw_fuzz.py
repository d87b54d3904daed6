"""Whatever a raw table can hold: nothing ends the reading, and every row is accounted for."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres_servers import PostgresServer
from pump_rows import create_table, insert

from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.opening import open_sources
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing.exam import ALL_DAYS, answer_of

NUMBERS = ("responsecode", "requesttime", "latency_total", "latency_upstream")
TEXTS = ("path", "apikey", "api_name", "apiid", "orgid", "oauthid", "alias")
FLAGS = ("trackpath", "graphql_stats_is_graph_ql", "mcp_stats_is_mcp")
EDGES = (-(2**63), -(2**31) - 1, -2, -1, 0, 200, 404, 10**12, 10**12 + 1, 2**31, 2**63 - 1)
TIMES = (
    *("infinity", "-infinity", "4713-01-01 00:00Z BC", "0001-01-01 00:00Z", "0001-01-01 00:00:00.000001Z"),
    *("1969-12-31 23:59:59.999999Z", "2020-10-13 13:22:49.667+05:30", "9999-12-31 23:59:59.999999Z"),
    *("10000-01-01 00:00Z", "294276-12-31 23:59:59.999999Z"),
)
# PostgreSQL itself has no NUL and no lone surrogate in texts.
ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
ODD_TEXT = ("k1", "/" + "ü" * 2000, "x" * 513, "\ttab\t", "\x1b[31m", "\N{RIGHT-TO-LEFT OVERRIDE}")


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


ROWS = st.fixed_dictionaries(
    {"timestamp": maybe(st.sampled_from(TIMES))}
    | {name: maybe(st.integers(-(2**63), 2**63 - 1) | st.sampled_from(EDGES)) for name in NUMBERS}
    | {name: maybe(ANY_TEXT | st.sampled_from(ODD_TEXT)) for name in TEXTS}
    | {name: maybe(st.booleans()) for name in FLAGS}
)


@pytest.fixture
def table(server: PostgresServer) -> Iterator[tuple[PostgresServer, str]]:
    schema = f"raw_{uuid4().hex[:16]}"
    server.execute(f"CREATE SCHEMA {schema}")
    create_table(server.url, "raw", f"{schema}.tyk_analytics")
    yield server, schema
    server.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.mark.parametrize("examples", [25, pytest.param(2000, marks=pytest.mark.torture)])
def test_any_row_is_accounted_for(table: tuple[PostgresServer, str], examples: int) -> None:
    server, schema = table
    counted = 0

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(ROWS, min_size=1, max_size=20))
    def read(rows: list[dict[str, Any]]) -> None:
        nonlocal counted
        server.execute(f"TRUNCATE {schema}.tyk_analytics")
        insert(server.url, f"{schema}.tyk_analytics", rows)
        # A new one each time: after a scan that took long, as on a busy machine, it would rest.
        (source,) = open_sources(f"tyk-raw+{server.url}?schema={schema}")
        with MemoryStore() as store:  # which has met nothing of it, so rows of any time are read
            counts = store.ingest(source).counts
            hits = sum(stats.hits for stats in answer_of(store, Selection(ALL_DAYS)).values())
        assert counts.read == len(rows)
        assert counts.read == counts.counted + sum(counts.skipped.values()) + sum(counts.malformed.values())
        assert counts.counted <= hits <= 2 * counts.counted, "a record with a key and a client counts for both"
        counted += counts.counted

    read()
    assert counted > 0

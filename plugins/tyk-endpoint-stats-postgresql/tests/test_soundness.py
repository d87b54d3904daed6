"""One look through the tables finds what asking for every day finds, and what that can't."""

import random
from collections.abc import Callable, Iterator
from itertools import count
from uuid import uuid4

import pytest
from postgres_servers import PostgresServer
from tyk_endpoint_stats.core.rows import NO_HIT
from tyk_endpoint_stats_postgresql.schema import STATE_COLUMNS
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore

from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.stores.contract import LookedThrough
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY

DAY_US = 86_400_000_000
DAMAGES = 30
CHANGES = ("{0} + 1", "{0} - 1", "{0} + 96", "coalesce({0}, -2) + 1", "-1", "0", "2000000000000000")


class AskedForAll(PostgreSQLStore):
    """The plain twin: every day is asked for through the contract."""

    def look_through(self) -> LookedThrough:
        return LookedThrough()


@pytest.fixture
def damaged(server: PostgresServer) -> Iterator[Callable[..., str]]:
    """Makes stores, each damaged in its own way: their URLs."""
    schema, numbers = f"store_{uuid4().hex[:16]}", count()

    def make(sql: str, prune_before: int | None = None) -> str:
        name = f"{schema}_{next(numbers)}"
        url = f"{server.url}?schema={name}"
        with PostgreSQLStore(url) as store:
            fill(store)
            if prune_before is not None:
                store.prune(prune_before * DAY_US)
            looked = store.look_through()
            assert (looked.suspects, looked.damage, sum(looked.days.values())) == (set(), [], 26)
        server.execute(f"SET search_path = {name}; {sql}")
        return url

    yield make
    for number in range(next(numbers)):
        server.execute(f"DROP SCHEMA IF EXISTS {schema}_{number} CASCADE")


def fill(store: PostgreSQLStore) -> None:
    for day in range(3):
        times = (0, 1, 2, 899, 900, 86_399)
        hits = [hit(FIRST_DAY + day, at, path=f"/{at % 4}", oauth_id="c", latency_ms=at % 97) for at in times]
        hits.append(hit(FIRST_DAY + day, 899, path="/3", code=500, oauth_id="c"))
        store.merge(batch_of(hits, "file:a", str(day) if day else None, str(day + 1)))
    store.merge(batch_of([hit(FIRST_DAY, 900 * n, org_id=f"org-{n}", api_key="both") for n in range(2)]))


def problems(store: PostgreSQLStore) -> list[str]:
    return [f"{problem.where}: {problem.what}" for problem in verify(store).problems]


def damage_at_random(chosen: random.Random) -> str:
    """A value of a state, or a state, is not what it was: of a day, or of a quarter."""
    table = chosen.choice(("days", "quarters"))
    one = f"SELECT ctid FROM {table} ORDER BY bucket, consumer, endpoint OFFSET {chosen.randrange(18)} LIMIT 1"
    which = f"ctid = ({one})"
    if chosen.random() < 0.2:
        return f"DELETE FROM {table} WHERE {which}"
    column = chosen.choice(STATE_COLUMNS)
    if column in ("codes", "histogram"):
        return f"UPDATE {table} SET {column} = {column} || '{{\"{chosen.randint(1, 3)}\": 1}}' WHERE {which}"
    return f"UPDATE {table} SET {column} = {chosen.choice(CHANGES).format(column)} WHERE {which}"


@pytest.mark.parametrize("prune_before", [None, FIRST_DAY + 1])
def test_one_look_finds_what_questions_find(
    damaged: Callable[..., str], prune_before: int | None, seed: int
) -> None:
    chosen = random.Random(seed)
    found = 0
    for _ in range(DAMAGES):
        sql = damage_at_random(chosen)
        url = damaged(sql, prune_before)
        with PostgreSQLStore(url) as store, AskedForAll(url) as asked:
            expected = problems(asked)
            # What one organisation's states hide from answers over all of them can't be found by asking.
            assert [one for one in problems(store) if "no answer shows" not in one] == expected, sql
        found += bool(expected)
    assert found > DAMAGES // 2


def test_what_organisations_hide_from_each_other_is_found(damaged: Callable[..., str]) -> None:
    """Also the twin: by questions nothing is seen, for a consumer of two organisations is one consumer."""
    url = damaged(
        "UPDATE days AS d SET total_request_time_ms = total_request_time_ms"
        " + CASE c.org_id WHEN 'org-0' THEN 1 ELSE -1 END"
        " FROM consumers AS c WHERE c.consumer = d.consumer AND c.id = 'both'"
    )
    with PostgreSQLStore(url) as store, AskedForAll(url) as asked:
        assert problems(store) == ["day 2020-10-13: states or quarters are damaged in a way that no answer shows"]
        assert problems(asked) == []


@pytest.mark.parametrize("minimum", [-1, NO_HIT])
def test_what_is_no_minimum_does_not_pass_for_none(damaged: Callable[..., str], minimum: int) -> None:
    """In days and quarters alike, of states that have errors alone."""
    error = (
        "codes = '{\"500\": 1}', success = 0, error = 1,"
        f" min_latency_non_error_ms = {minimum}, min_upstream_latency_non_error_ms = NULL"
    )
    of_one_hit = """consumer IN (SELECT consumer FROM consumers WHERE id = 'both')"""
    url = damaged("; ".join(f"UPDATE {table} SET {error} WHERE {of_one_hit}" for table in ("days", "quarters")))
    with PostgreSQLStore(url) as store:
        assert any(f"min_latency_non_error_ms is {minimum}" in problem for problem in problems(store))


def test_counts_that_are_no_numbers_to_us_are_named(damaged: Callable[..., str]) -> None:
    """A key that is a number to the server is read by nobody."""
    url = damaged("UPDATE days SET codes = '{\"007\": 1}' WHERE hits = 1")
    with PostgreSQLStore(url) as store:
        (problem,) = problems(store)
    assert problem.endswith("series have states in a day that can't be read")


def test_a_day_that_no_calendar_has_is_looked_through(damaged: Callable[..., str]) -> None:
    url = damaged(f"UPDATE days SET bucket = 2147483647 WHERE bucket = {FIRST_DAY}")
    with PostgreSQLStore(url) as store:
        assert any(problem.startswith("day +2147483647 after 1970") for problem in problems(store))

"""One question: states by number from SQL and from packed quarters, merged, and then their names."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from sqlite3 import Connection

from msgspec import json

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Bucket, Span, Width
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.selection import Consumer, Dimension, Endpoint, Group, Kind, NameSeen, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import QuarterHoursPruned
from tyk_endpoint_stats.stores.contract import Outline
from tyk_endpoint_stats.stores.sqlite.quarters import read_quarters
from tyk_endpoint_stats.stores.sqlite.queries import consumers_where, days_query, quarters_query, where
from tyk_endpoint_stats.stores.sqlite.schema import PLAIN_COLUMNS
from tyk_endpoint_stats.stores.sqlite.summing import NumberedGroup, summed, wanted_endpoints

__all__ = ["answer", "outline"]

_decode_counts = json.Decoder(list[dict[int, int]]).decode


def answer(connection: Connection, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
    """The groups and states of a selection, read inside the caller's transaction.

    Raises:
        QuarterHoursPruned: a span needs quarters of a day that has states but whose quarters were pruned.
        AnswerTooLarge: there are more groups than are wanted.
    """
    if not selection.spans:
        return []
    _refuse_pruned(connection, selection.spans)
    numbered: dict[NumberedGroup, EndpointStats] = {}
    states: Iterator[tuple[NumberedGroup, EndpointStats]]
    if selection.distributions or Dimension.BUCKET in selection.group_by:
        states = chain(_days(connection, selection), _quarters(connection, selection))
    else:
        states = summed(connection, selection)
    for numbers, state in states:
        known = numbered.setdefault(numbers, state)
        if known is not state:
            known.merge(state)
        selection.check_groups(len(numbered))
    consumers = _consumers(connection, selection) if Dimension.CONSUMER in selection.group_by else {}
    endpoints = _endpoints(connection, numbered) if Dimension.ENDPOINT in selection.group_by else {}
    aliases = _aliases(consumers.values())
    api_names = _api_names(connection, selection, endpoints.values())
    merged: dict[Group, EndpointStats] = {}
    for (consumer_number, endpoint_number, bucket), state in numbered.items():
        consumer, endpoint, alias, api_name = None, None, "", ""
        if consumer_number is not None:
            consumer = consumers[consumer_number][0]
            alias = aliases[consumer][1]
        if endpoint_number is not None:
            endpoint = endpoints[endpoint_number]
            api_name = api_names.get(endpoint.api_id, "")
        group = Group(consumer, endpoint, bucket, alias, api_name)
        known = merged.setdefault(group, state)
        if known is not state:  # a consumer that occurs in several organisations has a number in each
            known.merge(state)
    return list(merged.items())


def outline(connection: Connection) -> Outline:
    """What a copy needs to know beyond answers, inside the caller's transaction."""
    (before_day,) = connection.execute("SELECT max(before_day) FROM pruned").fetchone()
    names = connection.execute("SELECT org_id, api_id, name_seen_us, name FROM apis")
    aliases = connection.execute(
        "SELECT org_id, kind, id, alias_seen_us, alias FROM consumers WHERE alias_seen_us IS NOT NULL"
    )
    return Outline(
        [org_id for (org_id,) in connection.execute("SELECT DISTINCT org_id FROM consumers ORDER BY org_id")],
        {(org_id, api_id): (seen_us, name) for org_id, api_id, seen_us, name in names},
        {(org_id, kind, one): (seen_us, alias) for org_id, kind, one, seen_us, alias in aliases},
        None if before_day is None else before_day * DAY_US,
    )


def _days(connection: Connection, selection: Selection) -> Iterator[tuple[NumberedGroup, EndpointStats]]:
    sql, parameters = days_query(selection)
    if not sql:
        return
    make: Callable[..., EndpointStats] = EndpointStats
    for consumer, endpoint, day, *columns in connection.execute(sql, parameters):
        plain, counts = columns[: len(PLAIN_COLUMNS)], columns[len(PLAIN_COLUMNS) :]
        bucket = None if day is None else Bucket(Width.DAY, day)
        yield (consumer, endpoint, bucket), make(*plain, *map(_sum_counts, counts))


def _quarters(connection: Connection, selection: Selection) -> Iterator[tuple[NumberedGroup, EndpointStats]]:
    wanted = wanted_endpoints(connection, selection)
    by = selection.group_by
    for span in selection.spans:
        if span.width is not Width.QUARTER_HOUR:
            continue
        query = quarters_query(selection, span)
        for consumer, endpoint, quarter, state in read_quarters(connection, query, span, Dimension.BUCKET in by):
            if wanted is None or endpoint in wanted:
                group = (
                    consumer if Dimension.CONSUMER in by else None,
                    endpoint if Dimension.ENDPOINT in by else None,
                    None if quarter is None else Bucket(Width.QUARTER_HOUR, quarter),
                )
                yield group, state


def _sum_counts(encoded: str) -> dict[int, int]:
    total: dict[int, int] = {}
    for counts in _decode_counts(encoded):
        for key, count in counts.items():
            total[key] = total.get(key, 0) + count
    return total


def _refuse_pruned(connection: Connection, spans: Iterable[Span]) -> None:
    (before,) = connection.execute("SELECT max(before_day) FROM pruned").fetchone()
    for span in spans:
        if before is None or span.width is not Width.QUARTER_HOUR:
            continue
        first, end = span.first // QUARTER_HOURS_PER_DAY, -(-span.end // QUARTER_HOURS_PER_DAY)
        sql = "SELECT 1 FROM days WHERE bucket >= ? AND bucket < ? LIMIT 1"
        if connection.execute(sql, (first, min(end, before))).fetchone():
            raise QuarterHoursPruned(
                "the range has an edge inside a UTC day whose quarter hours were pruned; "
                "ask for whole UTC days of that time"
            )


def _consumers(connection: Connection, selection: Selection) -> dict[int, tuple[Consumer, NameSeen]]:
    which, parameters = consumers_where(selection)
    sql = f"SELECT number, kind, id, ifnull(alias_seen_us, -9223372036854775808), alias FROM consumers{which}"
    return {
        number: (Consumer(Kind(kind), consumer_id), (seen_us, alias))
        for number, kind, consumer_id, seen_us, alias in connection.execute(sql, parameters)
    }


def _endpoints(connection: Connection, numbered: Iterable[NumberedGroup]) -> dict[int, Endpoint]:
    numbers = json.encode(list({endpoint for _, endpoint, _ in numbered})).decode()
    sql = "SELECT number, api_id, path FROM endpoints WHERE number IN (SELECT value FROM json_each(?))"
    return {number: Endpoint(api_id, path) for number, api_id, path in connection.execute(sql, (numbers,))}


def _aliases(consumers: Iterable[tuple[Consumer, NameSeen]]) -> dict[Consumer, NameSeen]:
    newest: dict[Consumer, NameSeen] = {}
    for consumer, seen in consumers:
        newest[consumer] = max(seen, newest.get(consumer, seen))
    return newest


def _api_names(connection: Connection, selection: Selection, endpoints: Iterable[Endpoint]) -> dict[str, str]:
    newest: dict[str, str] = {}
    for api_id in {endpoint.api_id for endpoint in endpoints}:
        which, parameters = where(("api_id = ?", api_id), ("org_id = ?", selection.org_id))
        names = connection.execute(f"SELECT name_seen_us, name FROM apis{which}", parameters).fetchall()
        if names:
            newest[api_id] = max(names)[1]
    return newest

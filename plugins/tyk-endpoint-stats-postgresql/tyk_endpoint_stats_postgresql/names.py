"""The tables ``consumers``, ``endpoints`` and ``apis``: keys for texts, and the newest names."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from tyk_endpoint_stats.core.batch import Batch, ConsumerKey, EndpointKey, NameSeen
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.stores.rules import newest_names
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.texts import digest, plain, stored

__all__ = [
    "aliases",
    "api_names",
    "consumers_by_key",
    "endpoints_by_key",
    "names_seen",
    "where",
    "write_names",
]


def write_names(
    connection: Connection,
    batch: Batch,
    consumers: Mapping[ConsumerKey, UUID],
    endpoints: Mapping[EndpointKey, UUID],
) -> None:
    """Write what is new: consumers, endpoints, names. Of two names the newest wins, on a tie the greater text.

    Args:
        connection: inside a transaction.
        batch: whose names. It may bring an alias of a consumer that has no row in it.
        consumers: the batch's, with their keys.
        endpoints: the batch's, with their keys.
    """
    rows: list[tuple[Any, ...]] = []
    for consumer in consumers.keys() | batch.aliases.keys():
        org_id, kind, consumer_id = consumer
        seen_us, alias = batch.aliases.get(consumer, (None, ""))
        key = consumers.get(consumer) or digest(*consumer)
        rows.append((key, str(kind), stored(consumer_id), stored(org_id), stored(alias), seen_us))
    _write(
        connection,
        "INSERT INTO consumers AS t"
        " SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])"
        " ON CONFLICT (consumer) DO UPDATE SET alias = excluded.alias, alias_seen_us = excluded.alias_seen_us"
        " WHERE excluded.alias_seen_us IS NOT NULL AND (t.alias_seen_us IS NULL"
        " OR (t.alias_seen_us, t.alias) < (excluded.alias_seen_us, excluded.alias))",
        sorted(rows, key=lambda row: row[0]),
    )
    _write(
        connection,
        "INSERT INTO endpoints SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING",
        sorted((key, stored(api_id), stored(path)) for (api_id, path), key in endpoints.items()),
    )
    _write(
        connection,
        "INSERT INTO apis AS t SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])"
        " ON CONFLICT (api_id, org_id) DO UPDATE SET name = excluded.name, name_seen_us = excluded.name_seen_us"
        " WHERE (t.name_seen_us, t.name) < (excluded.name_seen_us, excluded.name)",
        sorted(
            (stored(api_id), stored(org_id), stored(name), seen_us)
            for (org_id, api_id), (seen_us, name) in batch.api_names.items()
        ),
    )


def _write(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        connection.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def where(*filters: tuple[str, str | None]) -> tuple[str, list[str]]:
    """The conditions on columns whose text is not ``None``, and the texts."""
    used = [(column, stored(str(text))) for column, text in filters if text is not None]
    if not used:
        return "", []
    return " WHERE " + " AND ".join(f"{column} = %s" for column, _ in used), [text for _, text in used]


def consumers_by_key(connection: Connection, keys: Iterable[UUID]) -> dict[UUID, ConsumerKey]:
    """The consumers with these keys.

    Raises:
        StoreError: one of them is not there.
    """
    sql = "SELECT consumer, org_id, kind, id FROM consumers WHERE consumer = ANY(%s)"
    found = _keyed(connection, sql, keys)
    return {key: (plain(org_id), kind, plain(consumer_id)) for key, org_id, kind, consumer_id in found}


def endpoints_by_key(connection: Connection, keys: Iterable[UUID]) -> dict[UUID, EndpointKey]:
    """The endpoints with these keys.

    Raises:
        StoreError: one of them is not there.
    """
    sql = "SELECT endpoint, api_id, path FROM endpoints WHERE endpoint = ANY(%s)"
    return {key: (plain(api_id), plain(path)) for key, api_id, path in _keyed(connection, sql, keys)}


def _keyed(connection: Connection, sql: str, keys: Iterable[UUID]) -> list[tuple[Any, ...]]:
    wanted = list(set(keys))
    if not wanted:
        return []
    found = connection.execute(sql, (wanted,)).fetchall()
    if len(found) != len(wanted):
        raise StoreError("a row is of a consumer or an endpoint that does not exist; run verify")
    return found


def aliases(connection: Connection, selection: Selection) -> dict[tuple[str, str], str]:
    """The newest alias by kind and id, of the consumers that a selection may answer."""
    which, texts = where(("org_id", selection.org_id), ("kind", selection.kind), ("id", selection.consumer_id))
    sql = f"SELECT kind, id, alias_seen_us, alias FROM (SELECT * FROM consumers{which}) AS c WHERE alias <> ''"
    return newest_names(
        ((kind, plain(id_)), (seen_us, plain(alias)))
        for kind, id_, seen_us, alias in connection.execute(sql, texts)
    )


def api_names(connection: Connection, selection: Selection) -> dict[str, str]:
    """The newest name of each API that a selection may answer."""
    which, texts = where(("org_id", selection.org_id), ("api_id", selection.api_id))
    found = connection.execute(f"SELECT api_id, name_seen_us, name FROM apis{which}", texts)
    return newest_names((plain(api_id), (seen_us, plain(name))) for api_id, seen_us, name in found)


def names_seen(connection: Connection) -> tuple[dict[tuple[str, str], NameSeen], dict[ConsumerKey, NameSeen]]:
    """All names of APIs and all aliases, as a batch has them."""
    apis = connection.execute("SELECT org_id, api_id, name_seen_us, name FROM apis")
    seen = connection.execute("SELECT org_id, kind, id, alias_seen_us, alias FROM consumers WHERE alias <> ''")
    return (
        {(plain(org_id), plain(api_id)): (seen_us, plain(name)) for org_id, api_id, seen_us, name in apis},
        {(plain(org_id), kind, plain(id_)): (seen_us, plain(alias)) for org_id, kind, id_, seen_us, alias in seen},
    )

"""The tables ``consumers``, ``endpoints`` and ``apis``: numbers for texts, and the newest names."""

from collections.abc import Iterable
from sqlite3 import Connection
from typing import Any

from msgspec import json

from tyk_endpoint_stats.core.batch import Batch, ConsumerKey, EndpointKey, NameSeen
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.stores.rules import newest_names

__all__ = [
    "CONSUMERS",
    "ENDPOINTS",
    "Numbers",
    "aliases",
    "api_names",
    "consumers_by_number",
    "endpoints_by_number",
    "names_seen",
    "same_consumers",
    "where",
    "write_names",
]

KNOWN_NUMBERS, KNOWN_CHARACTERS = 200_000, 2**24
"""So many are remembered, and of so long names; more are looked up again."""

CONSUMERS = (
    "INSERT INTO consumers (org_id, kind, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    "SELECT number FROM consumers WHERE org_id = ? AND kind = ? AND id = ?",
)
ENDPOINTS = (
    "INSERT INTO endpoints (api_id, path) VALUES (?, ?) ON CONFLICT DO NOTHING",
    "SELECT number FROM endpoints WHERE api_id = ? AND path = ?",
)


class Numbers:
    """The numbers of consumers or of endpoints. New ones are kept only after the commit.

    A number taken in a transaction that rolled back does not exist: a row that used it would dangle.

    Args:
        sql: ``CONSUMERS`` or ``ENDPOINTS``.
    """

    def __init__(self, sql: tuple[str, str]) -> None:
        self._insert, self._select = sql
        self._known: dict[tuple[str, ...], int] = {}
        self._known_characters = 0
        self._new: dict[tuple[str, ...], int] = {}

    def of(self, connection: Connection, keys: Iterable[tuple[str, ...]]) -> list[int]:
        """The number of each key, given out in this transaction where it is new."""
        numbers = []
        for key in keys:
            number = self._known.get(key) or self._new.get(key)
            if number is None:
                # Inserted first: what is not remembered is mostly new.
                made = connection.execute(self._insert, key)
                if made.rowcount:
                    number = made.lastrowid or 0
                else:
                    (number,) = connection.execute(self._select, key).fetchone()
                self._new[key] = number
            numbers.append(number)
        return numbers

    def keep(self) -> None:
        """The transaction was committed."""
        characters = sum(len(name) for key in self._new for name in key)
        if (
            len(self._known) + len(self._new) > KNOWN_NUMBERS
            or self._known_characters + characters > KNOWN_CHARACTERS
        ):
            self._known.clear()
            self._known_characters = 0
        self._known_characters += characters
        self._known.update(self._new)
        self.drop()

    def drop(self) -> None:
        """The transaction was rolled back."""
        self._new = {}

    def forget(self) -> None:
        """Somebody else has changed the file: what was known may be of another life of it."""
        self._known.clear()
        self._known_characters = 0
        self._new = {}


def write_names(connection: Connection, batch: Batch) -> None:
    """Merge the names seen: the newest wins, on a tie the greater text."""
    connection.executemany(
        "UPDATE consumers SET alias_seen_us = ?, alias = ? WHERE org_id = ? AND kind = ? AND id = ?"
        " AND (alias_seen_us IS NULL OR (alias_seen_us, alias) < (?, ?))",
        ((*seen, *key, *seen) for key, seen in batch.aliases.items()),
    )
    connection.executemany(
        "INSERT INTO apis (org_id, api_id, name_seen_us, name) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET name_seen_us = excluded.name_seen_us, name = excluded.name"
        " WHERE (name_seen_us, name) < (excluded.name_seen_us, excluded.name)",
        ((*key, *seen) for key, seen in batch.api_names.items()),
    )


def where(*filters: tuple[str, Any]) -> tuple[str, list[Any]]:
    """The conditions whose value is not ``None``, and the values."""
    used = [(condition, value) for condition, value in filters if value is not None]
    if not used:
        return "", []
    return " WHERE " + " AND ".join(condition for condition, _ in used), [value for _, value in used]


def consumers_by_number(connection: Connection, numbers: Iterable[int]) -> dict[int, ConsumerKey]:
    """The consumers with these numbers."""
    sql = "SELECT number, org_id, kind, id FROM consumers WHERE number IN (SELECT value FROM json_each(?))"
    found = _numbered(connection, sql, numbers)
    return {number: (org_id, kind, consumer_id) for number, org_id, kind, consumer_id in found}


def endpoints_by_number(connection: Connection, numbers: Iterable[int]) -> dict[int, EndpointKey]:
    """The endpoints with these numbers."""
    sql = "SELECT number, api_id, path FROM endpoints WHERE number IN (SELECT value FROM json_each(?))"
    return {number: (api_id, path) for number, api_id, path in _numbered(connection, sql, numbers)}


def same_consumers(connection: Connection) -> dict[int, int]:
    """Of a consumer that several organisations have, one number for each of its numbers."""
    sql = "SELECT group_concat(number) FROM consumers GROUP BY id, kind HAVING count(*) > 1"
    several = ([int(number) for number in numbers.split(",")] for (numbers,) in connection.execute(sql))
    return {number: first for first, *others in several for number in others}


def _numbered(connection: Connection, sql: str, numbers: Iterable[int]) -> list[tuple[Any, ...]]:
    return connection.execute(sql, (json.encode(list(set(numbers))).decode(),)).fetchall()


def aliases(connection: Connection, selection: Selection) -> dict[tuple[str, str], str]:
    """The newest alias by kind and id, of the consumers that a selection may answer."""
    which, parameters = where(
        ("alias <> ?", ""),
        ("org_id = ?", selection.org_id),
        ("kind = ?", selection.kind),
        ("id = ?", selection.consumer_id),
    )
    sql = f"SELECT kind, id, alias_seen_us, alias FROM consumers{which}"
    return newest_names(
        ((kind, id_), (seen, alias)) for kind, id_, seen, alias in connection.execute(sql, parameters)
    )


def api_names(connection: Connection, selection: Selection) -> dict[str, str]:
    """The newest name of each API that a selection may answer."""
    which, parameters = where(("org_id = ?", selection.org_id), ("api_id = ?", selection.api_id))
    sql = f"SELECT api_id, name_seen_us, name FROM apis{which}"
    return newest_names((api_id, (seen, name)) for api_id, seen, name in connection.execute(sql, parameters))


def names_seen(connection: Connection) -> tuple[dict[tuple[str, str], NameSeen], dict[ConsumerKey, NameSeen]]:
    """All names of APIs and all aliases, as a batch has them."""
    apis = connection.execute("SELECT org_id, api_id, name_seen_us, name FROM apis")
    seen = connection.execute("SELECT org_id, kind, id, alias_seen_us, alias FROM consumers WHERE alias <> ''")
    return (
        {(org_id, api_id): (seen_us, name) for org_id, api_id, seen_us, name in apis},
        {(org_id, kind, id_): (seen_us, alias) for org_id, kind, id_, seen_us, alias in seen},
    )

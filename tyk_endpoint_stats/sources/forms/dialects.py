"""Under which names records stand: a dialect is a table of names, and case, ``_``, ``.`` and ``-`` make none.

So ``api_key``, ``apikey`` and ``APIKey`` are one name, and one table reads what the gateway writes, MongoDB's and
SQL's columns, the CSV of Tyk Pump, and what its other sinks make of a record.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from msgspec import Struct

__all__ = ["FIELDS", "NATIVE", "Dialect", "dialect_of", "is_native", "is_record", "names_of_fields", "plain_name"]

FIELDS: Mapping[str, str] = {
    "path": "path",
    "requesturi": "path",
    "responsecode": "response_code",
    "apikey": "api_key",
    "timestamp": "timestamp",
    "@timestamp": "timestamp",
    "apiname": "api_name",
    "apiid": "api_id",
    "orgid": "org_id",
    "oauthid": "oauth_id",
    "requesttime": "request_time",
    "requesttimems": "request_time",
    "latency": "latency",
    "latencytotal": "latency.total",
    "latencyupstream": "latency.upstream",
    "alias": "alias",
    "trackpath": "track_path",
    "graphqlstats": "graphql_stats",
    "graphqlstatsisgraphql": "graphql_stats.IsGraphQL",
    "mcpstats": "mcp_stats",
    "mcpstatsismcp": "mcp_stats.is_mcp",
}
"""From a plain name to the JSON name of Tyk's record; an inner member's stands behind a dot."""

_OWN_FIELDS = frozenset({"response_code", "api_key", "api_id", "org_id", "oauth_id"})
"""What few but Tyk have: who has a ``timestamp`` and a ``path`` may be anybody's."""

_ORDER = {plain: number for number, plain in enumerate(FIELDS)}
_FLATTENED = re.compile(r"(?:@|[\w@.\-]*\.)?tyk[-_]analytics[-_]record\.|(?:_source|jsonPayload)\.")
"""What stands before the names of a record whose members, and those of what it was in, became columns."""

_SEPARATORS = str.maketrans("", "", "_.- ")


class Dialect(Struct, frozen=True):
    """How a record is named.

    Attributes:
        name: whose names they are.
        signs: names, as they are written, by which it is known.
        has_latency: whether a record without a latency has zeros, as in Go; otherwise it is unknown.
    """

    name: str
    signs: frozenset[str]
    has_latency: bool = True


_DIALECTS = (
    Dialect("Elasticsearch's sink", frozenset({"@timestamp", "request_time_ms"}), has_latency=False),
    Dialect("the Kafka, Kinesis and syslog sinks", frozenset({"request_time_ms"}), has_latency=False),
    Dialect("Splunk's sink", frozenset({"time_stamp"}), has_latency=False),
    Dialect("MongoDB's and SQL's names", frozenset({"responsecode"})),
    Dialect("MongoDB's and SQL's names", frozenset({"apikey"})),
    Dialect("Tyk Pump's CSV", frozenset({"ResponseCode"})),
    Dialect("Tyk Pump's CSV", frozenset({"APIKey"})),
)
NATIVE = "Tyk's JSON names"
_TYK = Dialect(NATIVE, frozenset())


def plain_name(name: str) -> str:
    """A name without what dialects differ in."""
    return _bare(name).translate(_SEPARATORS).lower()


def _bare(name: str) -> str:
    # Only where the name begins: a search from each of its characters takes 20 s for a name of 64 KB.
    found = _FLATTENED.match(name)
    return name[found.end() :] if found else name


@lru_cache(256)
def names_of_fields(names: tuple[str, ...]) -> Mapping[str, str]:
    """For each field of Tyk's record the name under which it stands among these.

    Of several names for one field the record's own wins: a wrapper has a ``timestamp`` and an ``@timestamp``, too.
    What is flattened out of ``tyk-analytics-record``, or is a GELF message's ``_field``, is the record's.
    """
    ranks: dict[str, tuple[int, int]] = {}
    found: dict[str, str] = {}
    for name in names:
        plain = plain_name(name)
        field = FIELDS.get(plain)
        if field is None:
            continue
        kind = 0 if _FLATTENED.match(name) else 1 if name.startswith("_") else 2
        rank = (kind, _ORDER[plain])
        if field not in ranks or rank < ranks[field]:
            ranks[field], found[field] = rank, name
    return found


@lru_cache(256)
def dialect_of(names: tuple[str, ...]) -> Dialect:
    """The dialect in which these are the names of a record."""
    bare = {_bare(name).removeprefix("_") for name in names}
    return next((each for each in _DIALECTS if each.signs <= bare), _TYK)


def is_native(fields: Mapping[str, str]) -> bool:
    """Whether who has these fields is a gateway's record, whatever else it has: the fast decoder can't tell that."""
    return all(fields.get(name) == name for name in ("timestamp", "response_code", "latency"))


def is_record(fields: Collection[str]) -> bool:
    """Whether who has these fields is a record of Tyk's, whether or not it is whole."""
    return not _OWN_FIELDS.isdisjoint(fields) and len(fields) >= 2

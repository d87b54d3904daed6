"""Values with their types around them, as databases and collectors export them.

``{"$numberLong": "40"}`` is MongoDB's, ``{"N": "40"}`` DynamoDB's, ``{"integerValue": "40"}`` Firestore's and
``{"intValue": "40"}`` OpenTelemetry's.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import DecodeError, Raw, Struct, json

from tyk_endpoint_stats.sources.forms.json_text import decoded

__all__ = ["plain_members", "typed_value"]

_PLAIN = frozenset({"S", "BOOL", "stringValue", "timestampValue", "booleanValue", "boolValue"})
_NUMBERS = frozenset(
    {"N", "integerValue", "intValue", "doubleValue"}
    | {"$numberLong", "$numberInt", "$numberDouble", "$numberDecimal"}
)
_OBJECTS = frozenset({"M", "mapValue", "fields"})


class _Pair(Struct):
    key: str
    value: Raw


class _Pairs(Struct):
    values: list[_Pair]


def plain_members(members: dict[str, Raw]) -> dict[str, Raw]:
    """The members of an object without the type around them, if it has one."""
    while len(members) == 1:
        (name,) = members
        inner: dict[str, Raw] | str = name
        if name in _OBJECTS:
            inner = decoded(members[name], dict[str, Raw])
        elif name == "kvlistValue":
            pairs = decoded(members[name], _Pairs)
            inner = pairs if isinstance(pairs, str) else {pair.key: pair.value for pair in pairs.values}
        if isinstance(inner, str):
            break
        members = inner
    return members


def typed_value(members: Mapping[str, Raw]) -> Any:
    """The value inside of its type; ``...``: it is of no use. A time of MongoDB's stays ``{"$date": …}``."""
    for name, raw in members.items():
        try:
            if name == "$date":
                inner = decoded(raw, dict[str, Raw])
                return {"$date": json.decode(raw) if isinstance(inner, str) else typed_value(inner)}
            if name in _NUMBERS:
                value = json.decode(raw)
                return json.decode(value) if isinstance(value, str) else value
            if name in _PLAIN:
                return json.decode(raw)
        except DecodeError:
            return ...
    return ...

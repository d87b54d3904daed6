"""What to ask of a collection of Tyk Pump's aggregates: of each document only the part that a question needs.

Documents reach 16 MB, and one consumer is a small part of one. Ids are literal names of fields here and never parts
of an expression's text: they may hold dots and dollars.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from bson.datetime_ms import DatetimeMS

from tyk_endpoint_stats.core.batch import EVERYONE, Kind
from tyk_endpoint_stats.core.buckets import Width
from tyk_endpoint_stats.core.selection import Dimension, RowKind, Selection, row_kind
from tyk_endpoint_stats.tyk.pump_buckets import TimeRange
from tyk_endpoint_stats_mongodb.pump_documents import CODES_FIELD, COUNTER_FIELDS, NAME_FIELDS, SECTIONS

__all__ = ["MAX_LEVELS", "is_everyones", "keeps_endpoints", "pipeline_of"]

MAX_LEVELS = 80
"""An owner of more names than this is not looked for as a path: neither servers nor drivers nest so deep."""

Expression: TypeAlias = Any


def pipeline_of(selection: Selection, ranges: Sequence[TimeRange], length_us: int) -> list[dict[str, Any]]:
    """The stages that give a question's documents: ``at``, and by what is asked some of the others.

    - ``everyone``, where consumers do not matter: names and counters, one list for each way in which a name may
      stand. Of all hits those of the organisation or of one API; of tracked ones those of endpoints.
    - ``key``, ``oauth`` (the values of ``Kind``): what consumers did. One consumer's counters as a list of names
      and counters, one list for each way in which his name may stand; or all consumers, a tree.
    - ``alias``: the aliases of the one consumer. ``aliases``: names and counters of all keys.
    - ``apis``: names and counters of APIs.

    Args:
        selection: what is asked; of consumers its API and path are not looked at.
        ranges: of its spans. Documents that begin one bucket's length before are among those that come.
        length_us: how long a bucket is.
    """
    kinds = [kind for kind in SECTIONS if selection.kind in (None, kind)]
    fields = (*COUNTER_FIELDS, CODES_FIELD) if selection.distributions else COUNTER_FIELDS
    parts: dict[str, Expression] = {"_id": 0, "at": "$timestamp"}
    if is_everyones(selection):
        parts[EVERYONE] = [_trimmed(tree, fields, rest=False) for tree in _trees_of_everyone(selection)]
        kinds = []
    for kind in kinds:
        section = f"${SECTIONS[kind]}"
        if selection.consumer_id is None:
            parts[kind.value] = section
        else:
            paths = _paths(selection.consumer_id)
            parts[kind.value] = [_trimmed(_field(section, path), fields, rest=False) for path in paths]
    if Dimension.CONSUMER in selection.group_by and Kind.KEY in kinds:
        if selection.consumer_id is None:
            parts["aliases"] = _trimmed("$apikeys", NAME_FIELDS, rest=True)
        else:
            paths = _paths(selection.consumer_id)
            parts["alias"] = [_field("$apikeys", (*path, "humanidentifier")) for path in paths]
    if Dimension.ENDPOINT in selection.group_by:
        parts["apis"] = _trimmed("$apiid", NAME_FIELDS, rest=True)
    return [{"$match": _match(selection, ranges, length_us)}, {"$project": parts}]


def is_everyones(selection: Selection) -> bool:
    """Whether every hit counts once, whoever's."""
    return row_kind(selection, Width.QUARTER_HOUR) is not RowKind.ENDPOINT_OF_CONSUMER


def keeps_endpoints(selection: Selection) -> bool:
    """Whether endpoints have to be told apart. Of one API Pump has the sum of all hits."""
    if Dimension.ENDPOINT in selection.group_by or selection.path is not None:
        return True
    return selection.api_id is not None and not (is_everyones(selection) and selection.api_id)


def _trees_of_everyone(selection: Selection) -> list[Expression]:
    if keeps_endpoints(selection):
        return ["$apiendpoints"]
    if selection.api_id is None:
        return [{"total": "$total"}]
    return [{"api": _field("$apiid", path)} for path in _paths(selection.api_id)]


def _match(selection: Selection, ranges: Sequence[TimeRange], length_us: int) -> dict[str, Any]:
    times = [
        {"timestamp": {"$gt": _date(one.start_us - length_us), "$lt": DatetimeMS(-(-one.end_us // 1000))}}
        for one in ranges
    ]
    return {"$or": times} | ({} if selection.org_id is None else {"orgid": {"$eq": selection.org_id}})


def _date(instant_us: int) -> DatetimeMS:
    return DatetimeMS(instant_us // 1000)


def _paths(owner: str) -> list[tuple[str, ...]]:
    """How an owner's name may stand: level by level, as Pump writes it; and whole, where others wrote it."""
    levels = tuple(owner.split("."))
    return [levels, (owner,)] if 1 < len(levels) <= MAX_LEVELS else [(owner,)]


def _field(of: Expression, path: Sequence[str]) -> Expression:
    for name in path:
        of = {"$getField": {"field": {"$literal": name}, "input": of}}
    return of


def _trimmed(tree: Expression, fields: Sequence[str], *, rest: bool) -> Expression:
    """A tree's names and values, of counters these fields alone: a half of each is copies and means.

    Args:
        tree: gives an object, or nothing.
        fields: of counters.
        rest: whether values that are no counters are wanted; without, they are ``None``.
    """
    is_counter = {"$not": [{"$in": [{"$type": "$$one.v.hits"}, ["missing", "object"]]}]}
    counter = {name: f"$$one.v.{name}" for name in fields}
    is_object = {"$eq": [{"$type": tree}, "object"]}
    return {
        "$map": {
            "input": {"$objectToArray": {"$cond": [is_object, tree, {"$literal": {}}]}},
            "as": "one",
            "in": {"k": "$$one.k", "v": {"$cond": [is_counter, counter, "$$one.v" if rest else None]}},
        }
    }

"""How a database becomes a store, and a store one of this version: by named steps, one version each.

Several programs may take the same step at once, and each may be killed in it: every step can be taken again.
The version is written after its step, so where it stands, all of it is there.
"""

from collections.abc import Callable
from typing import TypeAlias

from pymongo.errors import BulkWriteError, OperationFailure

from tyk_endpoint_stats.errors import UnusableStore
from tyk_endpoint_stats_mongodb.layout import DURABLE, LANES, Layout, only_duplicates

__all__ = ["NEWEST", "STEPS", "prepare"]

_FIRST_RELEASE = 1
"""Version 0.1.0 kept a state a document, in other collections; what it left can't be made into day rows."""

_NAMESPACE_EXISTS = 48

Step: TypeAlias = Callable[[Layout], None]


def prepare(layout: Layout, name: str, *, make: bool) -> None:
    """Make sure that a store of this version is in the database.

    Args:
        layout: where.
        name: of the store, for messages.
        make: make it where there is none.

    Raises:
        UnusableStore: it is of a newer version, of 0.1.0, or there is none and none is to be made.
    """
    schema = layout.meta.find_one({"_id": "schema"})
    if schema is None and not make:
        raise UnusableStore(
            f"{name} holds no store yet; an ingest makes it: tyk-endpoint-stats ingest --store {name} FILE"
        )
    version = _FIRST_RELEASE if schema is None else schema["version"]
    if schema is not None and version == _FIRST_RELEASE:
        raise UnusableStore(
            f"{name} was made by version 0.1.0, which kept states in another form: ingest again into another "
            f"database, or drop this one's collections first ({layout.meta.name} and those beside it)"
        )
    if version > NEWEST:
        raise UnusableStore(
            f"{name} has schema {version}, this version knows schemas up to {NEWEST}: upgrade "
            "tyk-endpoint-stats-mongodb (pip install --upgrade tyk-endpoint-stats-mongodb)"
        )
    for number, (step, take) in enumerate(STEPS, _FIRST_RELEASE + 1):
        if number > version:
            take(layout)
            taken = {"$max": {"version": number}, "$addToSet": {"steps": step}}
            layout.meta.update_one({"_id": "schema"}, taken, upsert=True)


def _make_collections(layout: Layout) -> None:
    """Those that transactions write to: in one, a server may refuse to make them."""
    for collection in layout.collections():
        try:
            layout.database.command("create", collection.name, writeConcern=DURABLE.document)
        except OperationFailure as problem:
            if problem.code != _NAMESPACE_EXISTS:
                raise


def _make_indexes(layout: Layout) -> None:
    for collection, indexes in layout.indexes():
        collection.create_indexes(indexes)


def _make_lanes(layout: Layout) -> None:
    try:
        layout.lanes.insert_many(
            [{"_id": lane, "seq": 0, "state": "done", "journal": "", "most": 0} for lane in range(LANES)],
            ordered=False,
        )
    except BulkWriteError as problem:
        if not only_duplicates(problem):
            raise


STEPS: tuple[tuple[str, Step], ...] = (
    ("0002_collections", _make_collections),
    ("0003_indexes", _make_indexes),
    ("0004_lanes", _make_lanes),
    ("0005_growth", _make_collections),
)
"""In their order, for ever: what was released is never changed, a new step goes to the end."""

NEWEST = _FIRST_RELEASE + len(STEPS)

"""Reading one state of a replica set."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.errors import OperationFailure

__all__ = ["from_one_snapshot", "has_snapshots"]

_SNAPSHOT_GONE = {239, 246}  # too old, or the catalog changed since: a newer one will do
_PAUSE_S = 0.02

Result = TypeVar("Result")


def has_snapshots(hello: dict[str, Any]) -> bool:
    """Whether a server that says this has snapshots and transactions: a member of a set, or mongos."""
    return "setName" in hello or hello.get("msg") == "isdbgrid"


def from_one_snapshot(client: MongoClient[Any], ask: Callable[[Any], Result]) -> Result:
    """What ``ask`` finds in a session whose reads all see one state that can't be rolled back."""
    while True:
        try:
            with client.start_session(snapshot=True) as session:
                return ask(session)
        except OperationFailure as problem:
            if problem.code not in _SNAPSHOT_GONE:
                raise
            time.sleep(_PAUSE_S)

"""The one seam at which the driver's errors become ours; the original stays as ``__cause__``."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from bson.errors import BSONError
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)

from tyk_endpoint_stats.errors import StoreBusy, StoreClosed, StoreError, UnusableStore
from tyk_endpoint_stats.urls import mask_url

__all__ = ["Seam"]

_UNUSABLE = {
    13: "this user may not do that; give it the role {role} on the database",
    18: "the user name or the password is wrong",
    26: "a collection of the store is gone",
    8000: "the user name or the password is wrong",
}
_ADVICE = {
    2: "a sum would pass 63 bits; the batch was not merged",
    9001: "the server's connection was lost; try again",
    14031: "the server's disk is full; free some space and try again",
}
_LONGEST = 500


class Seam:
    """Translates errors, and keeps what the URL hides out of every message.

    Args:
        url: the driver's, with its secrets.
        name: how messages call it; the URL without its secrets if not given.
        role: what a user needs on the database, for messages.

    Attributes:
        name: the store's URL without its user and password.
    """

    def __init__(self, url: str, *, name: str = "", role: str = "readWrite") -> None:
        self.name = name or mask_url(url)
        self._role = role
        rest = url.partition("://")[2]
        hidden = rest.rpartition("@")[0]
        password = hidden.partition(":")[2]
        self._secrets = [text for text in (hidden, password, unquote(hidden), unquote(password)) if text]

    def masked(self, text: str) -> str:
        """A text of the driver's, shortened, without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"

    @contextmanager
    def translated(self, deadline_s: float) -> Iterator[None]:
        """Around every use of the driver.

        Args:
            deadline_s: the total deadline that holds inside, for the message.

        Raises:
            StoreBusy: no answer within the deadline.
            StoreClosed: the client that was passed in is closed.
            UnusableStore: the user may not use this database.
            StoreError: anything else.
        """
        try:
            yield
        except PyMongoError as problem:
            raise self._ours(problem, deadline_s) from problem
        except (BSONError, OverflowError, UnicodeEncodeError) as problem:
            raise StoreError(f"{self.name}: a value can't be kept: {self._said(problem)}") from problem

    def _said(self, problem: Exception) -> str:
        """What the driver says, up to the document or command that it quotes: consumers' ids are in those."""
        return self.masked(str(problem).partition("{")[0].rstrip(" :,"))

    def _ours(self, problem: PyMongoError, deadline_s: float) -> StoreError:
        said = self._said(problem)
        if problem.timeout:
            return StoreBusy(f"{self.name}: no answer within {deadline_s:g} s; try again ({said})")
        if isinstance(problem, InvalidOperation):
            return StoreClosed(f"{self.name}: its client can't be used any more ({said})")
        if isinstance(problem, DocumentTooLarge):
            return StoreError(f"{self.name}: a document would pass 16 MB ({said})")
        if isinstance(problem, ConnectionFailure):
            return StoreBusy(f"{self.name}: the connection was lost; try again ({said})")
        code = problem.code if isinstance(problem, OperationFailure) else None
        codes = {code, *_codes_inside(problem)}
        for known in _UNUSABLE.keys() & codes:
            return UnusableStore(f"{self.name}: {_UNUSABLE[known].format(role=self._role)} ({said})")
        for known in _ADVICE.keys() & codes:
            return StoreError(f"{self.name}: {_ADVICE[known]} ({said})")
        return StoreError(f"{self.name}: {said}")


def _codes_inside(problem: PyMongoError) -> Iterator[int]:
    details = problem.details if isinstance(problem, OperationFailure) else None
    for error in (details or {}).get("writeErrors", ()):
        yield error["code"]

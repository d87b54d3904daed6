"""The one seam at which the driver's errors become ours; the original stays as ``__cause__``."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)

from tyk_endpoint_stats.errors import PluginError, StoreBusy, StoreClosed, StoreError, UnusableStore
from tyk_endpoint_stats.urls import mask_url

__all__ = ["Seam", "client_of", "masked_url"]

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

_MASK = "***"
_OPTION = re.compile(r"([?&;])([^=&;]*)=([^&;]*)")
_SHOWN = {"authsource", "authmechanism"}
_HIDDEN = re.compile("auth|password|secret|token|credential", re.IGNORECASE)


def masked_url(url: str) -> str:
    """The URL without its user and password, and without what options of the driver hold of secrets.

    ``authMechanismProperties`` may hold AWS's session token, others the password of a private key.
    """
    return _OPTION.sub(
        lambda found: f"{found[1]}{found[2]}={_MASK if _is_hidden(found[2]) else found[3]}", mask_url(url)
    )


def _is_hidden(option: str) -> bool:
    return _HIDDEN.search(option) is not None and option.lower() not in _SHOWN


def _hidden_values(url: str) -> Iterator[str]:
    """Values of options that no message may show: whole, decoded, and each part of a list of properties."""
    for _, option, value in _OPTION.findall(url):
        if _is_hidden(option):
            yield value
            yield unquote(value)
            for one in unquote(value).split(","):
                yield one.partition(":")[2]


def client_of(url: str, seam: "Seam") -> MongoClient[Any]:
    """A client that has not asked anything yet.

    Raises:
        PluginError: the driver can't make anything of the URL, or only warns that it can't of an option.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # it quotes values
            return MongoClient(url, document_class=dict, connect=False)
    except (PyMongoError, ValueError, TypeError, UserWarning) as problem:
        # Not as its cause: what can't be parsed may hold a password anywhere.
        raise PluginError(f"{seam.name}: {seam.masked(str(problem))}") from None


class Seam:
    """Translates errors, and keeps what the URL hides out of every message.

    Args:
        url: the driver's, with its secrets.
        name: how messages call it; the URL without its secrets if not given.
        role: what a user needs on the database, for messages.

    Attributes:
        name: the store's URL without its user, its password and other secrets.
    """

    def __init__(self, url: str, *, name: str = "", role: str = "readWrite") -> None:
        self.name = name or masked_url(url)
        self._role = role
        rest = url.partition("://")[2]
        hidden = rest.rpartition("@")[0]
        password = hidden.partition(":")[2]
        secrets = (hidden, password, unquote(hidden), unquote(password), *_hidden_values(rest))
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def masked(self, text: str) -> str:
        """A text of the driver's, shortened, without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
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

"""What a route is: an entry of the table, with its document and what the log may show of it."""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct

from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web.messages import Headers, Request, Response, error_response
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Access

__all__ = ["NO_CONTROL", "Authentication", "Call", "ErrorForm", "Json", "Parameter", "Route", "tyk_error"]

Json = dict[str, Any]

NO_CONTROL = "^[^\\u0000-\\u001f\\u007f]*$"
"""A pattern of texts without control characters, as JSON Schema has it."""


class Authentication(Enum):
    """Who sees to it that whoever asks may."""

    TOKEN = "token"  # noqa: S105
    """A token in the ``authorization`` header, before anything about the path is said."""

    OPEN = "open"
    """Nobody: there is no data in the answer."""

    OWN = "own"
    """The route itself: ``Call.access`` is what the header grants, or ``None``."""


class Parameter(Struct, frozen=True, kw_only=True):
    """A part of a target that means something.

    Attributes:
        name: in the query, or in braces in the route's path.
        schema: what fits, as JSON Schema.
        description: one sentence.
        in_path: whether it is a segment of the path.
        public: values of this pattern may stand in the log. So may values of an ``enum`` and numbers: none of them
            can be a secret.
    """

    name: str
    schema: Json
    description: str = ""
    in_path: bool = False
    public: str | None = None

    def is_public(self, value: str) -> bool:
        """Whether the log may show a value."""
        if self.in_path:
            return False
        if "enum" in self.schema:
            return value in self.schema["enum"]
        if self.schema.get("type") == "integer":
            return re.fullmatch("-?[0-9]{1,18}", value) is not None
        return self.public is not None and re.fullmatch(self.public, value, re.ASCII) is not None


class ErrorForm(Protocol):
    """Makes the answer of an error in the form that a family of routes has."""

    def __call__(self, status: int, message: str, extra: Headers = (), *, parameter: str | None = None) -> Response:
        """The answer."""


def tyk_error(status: int, message: str, extra: Headers = (), *, parameter: str | None = None) -> Response:
    """The envelope of Tyk's Dashboard, which has no place for the parameter's name but the message."""
    return error_response(status, message, extra)


class Call(Struct, frozen=True, kw_only=True):
    """One request to one route.

    Attributes:
        request: as it came.
        store: what is asked.
        settings: how the routes answer.
        route: the entry of the table.
        access: what the header's token may see; ``None``: there was no valid one.
        segments: the values of the path's parameters, decoded, by name.
        query: raw.
    """

    request: Request
    store: ReadableStore
    settings: Settings
    access: Access | None
    route: "Route"
    segments: dict[str, str]
    query: str

    @property
    def org_id(self) -> str | None:
        """The organisation that is asked about; ``None``: all of them."""
        assert self.access is not None, "a route that reads data has authentication"
        return self.access.org_id


class Route(Struct, frozen=True, kw_only=True):
    """An entry of the table.

    Attributes:
        path: as in OpenAPI, with parameters in braces, each a whole segment.
        answer: gives the answer. What it raises is answered as an error.
        operation: what OpenAPI says of it, without parameters; ``None``: it is not in the document, as pages.
        parameters: those of the path and of the query.
        error: the form of its errors, and of errors below its first segment.
        authentication: who sees to it that whoever asks may.
        methods: what is answered.
        reserved: what a parameter of the path can't be, by its name.
    """

    path: str
    answer: Callable[[Call], Response]
    operation: Json | None = None
    parameters: tuple[Parameter, ...] = ()
    error: ErrorForm = tyk_error
    authentication: Authentication = Authentication.TOKEN
    methods: tuple[str, ...] = ("GET", "HEAD")
    reserved: Mapping[str, frozenset[str]] = {}

    @property
    def parts(self) -> list[str]:
        """The segments of the path."""
        return self.path[1:].split("/")

    def match(self, found: list[str]) -> dict[str, str] | None:
        """The values of the path's parameters; ``None``: these segments are another path's."""
        values = {}
        for part, segment in zip(self.parts, found, strict=True):
            if part[:1] == "{":
                name = part[1:-1]
                if segment in self.reserved.get(name, ()):
                    return None
                values[name] = segment
            elif part != segment:
                return None
        return values

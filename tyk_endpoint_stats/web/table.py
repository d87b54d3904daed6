"""The table of all routes. A new one is one entry: path, answer, document, and what the log may show of it."""

from tyk_endpoint_stats.web.messages import Response, json_response
from tyk_endpoint_stats.web.openapi import openapi_document
from tyk_endpoint_stats.web.probes import PROBES, open_operation
from tyk_endpoint_stats.web.route import Authentication, Call, ErrorForm, Parameter, Route, tyk_error
from tyk_endpoint_stats.web.targets import segments
from tyk_endpoint_stats.web.tyk_document import TYK_SCHEMAS
from tyk_endpoint_stats.web.tyk_json import ascii_json
from tyk_endpoint_stats.web.tyk_routes import TYK_ROUTES
from tyk_endpoint_stats.web.ui_routes import UI_ROUTES
from tyk_endpoint_stats.web.v1_document import V1_SCHEMAS
from tyk_endpoint_stats.web.v1_routes import V1_ROUTES

__all__ = ["OPEN_PATHS", "PUBLIC_PARAMETERS", "PUBLIC_SEGMENTS", "ROUTES", "error_form", "find_route"]


def _openapi(call: Call) -> Response:
    return json_response(200, ascii_json(openapi_document(ROUTES, {**TYK_SCHEMAS, **V1_SCHEMAS})))


ROUTES: tuple[Route, ...] = (
    *TYK_ROUTES,
    *V1_ROUTES,
    *PROBES,
    *UI_ROUTES,
    Route(
        path="/openapi.json",
        answer=_openapi,
        operation=open_operation("openapi"),
        authentication=Authentication.OPEN,
    ),
)

OPEN_PATHS = frozenset(route.path for route in ROUTES if route.authentication is Authentication.OPEN)
"""What is answered without a token: nothing that has data in it."""

PUBLIC_SEGMENTS = frozenset(part for route in ROUTES for part in route.parts if part[:1] != "{")
"""What the log may show of a path, beside numbers."""

PUBLIC_PARAMETERS: dict[str, tuple[Parameter, ...]] = {
    name: tuple({id(one): one for route in ROUTES for one in route.parameters if one.name == name}.values())
    for name in {one.name for route in ROUTES for one in route.parameters if not one.in_path}
}
"""What the log may show of a query, where a parameter says so of the value: by name, as routes have it."""

_BY_LENGTH = {
    length: tuple(route for route in ROUTES if len(route.parts) == length)
    for length in {len(route.parts) for route in ROUTES}
}
_ERRORS = {route.parts[0]: route.error for route in ROUTES}


def find_route(path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a raw path, and the values of the path's parameters; ``None``: there is none.

    Raises:
        BadTarget: the path can't be read.
    """
    found = segments(path)
    for route in _BY_LENGTH.get(len(found), ()):
        values = route.match(found)
        if values is not None:
            return route, values
    return None


def error_form(path: str) -> ErrorForm:
    """In which form errors of a raw path are answered: as those of the routes with the same first segment."""
    return _ERRORS.get(path[1:].partition("/")[0], tyk_error)

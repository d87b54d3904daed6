"""The routes as a pure function: ``respond(request, store, settings) -> Response``. No sockets.

Order of answering, first failure wins: token, method, route, parameters, store. So nothing about a path
is said to anyone without a token.
"""

import logging

from tyk_endpoint_stats.errors import (
    AnswerTooLarge,
    EdgeInsideBucket,
    InvalidQuestion,
    QuarterHoursPruned,
    StoreBusy,
)
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web.log_lines import one_line
from tyk_endpoint_stats.web.messages import Request, Response
from tyk_endpoint_stats.web.probes import NotReady
from tyk_endpoint_stats.web.route import Authentication, Call, ErrorForm
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.table import OPEN_PATHS, error_form, find_route
from tyk_endpoint_stats.web.targets import BadTarget, path_and_query

__all__ = ["OPEN_ROUTES", "respond"]

OPEN_ROUTES = OPEN_PATHS
"""The paths that are answered without a token."""

_AGAIN_IN_A_SECOND = (("Retry-After", "1"),)

_log = logging.getLogger(__name__)


def respond(request: Request, store: ReadableStore, settings: Settings) -> Response:
    """The answer to a request. Thread-safe where the store is; never raises, whatever the store does.

    What goes wrong in the store is logged in one line; the client gets a fixed text.
    """
    response = _answer(request, store, settings)
    return response.without_body() if request.method == "HEAD" else response


def _answer(request: Request, store: ReadableStore, settings: Settings) -> Response:
    path, query = path_and_query(request.target)
    error = error_form(path)
    unreadable, found = None, None
    try:
        found = find_route(path)
    except BadTarget as problem:
        unreadable = problem
    access = settings.tokens.find(request.headers.get("authorization"))
    authentication = found[0].authentication if found else Authentication.TOKEN
    methods = found[0].methods if found else ("GET", "HEAD")
    may_see_to_it_itself = authentication is Authentication.OWN and request.method in methods
    if access is None and not (authentication is Authentication.OPEN or may_see_to_it_itself):
        return error(401, "Not authorised", (("WWW-Authenticate", "Bearer"),))
    if request.method not in methods:
        return error(405, "Method not allowed", (("Allow", ", ".join(methods)),))
    if unreadable is not None:
        return error(400, str(unreadable))
    if found is None:
        return error(404, "Not found")
    route, segments = found
    try:
        return route.answer(
            Call(
                request=request,
                store=store,
                settings=settings,
                access=access,
                route=route,
                segments=segments,
                query=query,
            )
        )
    except Exception as problem:  # whatever a store or its driver raises, the client learns nothing of it
        return _error(problem, error, request.target)


def _error(problem: Exception, error: ErrorForm, target: str) -> Response:
    match problem:
        case BadTarget():
            return error(400, str(problem), parameter=problem.parameter)
        case InvalidQuestion():
            return error(400, str(problem))
        case QuarterHoursPruned():
            return error(
                400, "Quarter hours of this range were pruned: of that time only whole UTC days can be asked for"
            )
        case EdgeInsideBucket():
            return error(
                400, "These days begin or end inside an hour that is stored as one number: ask in another time zone"
            )
        case AnswerTooLarge():
            return error(
                400,
                f"The answer has more than {problem.limit}, which is as much as this server gives: ask for fewer "
                "days, for one API by ?api_id=, or for a page at a time",
            )
        case StoreBusy():
            _log.warning("store is busy: %s", one_line(problem, target))
            return error(503, "Busy, try again", _AGAIN_IN_A_SECOND)
        case NotReady():
            _log.warning("not ready: %s", one_line(problem.__cause__ or problem))
            return error(503, "Not ready", _AGAIN_IN_A_SECOND)
        case _:
            _log.error("question failed: %s", one_line(problem, target))
            return error(500, "Failed to fetch analytics.")

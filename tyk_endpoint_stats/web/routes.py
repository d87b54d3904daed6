"""The routes as a pure function: ``respond(request, store, settings) -> Response``. No sockets, no clocks.

Order of answering, first failure wins: token, method, route, dates and page, store. So nothing about a path
is said to anyone without a token.
"""

import logging
from collections.abc import Callable
from datetime import date, timedelta

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import (
    AnswerTooLarge,
    EdgeInsideBucket,
    InvalidQuestion,
    QuarterHoursPruned,
    StoreBusy,
)
from tyk_endpoint_stats.questions import endpoints as questions
from tyk_endpoint_stats.stores.contract import ReadableStore
from tyk_endpoint_stats.web.log_lines import one_line
from tyk_endpoint_stats.web.messages import Request, Response, busy_response, error_response, json_response
from tyk_endpoint_stats.web.openapi import openapi_document
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.targets import BadTarget, day_range, parameters, path_and_query, segments
from tyk_endpoint_stats.web.tokens import Access
from tyk_endpoint_stats.web.tyk_json import ascii_json, endpoints_body

__all__ = ["respond"]

_log = logging.getLogger(__name__)

CONSUMERS: dict[tuple[str, ...], tuple[str, Callable[[str], Consumer]]] = {
    ("api", "activity", "keys", "endpoint"): ("keyHash", Consumer.key),
    ("api", "activity", "oauthid", "endpoint"): ("OAuthClientID", Consumer.oauth_client),
    # Tyk's Go SDK escapes segments, so it can't reach the routes above, and calls these (TYK.md §10).
    ("api", "activity", "keys"): ("keyHash", Consumer.key),
    ("api", "activity", "oauthid"): ("OAuthClientID", Consumer.oauth_client),
}
"""What stands before the consumer and the six parts of the dates, Tyk's name for the consumer, and its kind."""


def respond(request: Request, store: ReadableStore, settings: Settings) -> Response:
    """The answer to a request. Thread-safe where the store is; never raises, whatever the store does.

    What goes wrong in the store is logged in one line; the client gets a fixed text.
    """
    response = _answer(request, store, settings)
    return response.without_body() if request.method == "HEAD" else response


def _answer(request: Request, store: ReadableStore, settings: Settings) -> Response:
    path, query = path_and_query(request.target)
    open_to_all = OPEN_ROUTES.get(path)
    access = settings.tokens.find(request.headers.get("authorization"))
    if access is None and open_to_all is None:
        return error_response(401, "Not authorised", (("WWW-Authenticate", "Bearer"),))
    if request.method not in ("GET", "HEAD"):
        return error_response(405, "Method not allowed", (("Allow", "GET, HEAD"),))
    try:
        if open_to_all is not None:
            return open_to_all(store)
        assert access is not None
        return _endpoints(path, query, access, store, settings)
    except BadTarget as problem:
        return error_response(400, str(problem))
    except InvalidQuestion as problem:
        return error_response(400, str(problem))
    except QuarterHoursPruned:
        return error_response(
            400, "Quarter hours of this range were pruned: of that time only whole UTC days can be asked for"
        )
    except EdgeInsideBucket:
        return error_response(
            400, "These days begin or end inside an hour that is stored as one number: ask in another time zone"
        )
    except AnswerTooLarge as problem:
        return error_response(
            400,
            f"The answer has more than {problem.limit}, which is as much as this server gives: ask for fewer days, "
            "or for one API by ?api_id=",
        )
    except StoreBusy as problem:
        _log.warning("store is busy: %s", one_line(problem, request.target))
        return busy_response()
    except Exception as problem:  # whatever a store or its driver raises, the client learns nothing of it
        _log.error("question failed: %s", one_line(problem, request.target))
        return error_response(500, "Failed to fetch analytics.")


def _endpoints(path: str, query: str, access: Access, store: ReadableStore, settings: Settings) -> Response:
    found = segments(path)
    route = CONSUMERS.get(tuple(found[:-7]))
    if route is None or not found[-7]:
        return error_response(404, "Not found")
    _, make_consumer = route
    first, last = day_range(found[-6:])
    if settings.end_date_exclusive:
        first, last = _without_last_day(first, last)
    asked = parameters(query)
    rows = questions.endpoints(
        store,
        make_consumer(found[-7]),
        first,
        last,
        zone=settings.zone,
        org_id=access.org_id,
        api_id=asked.api_id,
        distributions=False,
        max_rows=settings.max_rows,
    )
    page, pages = questions.page_of(rows, asked.page, settings.page_size)
    return json_response(200, endpoints_body(page, pages, max_bytes=settings.max_bytes))


def _health(store: ReadableStore) -> Response:
    """The process answers; the store is not asked."""
    return json_response(200, ascii_json({"status": "ok"}))


def _ready(store: ReadableStore) -> Response:
    """The store answers: a question that no data can make expensive."""
    try:
        store.read(Selection((Span(Width.DAY, 0, 1),), kind=Kind.KEY, consumer_id="", distributions=False))
    except Exception as problem:  # as above
        _log.warning("not ready: %s", one_line(problem))
        return error_response(503, "Not ready", (("Retry-After", "1"),))
    return json_response(200, ascii_json({"status": "ok"}))


def _openapi(store: ReadableStore) -> Response:
    names = {prefix: name for prefix, (name, _) in CONSUMERS.items()}
    return json_response(200, ascii_json(openapi_document(names, OPEN_ROUTES)))


OPEN_ROUTES: dict[str, Callable[[ReadableStore], Response]] = {
    "/health": _health,
    "/ready": _ready,
    "/openapi.json": _openapi,
}
"""What is answered without a token: nothing that has data in it."""


def _without_last_day(first: date, last: date) -> tuple[date, date]:
    # No day comes before 0001-01-01, and a range that ends with it excluded is empty anyway.
    return (first, last - timedelta(days=1)) if last > date.min else (date.max, date.min)

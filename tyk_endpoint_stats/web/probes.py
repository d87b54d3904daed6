"""What is answered without a token: nothing that has data in it."""

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.web.messages import Response, json_response
from tyk_endpoint_stats.web.route import Authentication, Call, Json, Route
from tyk_endpoint_stats.web.tyk_json import ascii_json

__all__ = ["PROBES", "NotReady", "open_operation"]


class NotReady(Exception):
    """The store does not answer; the cause says why."""


def open_operation(name: str) -> Json:
    """What the document says of a route without a token."""
    described = {"description": "It is so.", "content": {"application/json": {"schema": {"type": "object"}}}}
    error = {"$ref": "#/components/schemas/Error"}
    return {
        "operationId": name,
        "responses": {
            "200": described,
            "503": {"description": "Not now.", "content": {"application/json": {"schema": error}}},
        },
    }


def _health(call: Call) -> Response:
    """The process answers; the store is not asked."""
    return json_response(200, ascii_json({"status": "ok"}))


def _ready(call: Call) -> Response:
    """The store answers: a question that no data can make expensive."""
    try:
        call.store.read(Selection((Span(Width.DAY, 0, 1),), kind=Kind.KEY, consumer_id="", distributions=False))
    except Exception as problem:  # whatever a store or its driver raises
        raise NotReady from problem
    return json_response(200, ascii_json({"status": "ok"}))


PROBES = tuple(
    Route(path=f"/{name}", answer=answer, operation=open_operation(name), authentication=Authentication.OPEN)
    for name, answer in (("health", _health), ("ready", _ready))
)

"""What whoever runs the server asks about the process, not about the store: ``/ready`` and ``/metrics``."""

import logging
from collections.abc import Callable

from msgspec import Struct

from tyk_endpoint_stats.web.messages import Request, Response, error_response, make_response
from tyk_endpoint_stats.web.metrics import CONTENT_TYPE, Metrics
from tyk_endpoint_stats.web.targets import path_and_query
from tyk_endpoint_stats.web.tokens import Tokens

__all__ = ["METRICS_PATH", "Operations", "respond_about_process"]

METRICS_PATH = "/metrics"
READY_PATH = "/ready"

_log = logging.getLogger(__name__)


class Operations(Struct, frozen=True, kw_only=True):
    """What the server says of its process.

    Attributes:
        unready: gives a reason for ``/ready`` to say no, although the store answers; for anybody's eyes, as that
            route needs no token. ``None`` from it: there is none.
        metrics: what ``/metrics`` shows. ``None``: there is no such route.
        metrics_need_token: whether ``/metrics`` takes a token, one that sees every organisation: whoever sees one
            alone may not learn how much the others do.
    """

    unready: Callable[[], str | None] = lambda: None
    metrics: Metrics | None = None
    metrics_need_token: bool = True


def respond_about_process(request: Request, tokens: Tokens, operations: Operations) -> Response | None:
    """The answer to a question about the process; ``None``: the routes have to say.

    The store is never asked.
    """
    if request.method not in ("GET", "HEAD"):
        return None
    path = path_and_query(request.target)[0]
    response = None
    if path == READY_PATH and (reason := operations.unready()):
        _log.warning("not ready: %s", reason)
        response = error_response(503, f"Not ready: {reason}", (("Retry-After", "1"),))
    elif path == METRICS_PATH and operations.metrics is not None:
        if operations.metrics_need_token:
            access = tokens.find(request.headers.get("authorization"))
            if access is None or access.org_id is not None:
                return None  # 401, or 404: to whoever may not see it there is no such route
        response = make_response(200, CONTENT_TYPE, operations.metrics.text())
    return response.without_body() if response is not None and request.method == "HEAD" else response

"""Errors as RFC 9457 has them: what ``/v1`` answers where something is wrong."""

from http import HTTPStatus
from typing import Any

from tyk_endpoint_stats.web.messages import Headers, Response, make_response
from tyk_endpoint_stats.web.tyk_json import ascii_json

__all__ = ["PROBLEM", "problem_response"]

PROBLEM = "application/problem+json"


def problem_response(status: int, message: str, extra: Headers = (), *, parameter: str | None = None) -> Response:
    """An error: what happened, in words, and the name of the query parameter that is wrong, where it is one."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
    }
    if parameter is not None:
        problem["parameter"] = parameter
    return make_response(status, PROBLEM, ascii_json(problem), extra)

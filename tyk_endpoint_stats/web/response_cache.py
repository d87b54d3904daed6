"""Answers that are sent again as long as the store stays as it is: people ask the same again and again."""

from collections.abc import Callable

from tyk_endpoint_stats.stores.contract import ReadableStore, Versioned
from tyk_endpoint_stats.web.cache import Cache
from tyk_endpoint_stats.web.messages import Request, Response, json_response
from tyk_endpoint_stats.web.routes import OPEN_ROUTES
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.targets import path_and_query

__all__ = ["MAX_BYTES", "ResponseCache"]

MAX_BYTES = 16 * 2**20
"""Of all answers that are kept."""

_OVERHEAD_BYTES = 1_000  # of one, with its target, which is 8,192 characters at most


class ResponseCache:
    """Answers by what was asked, and by the organisation that the token may see. Thread-safe.

    The version is asked for before the question, so that an answer may be newer than the version it is kept for,
    which the next question finds out, but never older.

    Args:
        store: one that is not ``Versioned`` is asked each time.
        settings: of the routes.
    """

    def __init__(self, store: ReadableStore, settings: Settings) -> None:
        self._store = store
        self._tokens = settings.tokens
        self._kept: Cache[tuple[str | None, str], bytes] = Cache(MAX_BYTES)

    def respond(
        self,
        request: Request,
        *,
        ask: Callable[[Request], Response],
        give: Callable[[Response], Response] = lambda kept: kept,
    ) -> Response:
        """The answer that was kept, by way of ``give``, or that of ``ask``.

        What is no answer to a question is never kept.
        """
        key = self._key(request)
        version = None if key is None else self._version()
        if key is None or version is None:
            return ask(request)
        body = self._kept.find(version, key)
        if body is not None:
            return give(json_response(200, body))
        response = ask(request)
        if response.status == 200:
            size = len(response.body) + len(request.target) + _OVERHEAD_BYTES
            self._kept.keep(version, key, response.body, size)
        return response

    def _key(self, request: Request) -> tuple[str | None, str] | None:
        if request.method != "GET" or path_and_query(request.target)[0] in OPEN_ROUTES:
            return None
        access = self._tokens.find(request.headers.get("authorization"))
        return None if access is None else (access.org_id, request.target)

    def _version(self) -> str | None:
        try:
            return self._store.version() if isinstance(self._store, Versioned) else None
        except Exception:  # whatever is wrong with the store, the question will meet it too, and say so
            return None

"""Answers that are sent again as long as the store stays as it is: people ask the same again and again."""

from collections.abc import Callable

from tyk_endpoint_stats.core.instants import QUARTER_HOUR_US, from_datetime
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.stores.contract import Versioned
from tyk_endpoint_stats.web.cache import Cache
from tyk_endpoint_stats.web.messages import Request, Response
from tyk_endpoint_stats.web.representations import accepted_format, accepts_gzip, conditional
from tyk_endpoint_stats.web.route import Authentication
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.table import OPEN_PATHS, find_route
from tyk_endpoint_stats.web.targets import path_and_query

__all__ = ["MAX_BYTES", "ResponseCache"]

MAX_BYTES = 16 * 2**20
"""Of all answers that are kept."""

_OVERHEAD_BYTES = 1_500  # of one, with its headers and its target, which is 8,192 characters at most

Key = tuple[str | None, str, str, bool, int]


class ResponseCache:
    """Answers by what was asked, in which form, and by the organisation that the token may see. Thread-safe.

    The version is asked for before the question, so that an answer may be newer than the version it is kept for,
    which the next question finds out, but never older. Kept is what is behind a token alone.

    Args:
        store: one that is not ``Versioned`` is asked each time.
        settings: of the routes.
    """

    def __init__(self, store: ReadableStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._kept: Cache[Key, Response] = Cache(MAX_BYTES)

    def respond(
        self,
        request: Request,
        *,
        ask: Callable[[Request], Response],
        give: Callable[[Response], Response] = lambda kept: kept,
    ) -> Response:
        """The answer that was kept, by way of ``give``, or that of ``ask``.

        What is no answer to a question is never kept. A client that has what was kept is told so.
        """
        key = self._key(request)
        version = None if key is None else self._version()
        if key is None or version is None:
            return ask(request)
        kept = self._kept.find(version, key)
        if kept is not None:
            return give(conditional(request, kept))
        response = ask(request)
        if response.status == 200 and _is_question(request):
            size = len(response.body) + len(request.target) + _OVERHEAD_BYTES
            self._kept.keep(version, key, response, size)
        return response

    def _key(self, request: Request) -> Key | None:
        if request.method != "GET" or path_and_query(request.target)[0] in OPEN_PATHS:
            return None
        access = self._settings.tokens.find(request.headers.get("authorization"))
        if access is None:
            return None
        # Without dates an answer is of today, and days begin on quarter hours, in every zone.
        quarter_hour = from_datetime(self._settings.now()) // QUARTER_HOUR_US
        return access.org_id, request.target, accepted_format(request), accepts_gzip(request), quarter_hour

    def _version(self) -> str | None:
        try:
            return self._store.version() if isinstance(self._store, Versioned) else None
        except Exception:  # whatever is wrong with the store, the question will meet it too, and say so
            return None


def _is_question(request: Request) -> bool:
    """Whether the answer is the same for everybody who may see the organisation."""
    found = find_route(path_and_query(request.target)[0])
    return found is not None and found[0].authentication is Authentication.TOKEN

"""The pages over HTTP: who may see them, which one it is, and what goes over the wire. Everything below ``/ui``."""

import logging
import secrets
from collections.abc import Callable
from urllib.parse import parse_qs, quote

from tyk_endpoint_stats.errors import AnswerTooLarge, InvalidQuestion, StoreBusy
from tyk_endpoint_stats.markup.tables import Cell
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.views.page import Page
from tyk_endpoint_stats.web.log_lines import one_line
from tyk_endpoint_stats.web.messages import Request, Response, error_response
from tyk_endpoint_stats.web.page_files import (
    html_response,
    page_response,
    page_tag,
    plain_response,
    redirect,
    rows_response,
    static_response,
)
from tyk_endpoint_stats.web.page_find import about_page, find_page
from tyk_endpoint_stats.web.page_query import page_query
from tyk_endpoint_stats.web.page_reading import Asked
from tyk_endpoint_stats.web.page_views import (
    Answer,
    consumer_page,
    consumers_page,
    endpoint_page,
    endpoints_page,
    overview_page,
)
from tyk_endpoint_stats.web.representations import is_current, not_modified
from tyk_endpoint_stats.web.sessions import (
    MAX_FORM_BYTES,
    cookie_of,
    ended_cookie,
    form_of,
    is_same_site,
    session_access,
    session_cookie,
    wanted_next,
)
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.targets import path_and_query
from tyk_endpoint_stats.web.tokens import Access
from tyk_endpoint_stats.web.ui_routes import FILE_ENDINGS

__all__ = ["PAGES", "respond_page", "respond_root"]

_log = logging.getLogger(__name__)

PAGES: dict[str, Callable[[Asked], Answer | str]] = {
    "overview": overview_page,
    "consumers": consumers_page,
    "consumer": consumer_page,
    "endpoints": endpoints_page,
    "endpoint": endpoint_page,
    "find": lambda asked: _alone(find_page(asked)),
    "about": lambda asked: Answer(about_page(asked)),
}
"""By name. A text is the address of another page."""

_AGAIN_S = 3
_POSTED = ("login", "logout")


def _alone(found: Page | str) -> Answer | str:
    return found if isinstance(found, str) else Answer(found)


def respond_page(request: Request, store: ReadableStore, settings: Settings, access: Access | None) -> Response:
    """The answer to a request at or below ``/ui``.

    Args:
        request: a GET, or a POST of one of the two forms.
        store: what is asked.
        settings: tokens, zone, clock.
        access: what the header's token grants; ``None``: there was none, and the cookie is looked at.
    """
    path, query = path_and_query(request.target)
    name = path.removeprefix("/ui/")
    if not settings.ui:
        return _no_pages(access)
    if path == "/ui":
        return redirect(f"ui/?{query}" if query else "ui/")
    if request.method == "POST":
        return _posted(name, request, settings)
    if name.startswith("static/"):
        return static_response(name.removeprefix("static/"))
    if name == "login":
        return _login(query, settings)
    now = settings.now()
    access = access or session_access(settings.tokens, cookie_of(request), now.timestamp())
    if access is None:
        return redirect(_login_address(name, query))
    asked = Asked(store, settings, access.org_id, page_query(query, settings.zone, now))
    return _page(asked, name, request)


def respond_root(request: Request, settings: Settings, access: Access | None) -> Response:
    """What stands at ``/``: for a browser the way to the pages, for others nothing."""
    if settings.ui and "text/html" in request.headers.get("accept", ""):
        return redirect("ui/")
    return _no_pages(access)


def _no_pages(access: Access | None) -> Response:
    if access is None:
        return error_response(401, "Not authorised", (("WWW-Authenticate", "Bearer"),))
    return error_response(404, "Not found")


def _login_address(name: str, query: str) -> str:
    wanted = f"/ui/{name}" + (f"?{query}" if query else "")
    return f"login?next={quote(wanted, safe='')}" if wanted != "/ui/" else "login"


def _page(asked: Asked, name: str, request: Request) -> Response:
    name, _, ending = (name or "overview").partition(".")
    made = PAGES.get(name)
    if made is None or (ending and ending not in FILE_ENDINGS):
        return _problem(asked, 404, "No such page", ["What was here may have another name now."])
    try:
        tag = page_tag(request, asked)
        if tag is not None and is_current(request, tag):
            return not_modified(tag)
        answer = made(asked)
        if isinstance(answer, str):
            return redirect(answer)
        if answer.is_cut and ending in ("csv", "json"):
            raise AnswerTooLarge(f"{asked.settings.max_rows:,} rows")
        if ending:
            return rows_response(request, ending, name, asked.query, answer.page, answer.rows, tag)
        return page_response(request, asked.query, answer.page, tag)
    except AnswerTooLarge as problem:
        lines = [f"It has more than {problem.limit}, which is as much as this server gives.", "Ask for fewer days."]
        return _problem(asked, 400, "Too much for a page", lines)
    except InvalidQuestion as problem:
        return _problem(asked, 400, "That can't be asked", [str(problem)])
    except StoreBusy as problem:
        _log.warning("store is busy: %s", one_line(problem, request.target))
        lines = ["The store is busy. The page is asked for again in a moment."]
        return _problem(asked, 503, "Busy", lines, (("Retry-After", str(_AGAIN_S)),), refresh_s=_AGAIN_S)
    except Exception as problem:  # whatever a store or its driver raises, the reader learns nothing of it
        number = secrets.token_hex(4)
        _log.error("page failed (%s): %s", number, one_line(problem, request.target))
        return _problem(asked, 500, "It failed", [f"The server's log says why, under {number}."])


def _problem(
    asked: Asked,
    status: int,
    title: str,
    lines: list[str],
    extra: tuple[tuple[str, str], ...] = (),
    *,
    refresh_s: int = 0,
) -> Response:
    from tyk_endpoint_stats.markup.rendering import render

    links = [Cell("Overview", asked.query.link("./"))]
    body = render("problem.html", title=title, lines=lines, links=links, refresh_s=refresh_s)
    return html_response(status, body, extra)


def _login(query: str, settings: Settings) -> Response:
    given = {name: values[-1] for name, values in parse_qs(query, max_num_fields=8).items()}
    if "once" in given:
        key = settings.sign_in.redeem(given["once"])
        if key is None or all(key != known for known, _ in settings.tokens.entries):
            return redirect("login?failed=2")
        return _signed_in(settings, key, given.get("next"))
    messages = {
        "1": "This is no valid token.",
        "2": "This link was used already, or is older than ten minutes. Sign in with the token.",
    }
    return _login_form(200, messages.get(given.get("failed", ""), ""), given.get("next", ""))


def _login_form(status: int, message: str, following: str) -> Response:
    from tyk_endpoint_stats.markup.rendering import render

    shown = f"/ui/{wanted_next(following)}"
    return html_response(status, render("login.html", title="Sign in", message=message, next=shown))


def _posted(name: str, request: Request, settings: Settings) -> Response:
    if name not in _POSTED:
        return plain_response(405, "Method not allowed", (("Allow", "GET, HEAD"),))
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_FORM_BYTES:
        return plain_response(413, "This form is too large")
    if not is_same_site(request):
        return plain_response(403, "This form was posted from another site")
    if name == "logout":
        # What a browser keeps it shows again to whoever sits there next and goes back.
        forget = ("Clear-Site-Data", '"cache"')
        return redirect("login", (("Set-Cookie", ended_cookie(secure=settings.is_https)), forget))
    if settings.sign_in.is_blocked:
        message = "Too many tried in vain. Wait a minute."
        response = _login_form(429, message, "")
        return Response(429, (*response.headers, ("Retry-After", "60")), response.body)
    fields = form_of(request)
    if fields is None:
        return plain_response(400, "This is not the form that was sent")
    key = settings.tokens.digest_of(fields.get("token", ""))
    following = fields.get("next", "")
    if key is None:
        settings.sign_in.failed()
        _log.warning("wrong token in the form")
        return redirect(f"login?failed=1&next={quote(f'/ui/{wanted_next(following)}', safe='')}")
    return _signed_in(settings, key, following)


def _signed_in(settings: Settings, key: bytes, following: str | None) -> Response:
    cookie = session_cookie(key, settings.now().timestamp(), secure=settings.is_https)
    return redirect(wanted_next(following) or "./", (("Set-Cookie", cookie),))

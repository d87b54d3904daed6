"""Pages over the wire, and the same as one file of HTML, as CSV and as JSON."""

import re
from base64 import b64encode
from hashlib import sha256
from io import StringIO
from typing import Any

from tyk_endpoint_stats.questions.times import rfc3339
from tyk_endpoint_stats.views.page import Page
from tyk_endpoint_stats.web.messages import JSON, Headers, Request, Response, make_response
from tyk_endpoint_stats.web.page_query import PageQuery
from tyk_endpoint_stats.web.page_reading import Asked
from tyk_endpoint_stats.web.representations import FORMATS, accepts_gzip, entity_tag, package_version, represented
from tyk_endpoint_stats.web.tyk_json import ascii_json

__all__ = [
    "PAGE_POLICY",
    "html_response",
    "offline_html",
    "page_response",
    "page_tag",
    "plain_response",
    "redirect",
    "rows_response",
    "static_response",
]

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""What a page may load and run: its own two files. Nothing inline, nothing from elsewhere."""

_HTML = "text/html; charset=utf-8"
_PRIVATE = "private, no-store"
_HEADERS: Headers = (
    ("Content-Security-Policy", PAGE_POLICY),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_FOR_EVER = "public, max-age=31536000, immutable"
_NO_NAME = re.compile("[^A-Za-z0-9.-]+")


def html_response(status: int, body: bytes, extra: Headers = ()) -> Response:
    """HTML with the headers that every page has."""
    return make_response(status, _HTML, body, (*_HEADERS, *extra), cache_control=_PRIVATE)


def page_tag(request: Request, asked: Asked) -> str | None:
    """What stays the same as long as a page does, worked out before the store is asked; ``None``: it does not tell.

    It is of what the reader may see and of no session: whoever signs in with another token has other tags, and
    whoever is not signed in is never asked for one.

    Raises:
        StoreError: the store can't answer.
    """
    query, settings = asked.query, asked.settings
    made_by = (package_version(), settings.zone, settings.max_rows)
    when = (query.kept_text, query.today, query.quarter_hour)
    return entity_tag(asked.store, asked.org_id, request.target, accepts_gzip(request), when, made_by)


def page_response(request: Request, query: PageQuery, page: Page, tag: str | None) -> Response:
    """A page, packed where the browser takes that."""
    from tyk_endpoint_stats.markup.rendering import render

    body = render(
        "page.html",
        page=page,
        title=page.title,
        section=page.section,
        nav_query="?" + query.link("").lstrip("?"),
        found_q=query.given.get("q", "") if page.title.startswith("Find “") else "",
        offline=False,
    )
    return represented(request, _HTML, body, tag, _HEADERS)


def offline_html(page: Page) -> bytes:
    """A page as one file that opens from a disk: its style inside of it, no script, no links."""
    from tyk_endpoint_stats.markup.rendering import asset, render

    style = asset("ui.css").body.decode()
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return render(
        "page.html",
        page=page,
        title=page.title,
        offline=True,
        style=style,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'",
    )


def rows_response(
    request: Request, ending: str, name: str, query: PageQuery, page: Page, rows: Any, tag: str | None
) -> Response:
    """The rows of a page's table, all of them, as ``csv`` or ``json``; or the page as one file of ``html``."""
    period = query.period
    file = f"{_NO_NAME.sub('-', name)}-{period.first_day}-{period.last_day}.{ending}"
    saved: Headers = (("Content-Disposition", f'attachment; filename="{file}"'), *_HEADERS)
    if ending == "html":
        return represented(request, _HTML, offline_html(page), tag, saved)
    if ending == "csv":
        text = StringIO()
        if rows is not None:
            rows.to_csv(text)
        return represented(request, FORMATS["csv"], text.getvalue().encode(), tag, saved)
    before = query.compared.period if query.compared is not None else None
    asked = {
        "from": rfc3339(period.local(period.start)),
        "to": rfc3339(period.local(period.end)),
        "before": before and {"from": rfc3339(period.local(before.start)), "to": rfc3339(period.local(before.end))},
    }
    body = ascii_json({"data": rows.to_dicts() if rows is not None else [], "asked": asked})
    return represented(request, JSON, body, tag, _HEADERS)


def static_response(name: str) -> Response:
    """A file that pages use; it may be kept for ever, because its name has its hash."""
    from tyk_endpoint_stats.markup.rendering import asset_named

    found = asset_named(name)
    if found is None:
        return plain_response(404, "Not found")
    return make_response(200, found.type, found.body, _HEADERS, cache_control=_FOR_EVER)


def redirect(address: str, extra: Headers = ()) -> Response:
    """``303 See Other``; the address is relative to the one that was asked for."""
    return make_response(303, "text/plain; charset=utf-8", b"", (("Location", address), *_HEADERS, *extra))


def plain_response(status: int, text: str, extra: Headers = ()) -> Response:
    """A line of text."""
    return make_response(status, "text/plain; charset=utf-8", f"{text}\n".encode(), (*_HEADERS, *extra))

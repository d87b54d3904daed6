"""Signing in with a browser: a signed cookie that holds no token, one-time links, and where to go next.

The server keeps no sessions. A cookie is ``1.KID.EXPIRY.MAC``, signed with the digest of the token it is for: it
works in every worker and after a restart, carries that token's organisation, and ends when the token is taken from
the list. Signing out deletes it in that browser; to end it everywhere, change the token.
"""

import re
from hmac import compare_digest, digest
from urllib.parse import parse_qs

from tyk_endpoint_stats.web.messages import Request
from tyk_endpoint_stats.web.tokens import Access, Tokens

__all__ = [
    "COOKIE",
    "FORM_PATHS",
    "MAX_FORM_BYTES",
    "SESSION_S",
    "cookie_of",
    "ended_cookie",
    "form_of",
    "is_same_site",
    "session_access",
    "session_cookie",
    "wanted_next",
]

COOKIE = "tyk_endpoint_stats"
SESSION_S = 12 * 3600
FORM_PATHS = frozenset({"/ui/login", "/ui/logout"})
"""What is posted to; nothing else that a server gets has a body."""

MAX_FORM_BYTES = 4_096

_NAME = b"tyk-endpoint-stats ui session 1 "
_COOKIE = re.compile(r"1\.([0-9a-f]{18})\.([0-9]{1,12})\.([0-9a-f]{64})")
_NEXT = re.compile(r"/ui/[!-\[\]-~]*")  # printable ASCII without a backslash


def session_cookie(key: bytes, now_s: float, *, secure: bool) -> str:
    """The ``Set-Cookie`` of whoever showed a valid token.

    It has no ``Path``: a browser takes the folder of the page that set it, ``/ui`` below whatever prefix the
    application is mounted at. ``Lax`` and not ``Strict``: a link in a chat must find its reader signed in.

    Args:
        key: the token's digest.
        now_s: seconds since 1970.
        secure: whether it may be sent over HTTPS alone.
    """
    expiry = int(now_s) + SESSION_S
    value = f"1.{_kid(key)}.{expiry}.{_mac(key, expiry)}"
    return f"{COOKIE}={value}; Max-Age={SESSION_S}; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")


def ended_cookie(*, secure: bool) -> str:
    """The ``Set-Cookie`` that signs out."""
    return f"{COOKIE}=; Max-Age=0; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")


def session_access(tokens: Tokens, value: str | None, now_s: float) -> Access | None:
    """What a cookie's value grants; ``None``: nothing."""
    found = _COOKIE.fullmatch(value or "")
    if found is None or int(found[2]) <= now_s or int(found[2]) > now_s + 2 * SESSION_S:
        return None
    granted = None
    for key, access in tokens.entries:
        same_token = compare_digest(_kid(key), found[1])
        if same_token and compare_digest(_mac(key, int(found[2])), found[3]):
            granted = access
    return granted


def cookie_of(request: Request) -> str | None:
    """The value of our cookie; ``None``: it is not there."""
    # Two Cookie headers are joined by commas; ours has none in it.
    for pair in re.split("[;,]", request.headers.get("cookie", "")):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return None


def form_of(request: Request) -> dict[str, str] | None:
    """The fields of a posted form, the last of each name; ``None``: it is none, or too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or len(request.body) > MAX_FORM_BYTES:
        return None
    try:
        fields = parse_qs(request.body.decode(), keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return None
    return {name: values[-1] for name, values in fields.items()}


def is_same_site(request: Request) -> bool:
    """Whether a form was posted from a page of this server, or by hand, and not by somebody else's page."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return True  # no browser: without a cookie there is nothing that another page could make use of
    return origin.partition("://")[2].lower() == request.headers.get("host", "").lower()


def wanted_next(value: str | None) -> str:
    """Where to go after signing in: what stands behind ``/ui/``, and nothing that leads anywhere else."""
    if not value or not _NEXT.fullmatch(value) or "//" in value:
        return ""
    return value.removeprefix("/ui/")


def _kid(key: bytes) -> str:
    return digest(key, _NAME + b"kid", "sha256").hex()[:18]


def _mac(key: bytes, expiry: int) -> str:
    return digest(key, _NAME + str(expiry).encode(), "sha256").hex()

"""How the routes answer, whatever carries them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from msgspec import Struct, field

from tyk_endpoint_stats.web.sign_in import SignIn
from tyk_endpoint_stats.web.tokens import Tokens

__all__ = ["Settings"]

_PUBLIC_URL = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*[^/?#\s])?", re.ASCII)


class Settings(Struct, frozen=True, kw_only=True):
    """How the routes answer.

    Attributes:
        tokens: who may ask, and about which organisation.
        zone: the reporting time zone: whose days are asked for, and in which ``last_hit`` is written.
        page_size: rows on a page where ``?p=`` asks for one.
        end_date_exclusive: the older Dashboard's reading: the last day is not part of the range.
        max_rows: an answer with more rows in it is refused; a page of them is given, however many there are in all.
            So is one with so many bytes in it as if paths were several times as long as usual. ``None``: there is
            no bound.
        public_url: under which clients reach the server, where that is not where it listens: ``https://stats.example``,
            with a prefix or without. No slash at the end. ``None``: where it listens.
        ui: whether there are pages below ``/ui``.
        sign_in: what signing in with a browser must remember.
        now: the clock: what `today` and the last 30 days are.

    Raises:
        ValueError: ``page_size`` or ``max_rows`` is below 1, or ``public_url`` is none.
    """

    tokens: Tokens
    zone: tzinfo = UTC
    page_size: int = 10
    end_date_exclusive: bool = False
    max_rows: int | None = 10_000
    public_url: str | None = None
    ui: bool = True
    sign_in: SignIn = field(default_factory=SignIn)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the server by HTTPS alone."""
        return self.public_url is not None and self.public_url.startswith("https://")

    @property
    def max_bytes(self) -> int | None:
        """How long a body may be. A usual row has some 400 bytes, one with the longest path over 12,000."""
        return None if self.max_rows is None else 65_536 + 1_600 * self.max_rows

    def __post_init__(self) -> None:
        if self.page_size < 1:
            raise ValueError(f"page_size must be 1 or more, not {self.page_size}")
        if self.max_rows is not None and self.max_rows < 1:
            raise ValueError(f"max_rows must be 1 or more, not {self.max_rows}")
        if self.public_url is not None and not _PUBLIC_URL.fullmatch(self.public_url):
            raise ValueError(
                "public_url must be http:// or https://, a host, and a path at most, without a slash at the end"
            )

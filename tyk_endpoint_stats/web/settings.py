"""How the routes answer, whatever carries them."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from msgspec import Struct

from tyk_endpoint_stats.web.tokens import Tokens

__all__ = ["Settings"]


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
        now: the clock: what `today` and the last 30 days are.

    Raises:
        ValueError: ``page_size`` or ``max_rows`` is below 1.
    """

    tokens: Tokens
    zone: tzinfo = UTC
    page_size: int = 10
    end_date_exclusive: bool = False
    max_rows: int | None = 10_000
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def max_bytes(self) -> int | None:
        """How long a body may be. A usual row has some 400 bytes, one with the longest path over 12,000."""
        return None if self.max_rows is None else 65_536 + 1_600 * self.max_rows

    def __post_init__(self) -> None:
        if self.page_size < 1:
            raise ValueError(f"page_size must be 1 or more, not {self.page_size}")
        if self.max_rows is not None and self.max_rows < 1:
            raise ValueError(f"max_rows must be 1 or more, not {self.max_rows}")

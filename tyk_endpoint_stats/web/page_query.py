"""What the address of a page asks for, and the addresses of other pages. All relative, all with the period.

Ids and paths stand in the query and never in the path: ids with slashes exist, and proxies rewrite ``%2F`` there.
"""

import re
from datetime import date, datetime, tzinfo
from functools import cached_property
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode

from msgspec import Struct

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.core.instants import QUARTER_HOUR_US, from_datetime
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.views.periods import Compared, compare_period, period_query, read_period

__all__ = ["PageQuery", "consumer_ref", "is_credential", "page_query", "shown_id"]

_MAX_FIELDS = 40
_HASH = re.compile("[0-9a-fA-F]{8}|[0-9a-fA-F]{16}|[0-9a-fA-F]{32}|[0-9a-fA-F]{64}")
_LONGEST_SHOWN = 16


class PageQuery(Struct, frozen=True, dict=True):
    """A page's parameters, read.

    Attributes:
        given: as they came, the first of each name.
        period: what the page is about.
        compared: what that is compared with; ``None``: nothing.
        now: when it was asked, aware.
    """

    given: dict[str, str]
    period: Period
    compared: Compared | None
    now: datetime

    @property
    def today(self) -> date:
        """Today, in the zone of the page."""
        return self.now.astimezone(self.period.zone).date()

    @property
    def quarter_hour(self) -> int:
        """The number of the quarter hour that it was asked in. Within one, and one day, a page stays as it is."""
        return -(-from_datetime(self.now) // QUARTER_HOUR_US) - 1

    def link(self, page: str, **parameters: str | None) -> str:
        """The address of another page about the same period; parameters that are ``None`` are left out."""
        some = {name: value for name, value in parameters.items() if value is not None}
        return (
            f"{page}?{urlencode(some, errors='replace')}&{self.kept_text}" if some else f"{page}?{self.kept_text}"
        )

    def at(self, page: str, period: Period) -> str:
        """The address of this page about another period."""
        moved = urlencode({**self.kept, **period_query(period)}, errors="replace")
        return f"{page}?{self._other_text}{moved}"

    def again(self, page: str, **changed: str | None) -> str:
        """The address of this page with some parameters changed."""
        every = {**self._other, **self.kept, **changed}
        some = {name: value for name, value in every.items() if value is not None}
        return f"{page}?{urlencode(some, errors='replace')}"

    def hidden(self, *but: str) -> list[tuple[str, str]]:
        """Parameters that a form must hand on, but for those that it has fields for."""
        return [(name, value) for name, value in {**self._other, **self.kept}.items() if name not in but]

    @cached_property
    def kept(self) -> dict[str, str]:
        """What links to other pages keep: the period for ever, the zone, and the comparison."""
        compare = self.given.get("compare", "")
        return {**period_query(self.period), **({"compare": compare} if compare else {})}

    @cached_property
    def kept_text(self) -> str:
        """The same as a query."""
        return urlencode(self.kept, errors="replace")

    @cached_property
    def _other_text(self) -> str:
        return urlencode(self._other, errors="replace") + ("&" if self._other else "")

    @property
    def _other(self) -> dict[str, str]:
        return {name: value for name, value in self.given.items() if name in _HANDED_ON}


_HANDED_ON = ("kind", "id", "ref", "api_id", "path", "q", "status", "sort", "limit", "gone")


def page_query(query: str, zone: tzinfo, now: datetime) -> PageQuery:
    """Read a raw query. What means nothing here is passed over: old links live.

    Args:
        query: as it came.
        zone: the server's, where the address names none.
        now: an aware time.
    """
    given: dict[str, str] = {}
    try:
        for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="replace"):
            given.setdefault(name, value)
    except ValueError:
        pass
    period = read_period(given, zone, now)
    return PageQuery(given, period, compare_period(period, given.get("compare", ""), now), now)


def is_credential(consumer: Consumer) -> bool:
    """Whether an id looks like a key itself: where a gateway does not hash keys, it is one.

    Hashes are 8, 16, 32 or 64 hexadecimal digits. Shorter ids than a key of Tyk's are names.
    """
    return consumer.kind is Kind.KEY and len(consumer.id) > _LONGEST_SHOWN and not _HASH.fullmatch(consumer.id)


def shown_id(consumer: Consumer) -> str:
    """An id as a page shows it: of what looks like a key only the beginning."""
    return f"{consumer.id[:6]}…" if is_credential(consumer) else consumer.id


def consumer_ref(consumer: Consumer) -> str:
    """What an address holds in place of an id that looks like a key: addresses get into histories and logs."""
    return sha256(f"{consumer.kind} {consumer.id}".encode("utf-8", "surrogatepass")).hexdigest()[:16]

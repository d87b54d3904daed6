"""Random traffic, and what any route has to answer of it: counted from the hits, without our code between."""

import json
import random
from collections import defaultdict
from copy import copy
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import structs

from tyk_endpoint_stats import Record, open_store
from tyk_endpoint_stats.core.batch import EVERYONE
from tyk_endpoint_stats.core.record import Latency
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.testing import batch_of, hit, plain_hits
from tyk_endpoint_stats.testing.generators import FIRST_DAY
from tyk_endpoint_stats.testing.plain import Hit, plain_state
from tyk_endpoint_stats.web.messages import Request
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Token, Tokens

ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns")
DAYS = 40
FIRST, LAST = date(2020, 10, 15), date(2020, 11, 12)
TOKEN, BOUND = "of-all-0123456789", "of-one-0123456789"
_LATENCIES = [0, 3, 17, 54, 300, 4_000]
NOW = datetime(2020, 11, 20, 12, tzinfo=UTC)
NOTHING = {
    **dict.fromkeys(("hits", "success", "error"), 0),
    "error_rate": None,
    **dict.fromkeys(("c2xx", "c3xx", "c4xx", "c5xx"), 0),
    **dict.fromkeys(("first_hit", "last_hit", "request_time", "latency", "upstream_latency")),
    **dict.fromkeys(("min_latency", "max_latency", "min_upstream_latency", "max_upstream_latency")),
    **dict.fromkeys(("p50", "p95", "p99")),
    "codes": {},
}
"""What ``/v1`` says where there is no hit."""


def some_records(seed: int = 14, count: int = 350) -> list[Record]:
    """Of two organisations; with a key, with a client, with both and with none of them."""
    chosen = random.Random(seed)
    return [
        structs.replace(
            hit(
                FIRST_DAY + chosen.randrange(DAYS),
                chosen.randrange(86_400),
                code=chosen.choice([200, 200, 200, 201, 304, 404, 429, 500, 503]),
                latency_ms=chosen.choice(_LATENCIES),
                api_key=chosen.choice(["", "k1", "k2", "K3", "k/4"]),
                oauth_id=chosen.choice(["", "c1", "k1"]),
                latency=None if chosen.random() < 0.1 else Latency(chosen.choice(_LATENCIES), chosen.randrange(99)),
                alias=chosen.choice(["", "Ann", "Müller & Söhne"]),
                path=chosen.choice(["/get", "/GET", "/a b/ü", "/orders/{id}", "=1+1"]),
            ),
            api_id=(api := chosen.choice(["", "api-1", "api-2"])),
            api_name={"": "", "api-1": "One", "api-2": "Zwei"}[api],
            org_id=chosen.choice(["org-1", "org-1", "org-2"]),
        )
        for _ in range(count)
    ]


class Usage:
    """A store with the records in it, asked through ``respond``; and the same hits in a list.

    Args:
        store: an empty one, or its URL.
        zone: the server's.
        records: ``None``: ``some_records``.
        settings: the server's.
    """

    def __init__(
        self, store: Store | str, zone: str = "UTC", records: list[Record] | None = None, **settings: Any
    ) -> None:
        records = some_records() if records is None else records
        self.store = open_store(store) if isinstance(store, str) else store
        self.store.merge(batch_of(records))
        hits = plain_hits(records)
        self.hits = [one for one in hits if one.kind == EVERYONE]
        """Every request once."""
        self.of_consumers = [one for one in hits if one.kind != EVERYONE]
        """Each request once for every consumer that it has."""
        tokens = Tokens([TOKEN, Token(BOUND, "org-1")])
        self.settings = Settings(tokens=tokens, now=lambda: NOW, **settings)
        self._set_zone(zone)

    def in_zone(self, zone: str) -> "Usage":
        """The same store, served in another zone."""
        other = copy(self)
        other._set_zone(zone)
        return other

    def _set_zone(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.settings = structs.replace(self.settings, zone=self.zone)
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        self._local = {
            one.at_us: (epoch + timedelta(microseconds=one.at_us)).astimezone(self.zone) for one in self.hits
        }

    def response(self, target: str, token: str = TOKEN, **headers: str) -> Any:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return respond(Request("GET", target, {"authorization": token, **headers}), self.store, self.settings)

    def body(self, target: str, token: str = TOKEN) -> Any:
        response = self.response(target, token)
        assert response.status == 200, response.body
        return json.loads(response.body)

    def local(self, one: Hit) -> datetime:
        return self._local[one.at_us]

    def local_midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone)

    def later(self, moment: datetime, minutes: int = 60) -> datetime:
        """By the clock that does not jump."""
        return (moment.astimezone(UTC) + timedelta(minutes=minutes)).astimezone(self.zone)

    def stamp(self, text: str) -> float:
        return datetime.fromisoformat(text).timestamp()

    def within(
        self, first: date = FIRST, last: date = LAST, *, consumers: bool = False, **wanted: Any
    ) -> list[Hit]:
        """The hits of local days, both inclusive, whose members are as wanted."""
        consumers = consumers or "kind" in wanted or "consumer_id" in wanted
        return [
            one
            for one in (self.of_consumers if consumers else self.hits)
            if first <= self.local(one).date() <= last
            and all(getattr(one, name) == value for name, value in wanted.items())
        ]

    def name_of(self, api_id: str) -> str:
        return {"": "", "api-1": "One", "api-2": "Zwei"}[api_id]

    def alias_of(self, kind: str, consumer_id: str) -> str:
        """The newest alias over all time."""
        seen = [
            (one.at_us, one.alias)
            for one in self.of_consumers
            if (one.kind, one.consumer_id) == (kind, consumer_id)
        ]
        return max(((at, alias) for at, alias in seen if alias), default=(0, ""))[1]

    def v1_numbers(self, hits: list[Hit]) -> dict[str, Any]:
        """What ``/v1`` has to say of some hits: each member from its definition."""
        if not hits:
            return dict(NOTHING)
        codes: dict[str, int] = defaultdict(int)
        for one in sorted(hits, key=lambda one: one.code):
            codes[str(one.code)] += 1
        state = plain_state(hits)
        timed = [one for one in hits if one.latency_ms is not None]
        times = sorted(one.at_us for one in hits)
        return {
            "hits": len(hits),
            "success": sum(200 <= one.code < 300 for one in hits),
            "error": sum(one.code >= 400 for one in hits),
            "error_rate": sum(one.code >= 400 for one in hits) / len(hits),
            **{f"c{n}xx": sum(one.code // 100 == n for one in hits) for n in (2, 3, 4, 5)},
            "first_hit": self.text(times[0]),
            "last_hit": self.text(times[-1]),
            "request_time": _mean([one.request_time_ms for one in hits]),
            "latency": _mean([one.latency_ms for one in timed]),
            "upstream_latency": _mean([one.upstream_latency_ms for one in timed]),
            "min_latency": _minimum([(one.code, one.latency_ms) for one in timed]),
            "max_latency": max((one.latency_ms for one in timed), default=None),
            "min_upstream_latency": _minimum([(one.code, one.upstream_latency_ms) for one in timed]),
            "max_upstream_latency": max((one.upstream_latency_ms for one in timed), default=None),
            **{f"p{n}": _rounded(state.latency_percentile_ms(n)) for n in (50, 95, 99)},
            "codes": dict(codes),
        }

    def tyk_numbers(self, hits: list[Hit]) -> dict[str, Any]:
        """What Tyk's routes have to say of some hits."""
        numbers = self.v1_numbers(hits)
        order = ("request_time", "latency", "upstream_latency")
        order += ("max_upstream_latency", "min_upstream_latency", "max_latency", "min_latency")
        return {
            **{name: numbers[name] for name in ("hits", "success", "error")},
            "last_hit": numbers["last_hit"] or "0001-01-01T00:00:00Z",
            **{name: numbers[name] or 0 for name in order},
        }

    def text(self, at_us: int) -> str:
        """RFC 3339 as Go prints it."""
        text = self._local[at_us].isoformat()
        return text.replace("+00:00", "Z") if text.endswith("+00:00") else text


def grouped(hits: list[Hit], *names: str) -> dict[tuple[str, ...], list[Hit]]:
    """The hits by some of their members."""
    groups: dict[tuple[str, ...], list[Hit]] = defaultdict(list)
    for one in hits:
        groups[tuple(getattr(one, name) for name in names)].append(one)
    return groups


def _mean(values: list[Any]) -> int | float | None:
    if not values:
        return None
    return sum(values) // len(values) if sum(values) % len(values) == 0 else sum(values) / len(values)


def _minimum(pairs: list[tuple[int, Any]]) -> int | None:
    return min(
        (value for code, value in pairs if code < 400), default=min((value for _, value in pairs), default=None)
    )


def _rounded(value: float | None) -> int | float | None:
    if value is None:
        return None
    value = round(value, 1)
    return int(value) if float(value).is_integer() else value

"""The demo's requests, in nearly the order in which a gateway would have recorded them."""

from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from random import Random
from typing import BinaryIO

from msgspec import Struct, json

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.core.instants import day_bounds, find_zone, from_datetime, to_datetime
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.demo.catalogue import Caller, Catalogue, Route, make_catalogue
from tyk_endpoint_stats.demo.formats import FORMATS, json_line
from tyk_endpoint_stats.demo.hit import Hit
from tyk_endpoint_stats.demo.story import make_story
from tyk_endpoint_stats.errors import InvalidQuestion

__all__ = ["DEFAULT_UNTIL", "Traffic"]

DEFAULT_UNTIL = date(2026, 10, 31)
"""A fixed day, so that the same seed gives the same bytes on every day."""

_HOUR_NS = 3_600_000_000_000
_BY_HOUR = (2, 1, 1, 1, 1, 2, 4, 8, 13, 17, 18, 18, 16, 17, 18, 17, 15, 12, 9, 8, 7, 6, 4, 3)
_BY_WEEKDAY = (1.0, 1.05, 1.05, 1.0, 0.9, 0.4, 0.35)
_CODES = (200, 201, 204, 301, 304, 400, 401, 403, 404, 429, 500, 502, 503, 504)
_CODE_WEIGHTS = (770, 60, 30, 15, 25, 15, 16, 10, 30, 10, 9, 4, 4, 2)
_BY_THE_GATEWAY = frozenset({401, 403, 429, 504})
_BLOCK = 4096
_PIECES = 1_000
"""So many records are written at once: a megabyte or so."""


class Traffic(Struct, frozen=True, kw_only=True):
    """So many requests over so many days: the same parameters always give the same bytes.

    Attributes:
        records: how many.
        seed: another seed, other callers and other requests.
        days: how many days; a fraction is that much of the last one, and at least an hour.
        until: the last day, inclusive.
        end: the instant at which it ends, in place of the end of ``until``; aware.
        zone: in whose days and weeks people work; the records themselves are in UTC, as most gateways' are.
        full: every field that Tyk writes (1.4 kB a record); otherwise those that are read (0.4 kB).
        keys, clients, endpoints: how many there are of each.
        story: whether something happens in it (``demo.story``) that a reader can find; there are some records more
            then, which were sent twice.
    """

    records: int
    seed: int = 1
    days: float = 30
    until: date = DEFAULT_UNTIL
    end: datetime | None = None
    zone: str = "UTC"
    full: bool = True
    keys: int = 200
    clients: int = 20
    endpoints: int = 120
    story: bool = False

    def __post_init__(self) -> None:
        if self.records < 0 or self.days <= 0 or self.keys < 1 or self.clients < 0 or self.endpoints < 2:
            raise InvalidQuestion("demo traffic needs at least 0 records, a part of a day, 1 key and 2 endpoints")

    def lines(self) -> Iterator[bytes]:
        """JSON lines, as Tyk writes the record; each ends in a newline."""
        full = self.full
        return (json_line(hit, full) for hit in self.hits())

    def decoded(self) -> Iterator[Record]:
        """The same as records."""
        decode = json.Decoder(Record).decode
        return (decode(json_line(hit, False)) for hit in self.hits())

    def write(self, file: BinaryIO, form: str = "jsonl") -> None:
        """Write everything to a binary file in one of ``FORMATS``.

        Raises:
            InvalidQuestion: there is no such format.
        """
        if form not in FORMATS:
            raise InvalidQuestion(f"demo format {form!r} is not known; known: {', '.join(FORMATS)}")
        pieces = iter(FORMATS[form](self.hits(), self.full))
        while some := b"".join(islice(pieces, _PIECES)):
            file.write(some)

    def busiest(self, kind: Kind) -> Consumer:
        """A consumer of that kind that calls more than most.

        Raises:
            InvalidQuestion: there are no clients in this traffic.
        """
        callers = self._catalogue().callers
        if kind is Kind.KEY:
            return Consumer.key(callers[0].key)
        clients = [caller.client for caller in callers if caller.client]
        if not clients:
            raise InvalidQuestion("this traffic has no OAuth clients")
        return Consumer.oauth_client(clients[0])

    def grown(self) -> Consumer:
        """The consumer that a story is about: the partner that grows."""
        return Consumer.key(make_story(self._catalogue(), 0).partner.key)

    def _catalogue(self) -> Catalogue:
        return make_catalogue(self.seed, self.keys, self.clients, self.endpoints)

    def hits(self) -> Iterator[Hit]:
        """The requests, nearly in order of time: a few come late, a few come twice."""
        rng = Random(f"traffic {self.seed}")
        # What is sent twice counts, too; but a story is told to its end.
        left = self.records + self.records // 100 if self.story else self.records
        held: list[Hit] = []
        for hit in self._in_order(rng):
            draw = rng.random()
            if draw < 0.01:  # waits in a gateway's buffer
                held.append(hit)
                continue
            for late in held if draw > 0.9 else ():
                if left:
                    left -= 1
                    yield late
            if draw > 0.9:
                held.clear()
            for _ in range(2 if 0.010 <= draw < 0.011 else 1):  # sent again by a client that had no answer
                if left:
                    left -= 1
                    yield hit
            if not left:
                return
        for late in held[:left]:
            yield late

    def _in_order(self, rng: Random) -> Iterator[Hit]:
        catalogue = self._catalogue()
        story = make_story(catalogue, self._end_us() * 1000) if self.story else None
        speeds = [rng.lognormvariate(0, 0.6) for _ in range(_BLOCK)]
        for start_ns, length_ns, size in self._slices():
            moments = sorted(start_ns + int(rng.random() * length_ns) for _ in range(size))
            callers = rng.choices(catalogue.callers, cum_weights=catalogue.weights, k=size)
            codes = rng.choices(_CODES, _CODE_WEIGHTS, k=size)
            for moment, caller, code in zip(moments, callers, codes, strict=True):
                route = rng.choices(caller.routes, cum_weights=caller.weights)[0]
                speed = speeds[int(rng.random() * _BLOCK)]
                if story is not None:
                    teller = story.caller(moment, caller, rng.random())
                    if teller is not caller:
                        caller, route = teller, rng.choices(teller.routes, cum_weights=teller.weights)[0]
                    code, speed = story.result(moment, route, code, speed, rng)
                    route = story.route(moment, route, rng.random())
                yield _hit(moment, caller, route, code, speed, rng.random())

    def _slices(self) -> Iterator[tuple[int, int, int]]:
        """Slices of time, of an hour at most and with ``_BLOCK`` requests at most: start, length, requests."""
        for start_ns, count in self._hours():
            slices = -(-count // _BLOCK)
            for number in range(slices):
                first, end = number * _HOUR_NS // slices, (number + 1) * _HOUR_NS // slices
                yield start_ns + first, end - first, (number + 1) * count // slices - number * count // slices

    def _end_us(self) -> int:
        if self.end is not None:
            return from_datetime(self.end)
        return day_bounds(self.until, self.until, find_zone(self.zone))[1]

    def _hours(self) -> Iterator[tuple[int, int]]:
        """The first nanosecond of each hour, and how many requests fall into it."""
        zone = find_zone(self.zone)
        hours = max(1, round(self.days * 24))
        end_us = self._end_us()
        starts_us = [end_us - (hours - number) * _HOUR_NS // 1000 for number in range(hours)]
        weights = []
        for start_us in starts_us:
            local = to_datetime(start_us, zone)
            weights.append(_BY_HOUR[local.hour] * _BY_WEEKDAY[local.weekday()])
        total, so_far, given = sum(weights), 0.0, 0
        for start_us, weight in zip(starts_us, weights, strict=True):
            so_far += weight
            upto = min(self.records, round(self.records * so_far / total))
            yield start_us * 1000, upto - given
            given = upto


def _hit(at_ns: int, caller: Caller, route: Route, code: int, speed: float, draw: float) -> Hit:
    api = route.api
    upstream_ms = int(route.typical_ms * speed)
    total_ms = upstream_ms + 1 + int(draw * 4)
    key, client, alias = caller.key, caller.client, caller.alias
    org_id, path, graphql, mcp = api.org_id, route.path, False, False
    offset_minutes = 0
    if code in _BY_THE_GATEWAY:
        upstream_ms = 0
        total_ms = 0 if api.old_gateway else 1 + int(draw * 3)
        if code == 401:  # no key was known yet: the hash of the empty token
            key, client, alias = "00000000", "", ""
    if draw < 0.005:  # what a gateway records beside requests
        code, key, client, alias, path, total_ms, upstream_ms = -1, "00000000", "", "", "/", 0, 0
    elif draw < 0.015:
        graphql = True
    elif draw < 0.020:
        mcp = True
    elif draw < 0.023:
        org_id = ""
    elif draw < 0.028:
        offset_minutes = 330  # a gateway in India
    elif draw < 0.033:
        at_ns -= int((draw - 0.028) / 0.005 * 2 * _HOUR_NS)  # a gateway that had lost its Redis for a while
    elif not route.tracked and draw > 0.97:
        path += f"/{at_ns % 1000}"  # an id in a path that nobody declared
    return Hit(
        at_ns=at_ns,
        offset_minutes=offset_minutes,
        key=key,
        client=client,
        alias=alias,
        org_id=org_id,
        api=api,
        path=path,
        method=route.method,
        tracked=route.tracked,
        code=code,
        total_ms=total_ms,
        upstream_ms=upstream_ms,
        graphql=graphql,
        mcp=mcp,
    )

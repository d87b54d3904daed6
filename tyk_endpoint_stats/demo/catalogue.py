"""Who calls what in the demo: organisations, APIs, endpoints, keys, OAuth clients. All from the seed."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import accumulate
from random import Random

from msgspec import Struct

__all__ = ["Api", "Caller", "Catalogue", "Route", "make_catalogue"]

_APIS = ("Orders", "Customers", "Payments", "Search", "Inventory", "Reports", "Geocoding", "Webhooks")
_NOUNS = ("orders", "customers", "invoices", "items", "carts", "users", "refunds", "stock", "prices", "events")
_TAILS = ("", "/{id}", "/{id}/lines", "/search", "/{id}/history", "/export", "/count", "/{id}/notes")
_TEAMS = (
    "mobile app",
    "web shop",
    "warehouse",
    "partner Müller & Söhne",
    "billing",
    "data team",
    "日本 partner",
    "kiosk",
)


class Api(Struct, frozen=True):
    """One API. Old gateways record no latency at all for the errors they make themselves."""

    id: str
    name: str
    org_id: str
    old_gateway: bool


class Route(Struct, frozen=True):
    """One endpoint of an API, and what its upstream usually takes."""

    api: Api
    path: str
    method: str
    tracked: bool
    typical_ms: float


class Caller(Struct, frozen=True):
    """One API key, the OAuth client it belongs to if any, and what it calls, most often called first."""

    key: str
    client: str
    alias: str
    routes: Sequence[Route]
    weights: Sequence[float]


class Catalogue(Struct, frozen=True):
    """Everything that can occur, busiest caller first."""

    callers: Sequence[Caller]
    weights: Sequence[float]
    apis: Sequence[Api]


def make_catalogue(seed: int, keys: int, clients: int, endpoints: int) -> Catalogue:
    """The demo's world: Zipf's law over callers, and over the endpoints of each.

    Args:
        seed: the same seed makes the same world.
        keys: how many API keys.
        clients: how many OAuth clients; some keys belong to each.
        endpoints: how many endpoints there are; a caller uses those of its organisation.
    """
    rng = Random(f"catalogue {seed}")
    orgs = [_hex(seed, "org", 0, 24), _hex(seed, "org", 1, 24)]
    apis = [
        Api(_hex(seed, "api", number, 32), f"{name} API", orgs[number % 3 == 2], number % 4 == 3)
        for number, name in enumerate(_APIS[: max(2, min(len(_APIS), endpoints))])
    ]
    routes: list[list[Route]] = [[], []]
    for number in range(endpoints):
        api = apis[number % len(apis)]
        noun, tail = (
            _NOUNS[number // len(apis) % len(_NOUNS)],
            _TAILS[number // len(apis) // len(_NOUNS) % len(_TAILS)],
        )
        version = 1 + number // (len(apis) * len(_NOUNS) * len(_TAILS))
        tracked = "{id}" in tail
        method = rng.choice(("GET", "GET", "GET", "POST", "PUT"))
        route = Route(api, f"/v{version}/{noun}{tail}", method, tracked, rng.lognormvariate(3.6, 0.8))
        routes[orgs.index(api.org_id)].append(route)
    client_ids = [
        f"{_hex(seed, 'client', number, 12)}.apps.example.com"
        if number % 5 == 4
        else _hex(seed, "client", number, 32)
        for number in range(clients)
    ]
    callers = []
    for number in range(keys):
        # The second busiest key, and every third one behind it, was issued to an OAuth client.
        client = client_ids[number // 3 % clients] if clients and number % 3 == 1 else ""
        used = rng.sample(routes[0] or routes[1], len(routes[0] or routes[1]))
        if number % 4 == 3 and routes[1]:
            used = rng.sample(routes[1], len(routes[1]))
        callers.append(Caller(_key(seed, number), client, _alias(number), used, _zipf(len(used), 1.1)))
    return Catalogue(callers, _zipf(keys, 1.05), apis)


def _zipf(size: int, exponent: float) -> list[float]:
    return list(accumulate((rank + 1) ** -exponent for rank in range(size)))


def _hex(seed: int, what: str, number: int, digits: int) -> str:
    return sha256(f"{seed} {what} {number}".encode()).hexdigest()[:digits]


def _key(seed: int, number: int) -> str:
    """Mostly the 16 digits of murmur64; also the other hashes, and the raw keys of a gateway that does not hash."""
    match number % 20:
        case 13:
            return _hex(seed, "key", number, 8)
        case 15:
            return _hex(seed, "key", number, 64)
        case 17:
            return f"team-{number}.{_hex(seed, 'key', number, 6)}"
        case 18:
            return f"svc:{_hex(seed, 'key', number, 6)}/{number}"
        case 19:
            return f"clé d'accès {number}"
        case _:
            return _hex(seed, "key", number, 16)


def _alias(number: int) -> str:
    return "" if number % 7 == 6 else f"{_TEAMS[number % len(_TEAMS)]} {number}"

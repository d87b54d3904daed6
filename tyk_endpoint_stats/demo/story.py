"""What happens in the demo's traffic beside the usual: something for a reader to find.

A partner grows, one of its endpoints fails for 20 hours, another moves from one version to the next, and one
consumer goes quiet. All of it is told backwards from the end, so that the last month has it and the month before
has not.
"""

from collections.abc import Sequence
from random import Random

from msgspec import Struct, structs

from tyk_endpoint_stats.demo.catalogue import Caller, Catalogue, Route

__all__ = ["Story", "make_story"]

_DAY_NS = 86_400_000_000_000
_HOUR_NS = _DAY_NS // 24
_GROWTH_DAYS = 45
_GROWTH = 0.12
"""What the partner has in addition at the end, of all requests."""

_FAILING_HOURS = 20
_EPOCH_TUESDAY_NS = 5 * _DAY_NS + 8 * _HOUR_NS
"""1970-01-06, 08:00 UTC: the stretch begins at that time of a week, when people work."""

_FAILING_SHARE = 0.55
_FAILING_CODES = (500, 502, 503)
_SLOWER = 12.0

_MOVING_FROM_DAYS = 19
_MOVING_DAYS = 9

_QUIET_FROM_DAYS = 24


class Story(Struct, frozen=True):
    """Who and what it is about.

    Attributes:
        end_ns: where the traffic ends, in nanoseconds since 1970 UTC; everything is told from there.
        partner: the caller that grows.
        crowd: who has fewer requests instead, in proportion.
        failing: the endpoint that fails for 20 hours.
        failing_from_ns: since when: the last Tuesday morning whose 20 hours are over for half a day.
        moved: the endpoint that moves, and where it goes.
        quiet: the caller that stops.
    """

    end_ns: int
    partner: Caller
    crowd: Caller
    failing: Route
    failing_from_ns: int
    moved: tuple[Route, Route]
    quiet: Caller

    def caller(self, at_ns: int, caller: Caller, draw: float) -> Caller:
        """Who really calls at that time."""
        growth = 1 - (self.end_ns - at_ns) / (_GROWTH_DAYS * _DAY_NS)
        if draw < _GROWTH * max(0.0, growth):
            return self.partner
        if caller is self.quiet and at_ns > self.end_ns - _QUIET_FROM_DAYS * _DAY_NS:
            return self.crowd
        return caller

    def route(self, at_ns: int, route: Route, draw: float) -> Route:
        """What is really called at that time."""
        if route is not self.moved[0]:
            return route
        passed = at_ns - (self.end_ns - _MOVING_FROM_DAYS * _DAY_NS)
        return self.moved[1] if draw < passed / (_MOVING_DAYS * _DAY_NS) else route

    def result(self, at_ns: int, route: Route, code: int, speed: float, rng: Random) -> tuple[int, float]:
        """The status, and how many times slower than usual."""
        if route is not self.failing:
            return code, speed
        if not 0 <= at_ns - self.failing_from_ns < _FAILING_HOURS * _HOUR_NS:
            # Never else: what shows in a month are some dozens of requests, and chance must not hide them.
            return (200 if code >= 500 else code), speed
        return (rng.choice(_FAILING_CODES) if rng.random() < _FAILING_SHARE else code), speed * _SLOWER


def make_story(catalogue: Catalogue, end_ns: int) -> Story:
    """The story of a catalogue's callers: who it is about depends on the catalogue alone."""
    callers = catalogue.callers
    partner = _first_named(callers, "partner")
    routes = partner.routes
    fails = routes[0]
    moves = next((route for route in routes[1:] if route.path.startswith("/v1/")), routes[-1])
    moved_to = structs.replace(moves, path=moves.path.replace("/v1/", "/v2/", 1))
    others = [caller for caller in callers if caller is not partner] or [partner]
    quiet = others[len(others) // 8]
    latest_ns = end_ns - (_FAILING_HOURS + 12) * _HOUR_NS
    failing_from_ns = latest_ns - (latest_ns - _EPOCH_TUESDAY_NS) % (7 * _DAY_NS)
    return Story(end_ns, partner, others[0], fails, failing_from_ns, (moves, moved_to), quiet)


def _first_named(callers: Sequence[Caller], word: str) -> Caller:
    """The busiest caller whose alias has that word in it; the busiest of all where there is none."""
    return next((caller for caller in callers if word in caller.alias), callers[0])

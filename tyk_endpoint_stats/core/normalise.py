"""Paths without the ids in them, by Tyk's rules and by patterns of one's own.

A pure function of the path: which paths come, how many and in which order changes nothing.
"""

import re
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache

from tyk_endpoint_stats.core.limits import MAX_PATH_BYTES, cut_path
from tyk_endpoint_stats.errors import InvalidRule

__all__ = ["NORMALISATIONS", "path_normaliser"]

_HEX = "[0-9a-fA-F]"
_TYKS = {
    "uuid": (f"{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}", "{uuid}"),
    "ulid": ("(?i:[0-7][0-9A-HJKMNP-TV-Z]{25})", "{ulid}"),
    "number": ("/[0-9]+", "/{id}"),
}
"""In the order in which Tyk applies them (docs/tyk.md, "Normalised paths"; ``normalise_urls``). None is bound to a
segment: ``/2fa`` becomes ``/{id}fa`` there, too."""

NORMALISATIONS = tuple(_TYKS)
"""The names of Tyk's rules."""

_OWN = "{var}"
_LISTEN_PATH = "^/"
_REMEMBERED_PATHS = 2**14


def path_normaliser(names: Collection[str] = (), patterns: Iterable[str] = ()) -> Callable[[str], str]:
    """A function from a path as it was recorded to the path that is counted.

    A path that is over the cap for paths stays as it is but for the cut: that bounds what a pattern can cost. A
    pattern that goes back and forth (``(a+)+b``) takes exponential time nevertheless, and paths come from whoever
    calls the gateway: patterns are for those to write who run this.

    Args:
        names: of Tyk's rules: ``uuid``, ``ulid``, ``number``. They go first, in Tyk's order.
        patterns: regular expressions, in order; whatever one matches becomes ``{var}``. One that begins with ``^/``
            is a listen path, which the gateway leaves in the paths of its own errors alone: what it matches is
            left out, so that one endpoint is not two.

    Raises:
        InvalidRule: a name is not known, or a pattern is none or matches the empty text.
    """
    unknown = sorted(set(names).difference(NORMALISATIONS))
    if unknown:
        raise InvalidRule(f"{', '.join(unknown)}: paths can be normalised by {', '.join(NORMALISATIONS)}")
    steps = [(re.compile(_TYKS[name][0]), _TYKS[name][1]) for name in NORMALISATIONS if name in names]
    steps += [(_compiled(pattern), "" if pattern.startswith(_LISTEN_PATH) else _OWN) for pattern in patterns]
    if not steps:
        return cut_path

    @lru_cache(_REMEMBERED_PATHS)
    def normalised(path: str) -> str:
        if len(path.encode("utf-8", "surrogatepass")) <= MAX_PATH_BYTES:
            for pattern, name in steps:
                path = pattern.sub(name, path)
                if not name and path[:1] != "/":
                    path = f"/{path}"
        return cut_path(path)

    return normalised


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as problem:
        raise InvalidRule(f"{pattern!r} is no regular expression: {problem}") from problem
    if compiled.match(""):
        raise InvalidRule(f"{pattern!r} matches the empty text, so {_OWN} would stand between all characters")
    return compiled

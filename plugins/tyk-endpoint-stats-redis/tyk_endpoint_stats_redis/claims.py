"""A claim: a list that a consumer has renamed, so that nobody pushes to it or pops from it any more.

A consumer claims a list again and again under one *lane*, numbering its claims, and makes claim n + 1 only when
every record of claim n is merged. So one row of a store's ledger holds for a whole lane: position ``n:offset``
says that the claims before n are merged, and of claim n the first ``offset`` records. Whoever finds a claim can
go on with it from its name and that position alone; two who do so at once meet at the position.
"""

import re

from msgspec import Struct

from tyk_endpoint_stats.errors import SourceError

__all__ = ["Claim", "merged_of", "position_text"]

_KEY = re.compile(r"(.+):claim:([0-9a-f]{32}):([0-9]{1,18})", re.DOTALL)
_POSITION = re.compile(r"([0-9]{1,18}):([0-9]{1,18})")
_HASH_TAG = re.compile(r"\{[^}]+\}")


class Claim(Struct, frozen=True):
    """One claimed list.

    Attributes:
        list_name: what it was called.
        lane: 32 hex digits, random.
        number: which claim of its lane it is.
    """

    list_name: str
    lane: str
    number: int

    @property
    def key(self) -> str:
        """Its name in Redis."""
        return f"{_same_slot(self.list_name)}:claim:{self.lane}:{self.number}"

    @property
    def lease_key(self) -> str:
        """The key that lives as long as the lane's consumer does."""
        return f"{_same_slot(self.list_name)}:lease:{self.lane}"

    @property
    def source(self) -> str:
        """The name under which a store keeps the lane's position."""
        return f"redis:{self.list_name}:{self.lane}"

    @classmethod
    def parse(cls, key: str, names: dict[str, str]) -> "Claim | None":
        """The claim that is called so, ``None`` if it is not one of ours."""
        found = _KEY.fullmatch(key)
        if found is None or found[1] not in names:
            return None
        return cls(names[found[1]], found[2], int(found[3]))

    @staticmethod
    def beginnings(list_names: tuple[str, ...]) -> dict[str, str]:
        """What the keys of claims begin with, and of which list they are then: for ``parse``."""
        return {_same_slot(name): name for name in list_names}


def position_text(claim: Claim, offset: int) -> str:
    """The position behind the first ``offset`` records of a claim."""
    return f"{claim.number}:{offset}"


def merged_of(claim: Claim, position: str | None, length: int) -> int:
    """How many of a claim's ``length`` records are merged where a lane stands at ``position``.

    Raises:
        SourceError: no position of ours.
    """
    if position is None:
        return 0
    found = _POSITION.fullmatch(position)
    if found is None:
        raise SourceError(f"{claim.source}: the store holds {position!r}, which is no position of a Redis list")
    number, offset = int(found[1]), int(found[2])
    if number == claim.number:
        return min(offset, length)
    return length if number > claim.number else 0


def _same_slot(list_name: str) -> str:
    """The beginning of a key that lies in the list's slot: a cluster renames only inside of one."""
    return list_name if _HASH_TAG.search(list_name) else f"{{{list_name}}}"

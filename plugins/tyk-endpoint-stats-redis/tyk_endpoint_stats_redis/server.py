"""The one seam to the driver: what we ask of a Redis server, and its errors in our words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool
from redis.exceptions import MovedError, OutOfMemoryError, RedisError, ResponseError
from redis.retry import Retry

from tyk_endpoint_stats.errors import PluginError, SourceError
from tyk_endpoint_stats_redis.address import Address
from tyk_endpoint_stats_redis.claims import Claim
from tyk_endpoint_stats_redis.lists import base_name, list_names

__all__ = ["LEASE_MS", "ListState", "Server", "connect"]

LEASE_MS = 15_000
"""A consumer that gave no sign for so long is taken for dead. A mistake costs work, never a record."""

_SCAN_COUNT = 1000
_NO_KEY = "no such key"


class ListState(Struct, frozen=True):
    """What is under the name of a list.

    Attributes:
        records: how many; 0 where there is none.
        ttl_ms: until the server deletes it, ``None``: never.
        problem: why it can't be read.
        elsewhere: the node of a Redis Cluster that has it, if this one does not.
    """

    records: int
    ttl_ms: int | None = None
    problem: str = ""
    elsewhere: str = ""

    @property
    def is_there(self) -> bool:
        """Whether there is anything under the name."""
        return bool(self.records or self.problem)


class Server:
    """A Redis server. Every method raises ``SourceError`` with what went wrong and nothing secret.

    Nothing is ever tried twice in silence: a claim whose answer got lost must not be made again.
    """

    def __init__(self, client: "Redis", address: Address) -> None:
        self.label = address.label
        self.prefix = address.prefix
        self.names = list_names(address.prefix)
        self._client = client
        self._address = address
        self._beginnings = Claim.beginnings(self.names)

    def states(self, names: Sequence[str]) -> list[ListState]:
        """How many records the lists hold and how long they live, in one round trip."""
        with self._asked("can't be read"):
            pipeline = self._client.pipeline(transaction=False)
            for name in names:
                pipeline.llen(name)
                pipeline.pttl(name)
            answers = pipeline.execute(raise_on_error=False)
        return [self._state(*answers[index : index + 2]) for index in range(0, len(answers), 2)]

    def _state(self, length: Any, ttl_ms: Any) -> ListState:
        for answer in (length, ttl_ms):
            if isinstance(answer, MovedError):
                return ListState(0, elsewhere=f"{answer.host}:{answer.port}")
            if isinstance(answer, Exception):
                return ListState(0, problem=self._explained(answer))
        return ListState(length, ttl_ms if ttl_ms >= 0 else None)

    def claim(self, claim: Claim) -> bool:
        """Rename the list, and take the time to live from it that the gateway gave it; ``False``: nothing is there.

        A ``SourceError`` may mean that it was renamed: the claim's name must not be used again.
        """
        with self._asked(f"can't claim {claim.list_name}"):
            pipeline = self._client.pipeline(transaction=True)
            pipeline.renamenx(claim.list_name, claim.key)
            pipeline.persist(claim.key)
            renamed, persisted = pipeline.execute(raise_on_error=False)
            if isinstance(renamed, ResponseError) and _NO_KEY in str(renamed):
                return False
            for answer in (renamed, persisted):
                if isinstance(answer, Exception):
                    raise answer
        if not renamed:
            raise SourceError(f"{self.label}: can't claim {claim.list_name}: {claim.key} exists already")
        return True

    def length(self, claim: Claim) -> int:
        """How many records a claim has; 0: somebody has finished it."""
        with self._asked(f"can't read {claim.key}"):
            return int(self._client.llen(claim.key))

    def read(self, claim: Claim, offset: int, count: int) -> list[bytes]:
        """Some of a claim's records."""
        with self._asked(f"can't read {claim.key}"):
            elements: Any = self._client.lrange(claim.key, offset, offset + count - 1)
            return list(elements)

    def delete(self, claim: Claim) -> None:
        """Delete a claim, and its lane's lease."""
        with self._asked(f"can't delete {claim.key}"):
            self._client.unlink(claim.key, claim.lease_key)

    def lease(self, claim: Claim, holder: str, *, only_if_free: bool = False) -> bool:
        """Say that a claim's lane is being worked at; ``False``: somebody else says so.

        A server that is out of memory takes no lease. Then several may work at one claim, which costs work.
        """
        with self._asked(f"can't lease {claim.key}"):
            try:
                return bool(self._client.set(claim.lease_key, holder, px=LEASE_MS, nx=only_if_free))
            except OutOfMemoryError:
                return True

    def release(self, claim: Claim) -> None:
        """Whoever finds the claim may go on with it at once."""
        with self._asked(f"can't release {claim.key}"):
            self._client.unlink(claim.lease_key)

    def claims(self) -> list[Claim]:
        """All claims on this server's lists, oldest first in each lane. Goes through all keys, gently."""
        pattern = f"*{_literal(base_name(self.prefix))}*:claim:*"
        with self._asked("can't look for claims"):
            # A scan may give a key twice.
            keys = {bytes(key) for key in self._client.scan_iter(match=pattern, count=_SCAN_COUNT)}
        found = (Claim.parse(key.decode("utf-8", "surrogateescape"), self._beginnings) for key in keys)
        return sorted(filter(None, found), key=lambda claim: (claim.list_name, claim.lane, claim.number))

    def are_leased(self, claims: Sequence[Claim]) -> list[bool]:
        """For each claim: did its lane's consumer give a sign of life lately?"""
        with self._asked("can't look for consumers"):
            pipeline = self._client.pipeline(transaction=False)
            for claim in claims:
                pipeline.exists(claim.lease_key)
            return [bool(answer) for answer in pipeline.execute()]

    def eviction_policy(self) -> str:
        """The policy by which the server may throw a list or a claim away, ``""`` if it never would."""
        with self._asked("can't be asked for its memory policy"):
            found: dict[str, Any] = self._client.info("memory")
        policy = str(found.get("maxmemory_policy", ""))
        return policy if found.get("maxmemory") and policy != "noeviction" else ""

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as problem:
            raise SourceError(f"{self.label}: {what}: {self._explained(problem)}") from problem

    def _explained(self, problem: Exception) -> str:
        text = self._address.masked(str(problem) or type(problem).__name__)
        if isinstance(problem, MovedError):
            text += " (the cluster moved it; whoever reads that node goes on with it)"
        return text


def connect(address: Address) -> Server:
    """The server at an address. Nothing is sent yet.

    Raises:
        PluginError: an option of the URL is not known.
    """
    options = address.options | {"retry": Retry(NoBackoff(), 0)}
    connection_class = options.pop("connection_class", Connection)
    try:
        connection_class(**options)  # the pool would find out only when it is used
    except (TypeError, ValueError, RedisError) as problem:
        raise PluginError(f"{address.label}: an option can't be used: {address.masked(str(problem))}") from None
    pool = ConnectionPool(connection_class=connection_class, **options)
    return Server(Redis.from_pool(pool), address)


def _literal(text: str) -> str:
    """A pattern of Redis that matches this text alone."""
    return "".join(f"\\{character}" if character in "*?[]^\\" else character for character in text)

"""What one pass over some records gives, and a store takes whole or not at all: day rows, names, counts."""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct, field

from tyk_endpoint_stats.core.counts import add_counts
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT, DayRow
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.instants import Instant

__all__ = ["EVERYONE", "Batch", "Consumer", "ConsumerKey", "Counts", "Endpoint", "EndpointKey", "Kind", "NameSeen"]


class Kind(StrEnum):
    """What a consumer is."""

    KEY = "key"
    OAUTH = "oauth"


EVERYONE = "everyone"
"""The kind of the consumer that stands for all of an organisation: each of its hits once, also those without a key
or client. Its id is empty."""


class Consumer(Struct, frozen=True, order=True):
    """Who called: an API key (or its hash, as the gateway records it) or an OAuth client."""

    kind: Kind
    id: str

    @classmethod
    def key(cls, key: str) -> "Consumer":
        """The API key, or the hash of it where the gateway hashes keys."""
        return cls(Kind.KEY, key)

    @classmethod
    def oauth_client(cls, client_id: str) -> "Consumer":
        """The OAuth client."""
        return cls(Kind.OAUTH, client_id)


class Endpoint(Struct, frozen=True, order=True):
    """What was called. Method and version are not part of it, as in Tyk."""

    api_id: str
    path: str


ConsumerKey: TypeAlias = tuple[str, str, str]
"""``(org_id, kind, id)``, the kind also ``EVERYONE``. A plain tuple: a batch makes tens of thousands of them."""

EndpointKey: TypeAlias = tuple[str, str]
"""``(api_id, path)``."""

NameSeen: TypeAlias = tuple[Instant, str]
"""When a name was seen, and the name. Names merge by ``max``: the newest wins, on a tie the greater text."""


class Counts(Struct):
    """What became of the records of a source: ``read = counted + skipped + malformed (+ duplicate)``.

    ``repaired`` is a part of ``counted``: hits with a value that had to be mended. ``skipped`` and ``malformed`` count
    by reason.
    """

    read: int = 0
    counted: int = 0
    repaired: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    malformed: dict[str, int] = field(default_factory=dict)

    def merge(self, other: "Counts") -> None:
        """Take other counts into these."""
        self.read += other.read
        self.counted += other.counted
        self.repaired += other.repaired
        add_counts(self.skipped, other.skipped)
        add_counts(self.malformed, other.malformed)


class Batch(Struct):
    """Day rows and what belongs to them. Nothing about reading a batch changes it.

    Attributes:
        consumers: ``(org_id, kind, id)``; a row's ``consumer`` is a place in here.
        endpoints: ``(api_id, path)``; a row's ``endpoint`` is a place in here, counted from 1: 0 is every endpoint.
        rows: of a consumer and an endpoint each; of one consumer, endpoint and day at most one.
        totals: the same hits once more: of a consumer over every endpoint, of everyone and an endpoint, and of
            everyone over every endpoint. Likewise at most one each.
        api_names: the newest by ``(org_id, api_id)``.
        aliases: the newest by ``(org_id, kind, id)`` of a consumer.
        growth: by how much it makes days grow; whoever merges says so (``ingest/growth.py``).
        newest_us: the latest hit; ``None``: there is none.
        counts: what became of the records, by reason.
        source: the resumable source that the records are from; ``None``: at least once, not exactly once.
        begins: the source's position before the batch, ``None`` at its very beginning.
        ends: the source's position after it. Positions are opaque text.
    """

    consumers: list[ConsumerKey] = field(default_factory=list)
    endpoints: list[EndpointKey] = field(default_factory=list)
    rows: list[DayRow] = field(default_factory=list)
    totals: list[DayRow] = field(default_factory=list)
    api_names: dict[tuple[str, str], NameSeen] = field(default_factory=dict)
    aliases: dict[ConsumerKey, NameSeen] = field(default_factory=dict)
    growth: dict[int, Grown] = field(default_factory=dict)
    newest_us: Instant | None = None
    counts: Counts = field(default_factory=Counts)
    source: str | None = None
    begins: str | None = None
    ends: str | None = None

    def add_row(self, row: DayRow) -> None:
        """Put a row where rows of its kind are."""
        is_total = row.endpoint == EVERY_ENDPOINT or self.consumers[row.consumer][1] == EVERYONE
        (self.totals if is_total else self.rows).append(row)

"""What is written to a store and what is asked of it: consumers, endpoints, batches, selections, groups."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct, field

from tyk_endpoint_stats.core.buckets import Bucket, Span
from tyk_endpoint_stats.core.counts import add_counts
from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.core.packing import pack, unpack
from tyk_endpoint_stats.core.segments import Segment
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import AnswerTooLarge

__all__ = [
    "Batch",
    "Consumer",
    "Counts",
    "Dimension",
    "Endpoint",
    "Group",
    "Kind",
    "NameSeen",
    "Selection",
    "Series",
]


class Kind(StrEnum):
    """What a consumer is."""

    KEY = "key"
    OAUTH = "oauth"


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


Series: TypeAlias = tuple[str, str, str, str, str]
"""``(org_id, consumer kind, consumer id, api_id, path)``: a state's key but for the bucket. A plain tuple,
because a batch makes tens of thousands of them."""

NameSeen: TypeAlias = tuple[Instant, str]
"""When a name was seen, and the name. Names merge by ``max``: the newest wins, on a tie the greater text."""


class Counts(Struct):
    """What became of the records of a source: ``read = counted + skipped + malformed (+ duplicate)``.

    ``repaired`` is a part of ``counted``: hits with a value that had to be mended. ``skipped`` and
    ``malformed`` count by reason.
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
    """What one pass over some records came to; a store takes it whole or not at all.

    It has its states in one of two forms, and gives either: ``states``, or, for a store that keeps them packed,
    ``packed``.

    Attributes:
        unpacked: the states by bucket, then by series, of a batch that was made by hand.
        segments: the states of a batch that an aggregator made; of a consumer and day at most one.
        endpoints: ``(api_id, path)`` by the numbers that stand in segments.
        hits_by_day: every hit once, by days since 1970; of a batch that an aggregator made.
        api_names: by ``(org_id, api_id)``.
        aliases: by ``(org_id, consumer kind, consumer id)``.
        counts: what became of the records, by reason.
        source: the resumable source that the records are from; ``None``: at least once, not exactly once.
        begins: the source's position before the batch, ``None`` at its very beginning.
        ends: the source's position after it. Positions are opaque text.
    """

    unpacked: dict[Bucket, dict[Series, EndpointStats]] = field(default_factory=dict)
    api_names: dict[tuple[str, str], NameSeen] = field(default_factory=dict)
    aliases: dict[tuple[str, str, str], NameSeen] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    source: str | None = None
    begins: str | None = None
    ends: str | None = None
    segments: list[Segment] = field(default_factory=list)
    endpoints: list[tuple[str, str]] = field(default_factory=list)
    hits_by_day: dict[int, int] = field(default_factory=dict)

    @property
    def states(self) -> dict[Bucket, dict[Series, EndpointStats]]:
        """By bucket, then by series: every hit is in the quarter and in the day it belongs to.

        A batch that was asked once stays unpacked.
        """
        if self.segments:
            self.states = unpack(self.segments, self.endpoints)
        return self.unpacked

    @states.setter
    def states(self, states: dict[Bucket, dict[Series, EndpointStats]]) -> None:
        # In this order: another thread that reads meanwhile finds the states in one form or in both.
        self.unpacked = states
        self.segments, self.endpoints = [], []

    @property
    def packed(self) -> tuple[Sequence[Segment], Sequence[tuple[str, str]]]:
        """The same in segments, and the endpoints by the numbers in them."""
        return pack(self.unpacked) if self.unpacked else (self.segments, self.endpoints)

    def newest_us(self) -> Instant | None:
        """The latest hit in the batch; ``None`` where it has none."""
        segments, _ = self.packed
        last_day = max((segment.day for segment in segments), default=None)
        return max((segment.last_us() for segment in segments if segment.day == last_day), default=None)


class Dimension(StrEnum):
    """What an answer can be split by."""

    CONSUMER = "consumer"
    ENDPOINT = "endpoint"
    BUCKET = "bucket"


class Selection(Struct, frozen=True):
    """Which states to merge, and what to keep apart. Every filter that is ``None`` lets everything through.

    Attributes:
        spans: the buckets; a store reads all of them from one snapshot. They must not overlap in time.
        group_by: what to keep apart; empty: one total.
        org_id: only that organisation. ``None``: all; a consumer that occurs in several is one consumer.
        kind, consumer_id, api_id, path: only states that match.
        distributions: whether codes and histograms are wanted; without them an answer is several times
            cheaper, and ``codes`` and ``histogram`` of its states are empty.
        max_groups: an answer of more groups is refused; ``None``: there is no bound. Where consumers are kept
            apart, a store may count one that occurs in several organisations once for each.
    """

    spans: tuple[Span, ...]
    group_by: frozenset[Dimension] = frozenset()
    org_id: str | None = None
    kind: Kind | None = None
    consumer_id: str | None = None
    api_id: str | None = None
    path: str | None = None
    distributions: bool = True
    max_groups: int | None = None

    def check_groups(self, groups: int) -> None:
        """For stores, to be called while the groups of an answer come together: one too many ends it.

        Raises:
            AnswerTooLarge: so many are more than ``max_groups``.
        """
        if self.max_groups is not None and groups > self.max_groups:
            raise AnswerTooLarge(f"{self.max_groups:,} rows")


class Group(Struct, frozen=True):
    """What a state of an answer stands for: the dimensions that were kept apart, the others are ``None``.

    ``alias`` and ``api_name`` are the newest names known of the consumer and the API (in the selected
    organisation), ``""`` where none was ever seen or the dimension is not kept apart.
    """

    consumer: Consumer | None = None
    endpoint: Endpoint | None = None
    bucket: Bucket | None = None
    alias: str = ""
    api_name: str = ""

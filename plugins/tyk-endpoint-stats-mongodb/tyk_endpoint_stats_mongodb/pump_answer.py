"""From the documents of a question to its answer; pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tyk_endpoint_stats.core.buckets import Bucket
from tyk_endpoint_stats.core.instants import Instant, from_datetime
from tyk_endpoint_stats.core.selection import Consumer, Dimension, Endpoint, Group, Kind, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.tyk.endpoint_key import decode_endpoint_key
from tyk_endpoint_stats.tyk.pump_buckets import TimeRange, bucket_of, is_covered
from tyk_endpoint_stats.tyk.pump_counters import PumpCounter
from tyk_endpoint_stats_mongodb.pump_documents import SECTIONS, Tree, counter_of, counters_in, is_counter, name_of

__all__ = ["PumpAnswer"]

_OWNER_AND_KEY = 2


class PumpAnswer:
    """Takes in documents that ``pump_pipeline.pipeline_of`` asked for.

    Args:
        selection: the question.
        ranges: of its spans.
        length_us: how long a bucket is.
    """

    def __init__(self, selection: Selection, ranges: Sequence[TimeRange], length_us: int) -> None:
        self._selection, self._ranges, self._length_us = selection, ranges, length_us
        self._counters: dict[tuple[Consumer | None, Endpoint | None, Bucket | None], PumpCounter] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._aliases: dict[str, tuple[Instant, str]] = {}
        self._api_names: dict[str, tuple[Instant, str]] = {}

    def add(self, document: Tree) -> None:
        """Take in one document.

        Raises:
            EdgeInsideBucket: an edge of the question would divide it, and hits that are asked for are in it.
            ValueError: Pump did not write it.
        """
        at = document["at"]
        if not isinstance(at, datetime):
            raise ValueError("its timestamp is outside of the years 1 to 9999")
        start_us = from_datetime(at)
        for consumer, key, counter in self._asked_for(document):
            self._count(consumer, key, counter_of(counter, start_us), start_us)
        if any(one.start_us <= start_us < one.end_us for one in self._ranges):
            self._see_names(document, start_us)

    def groups(self) -> list[tuple[Group, EndpointStats]]:
        """The answer."""
        return [
            (
                Group(consumer, endpoint, bucket, self._alias(consumer), self._api_name(endpoint)),
                counter.stats(distributions=self._selection.distributions),
            )
            for (consumer, endpoint, bucket), counter in self._counters.items()
        ]

    def _asked_for(self, document: Tree) -> Iterator[tuple[Consumer, str, Tree]]:
        """The counters of the consumers that are asked for, with their endpoint keys."""
        for kind in SECTIONS:
            section = document.get(kind.value)
            if self._selection.consumer_id is None:
                for path, counter in counters_in(section):
                    if len(path) >= _OWNER_AND_KEY:
                        yield Consumer(kind, ".".join(path[:-1])), path[-1], counter
                continue
            consumer = Consumer(kind, self._selection.consumer_id)
            for own in section or ():
                for key, counter in _pairs(own):
                    if is_counter(counter):
                        yield consumer, key, counter

    def _count(self, consumer: Consumer, key: str, counter: PumpCounter, start_us: Instant) -> None:
        selection, by = self._selection, self._selection.group_by
        if counter.hits <= 0:
            return
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            endpoint = self._endpoints[key] = decode_endpoint_key(key)
        if selection.api_id not in (None, endpoint.api_id) or selection.path not in (None, endpoint.path):
            return
        bucket = None
        if Dimension.BUCKET in by:
            bucket = bucket_of(start_us, self._length_us, selection.spans)
            if bucket is None:
                return
        elif not is_covered(start_us, self._length_us, self._ranges):
            return
        group = (
            consumer if Dimension.CONSUMER in by else None,
            endpoint if Dimension.ENDPOINT in by else None,
            bucket,
        )
        self._counters.setdefault(group, PumpCounter()).merge(counter)

    def _see_names(self, document: Tree, start_us: Instant) -> None:
        for alias in document.get("alias", ()):
            if isinstance(alias, str):
                _see(self._aliases, self._selection.consumer_id or "", alias, start_us)
        for part, names in (("aliases", self._aliases), ("apis", self._api_names)):
            for path, counter in counters_in(dict(_pairs(document.get(part, ())))):
                _see(names, ".".join(path), name_of(counter), start_us)

    def _alias(self, consumer: Consumer | None) -> str:
        """Pump keeps aliases of keys alone."""
        is_key = consumer is not None and consumer.kind is Kind.KEY
        return self._aliases.get(consumer.id, (0, ""))[1] if consumer is not None and is_key else ""

    def _api_name(self, endpoint: Endpoint | None) -> str:
        return "" if endpoint is None else self._api_names.get(endpoint.api_id, (0, ""))[1]


def _pairs(trimmed: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for pair in trimmed:
        yield pair["k"], pair["v"]


def _see(names: dict[str, tuple[Instant, str]], identity: str, name: str, at_us: Instant) -> None:
    """The newest name wins, on a tie the greater text."""
    if name:
        names[identity] = max(names.get(identity, (at_us, name)), (at_us, name))

"""From the documents of a question to its answer; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tyk_endpoint_stats.core.batch import EVERYONE, Consumer, Endpoint, Kind
from tyk_endpoint_stats.core.buckets import Bucket
from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.tyk.endpoint_key import decode_api_endpoint_key, decode_endpoint_key
from tyk_endpoint_stats.tyk.pump_buckets import TimeRange, bucket_of, is_covered
from tyk_endpoint_stats.tyk.pump_counters import PumpCounter
from tyk_endpoint_stats_mongodb.pump_documents import (
    SECTIONS,
    Tree,
    counter_of,
    counters_in,
    instant_of,
    is_counter,
    name_of,
)
from tyk_endpoint_stats_mongodb.pump_pipeline import is_everyones, keeps_endpoints

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
        self._is_everyones, self._keeps_endpoints = is_everyones(selection), keeps_endpoints(selection)
        self._counters: dict[tuple[Consumer | None, Endpoint | None, Bucket | None], PumpCounter] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._aliases: dict[str, tuple[Instant, str]] = {}
        self._api_names: dict[str, tuple[Instant, str]] = {}

    def add(self, document: Tree) -> None:
        """Take in one document.

        Raises:
            EdgeInsideBucket: an edge of the question would divide it, and hits that are asked for are in it.
            AnswerTooLarge: there are more groups now than are wanted.
            ValueError: Pump did not write it.
        """
        start_us = instant_of(document["at"])
        if start_us is None:
            raise ValueError("its timestamp is outside of the years 1 to 9999")
        self._count(document, start_us)
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

    def _count(self, document: Tree, start_us: Instant) -> None:
        by = self._selection.group_by
        place: Bucket | bool | None = None
        for consumer, key, found in self._asked_for(document):
            endpoint = self._endpoint(key)
            if not self._is_asked_for(endpoint):
                continue
            counter = counter_of(found, start_us)
            if counter.hits <= 0:
                continue
            if place is None:  # not before it is known that there is something in it
                place = self._place(start_us)
            if place is False:
                return
            group = (
                consumer if Dimension.CONSUMER in by else None,
                endpoint if Dimension.ENDPOINT in by else None,
                place if isinstance(place, Bucket) else None,
            )
            merged = self._counters.get(group)
            if merged is None:
                self._counters[group] = counter
                self._selection.check_groups(len(self._counters))
            else:
                merged.merge(counter)

    def _place(self, start_us: Instant) -> Bucket | bool:
        """In which bucket of the question one of Pump's lies; or whether in any, where they are not kept apart."""
        if Dimension.BUCKET not in self._selection.group_by:
            return is_covered(start_us, self._length_us, self._ranges)
        return bucket_of(start_us, self._length_us, self._selection.spans) or False

    def _asked_for(self, document: Tree) -> Iterator[tuple[Consumer | None, str, Tree]]:
        """The counters of everyone or of the consumers that are asked for, with their endpoint keys."""
        for own in document.get(EVERYONE, ()):
            for key, counter in _pairs(own):
                if is_counter(counter):
                    yield None, key, counter
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

    def _endpoint(self, key: str) -> Endpoint | None:
        """The endpoint of a key, where it matters; ``None``: it does not."""
        if not self._keeps_endpoints:
            return None
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            decode = decode_api_endpoint_key if self._is_everyones else decode_endpoint_key
            endpoint = self._endpoints[key] = decode(key)
        return endpoint

    def _is_asked_for(self, endpoint: Endpoint | None) -> bool:
        selection = self._selection
        return endpoint is None or (
            selection.api_id in (None, endpoint.api_id) and selection.path in (None, endpoint.path)
        )

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

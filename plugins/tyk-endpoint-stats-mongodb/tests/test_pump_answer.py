"""From aggregate documents to an answer, without a server: any document at all, and what nobody may read."""

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pump_aggregates_writer import MOMENT, counter, document, put
from test_raw_records import EXAMPLES, VALUES
from tyk_endpoint_stats_mongodb.pump_aggregates import CODEC
from tyk_endpoint_stats_mongodb.pump_answer import PumpAnswer
from tyk_endpoint_stats_mongodb.pump_documents import counter_of, counters_in

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.errors import EdgeInsideBucket
from tyk_endpoint_stats.testing.exam import ALL_DAYS, EVERYTHING
from tyk_endpoint_stats.tyk.endpoint_key import encode_endpoint_key
from tyk_endpoint_stats.tyk.pump_buckets import HOUR_US, time_ranges
from tyk_endpoint_stats.tyk.pump_counters import PumpCounter

KEY = encode_endpoint_key(Endpoint("api-1", "/get"))
NAMES = st.sampled_from(
    ["k1", "a", KEY, "hits", "errormap", "humanidentifier", "lasttime", "totallatency", "404", ""]
)
TREES = st.recursive(VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


def as_driver_gives(found: dict[str, Any]) -> dict[str, Any]:
    """Through BSON and back, with the store's options."""
    given: dict[str, Any] = bson.decode(bson.encode(found), CODEC)
    return given


def answer_to(found: dict[str, Any], selection: Selection) -> PumpAnswer:
    answer = PumpAnswer(selection, time_ranges(selection.spans), HOUR_US)
    answer.add(as_driver_gives(found))
    return answer


def pairs(tree: Any) -> list[dict[str, Any]]:
    """As the server gives a part of a document that was trimmed."""
    return [{"k": name, "v": value} for name, value in (tree if isinstance(tree, dict) else {}).items()]


@EXAMPLES
def test_any_document_is_counted_or_refused(examples: int) -> None:
    """By ``ValueError``, which the store turns into an error that names the collection; by nothing else."""

    @settings(max_examples=examples)
    @given(TREES, TREES, st.dictionaries(NAMES, TREES, max_size=3), st.booleans())
    def check(keys: Any, clients: Any, apis: Any, is_of_one: bool) -> None:
        selection = Selection(ALL_DAYS, EVERYTHING, consumer_id="k1" if is_of_one else None)
        trimmed = {"key": [pairs(keys)], "oauth": [pairs(clients)]}
        found = {"at": MOMENT, "apis": pairs(apis)} | (trimmed if is_of_one else {"key": keys, "oauth": clients})
        try:
            groups = answer_to(found, selection).groups()
        except (ValueError, EdgeInsideBucket):
            return
        assert all(stats.hits > 0 for _, stats in groups)

    check()


def test_the_latest_moment_is_the_last_hit_whatever_came_last() -> None:
    late, early = datetime(2026, 5, 5, 12, 50, tzinfo=UTC), datetime(2026, 5, 5, 12, 10, tzinfo=UTC)
    merged = PumpCounter()
    for moment in (late, early):
        merged.merge(counter_of(as_driver_gives(counter(lasttime=moment)), 0))
    assert merged.last_hit_us == int(late.timestamp()) * 10**6


@pytest.mark.parametrize("no_time", [None, datetime(1, 1, 1, tzinfo=UTC), 7, bson.datetime_ms.DatetimeMS(2**60)])
def test_without_a_time_a_hit_is_no_earlier_than_its_bucket(no_time: Any) -> None:
    assert counter_of(as_driver_gives(counter(lasttime=no_time)), 42).last_hit_us == 42


def test_the_lists_and_the_stored_means_are_not_read() -> None:
    """Twins: both are in the document, and whoever reads them gets other numbers."""
    made = document()
    put(made, "keyendpoints.k1")[KEY] = counter(hits=2, totalrequesttime=10)
    found = {"at": made["timestamp"], "key": made["keyendpoints"]}
    selection = Selection(ALL_DAYS, frozenset({Dimension.CONSUMER}))
    ((group, stats),) = answer_to(found, selection).groups()
    assert group.consumer == Consumer.key("k1")
    assert (stats.hits, stats.request_time_ms) == (2, 5)
    assert made["keyendpoints"]["k1"][KEY]["requesttime"] != 5
    assert made["lists"]["keyendpoints"]["k1"][0]["hits"] != 2


def test_counters_are_found_on_every_level() -> None:
    tree = {"my": {"custom": {"key": {KEY: counter(hits=1)}}, KEY: counter(hits=2) | {"deeper": counter(hits=3)}}}
    assert {path: found["hits"] for path, found in counters_in(tree)} == {
        ("my", "custom", "key", KEY): 1,
        ("my", KEY): 2,
        ("my", KEY, "deeper"): 3,
    }

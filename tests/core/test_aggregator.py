"""The aggregator: its fast loop beside the plain twin, and the laws of batches."""

from itertools import pairwise, permutations
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.aggregator import Aggregator, Rules
from tyk_endpoint_stats.core.batch import Counts, Kind
from tyk_endpoint_stats.core.buckets import Bucket, Width
from tyk_endpoint_stats.core.record import GraphQLStats, Latency, MCPStats, Record
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.testing import batch_of, hit, plain_states
from tyk_endpoint_stats.testing.generators import FIRST_DAY, odd_records, records
from tyk_endpoint_stats.testing.plain import plain_counts, plain_hits, plain_instant_us, plain_outcome

RULES = st.builds(Rules, st.booleans(), st.frozensets(st.sampled_from(("graphql", "mcp"))))
ANY_RECORDS = st.lists(records() | odd_records(), max_size=12)


def plain_names(some, rules):
    api_names, aliases = {}, {}
    for one in plain_hits(some, rules):
        for names, key, name in (
            (api_names, (one.org_id, one.api_id), one.api_name),
            (aliases, (one.org_id, one.kind, one.consumer_id), one.alias),
        ):
            if name:
                names[key] = max(names.get(key, (one.at_us, "")), (one.at_us, name))
    return api_names, aliases


def batches(*parts):
    """One batch for each part, from one aggregator, as an ingest makes them."""
    aggregator = Aggregator()
    made = []
    for part in parts:
        aggregator.add(part)
        made.append(aggregator.close())
    return made


def merged(some):
    """States, names and counts of several batches, merged."""
    states, api_names, aliases, counts = {}, {}, {}, Counts()
    for batch in some:
        for bucket, by_series in batch.states.items():
            for series, stats in by_series.items():
                states.setdefault((bucket, series), EndpointStats()).merge(stats)
        for names, seen in ((api_names, batch.api_names), (aliases, batch.aliases)):
            for key, name in seen.items():
                names[key] = max(names.get(key, name), name)
        counts.merge(batch.counts)
    return states, api_names, aliases, counts


@given(ANY_RECORDS, RULES, st.sampled_from((0, 1, 2**18)), st.sampled_from((0, 2, 32)))
def test_the_loop_is_what_the_plain_twin_says(some, rules, most_uncounted, most_cells):
    with (
        patch("tyk_endpoint_stats.core.aggregator.MAX_UNCOUNTED", most_uncounted),
        patch("tyk_endpoint_stats.core.aggregator.PIECE", 3),
        patch("tyk_endpoint_stats.core.hits.MAX_CELLS", most_cells),
        patch("tyk_endpoint_stats.core.cells.MAX_CELLS", most_cells),
    ):
        the_loop_is_what_the_plain_twin_says(some, rules)


def the_loop_is_what_the_plain_twin_says(some, rules):
    aggregator = Aggregator(rules)
    malformed = aggregator.add(some)
    states = len(aggregator)
    batch = aggregator.close("s", "1", "2")
    assert batch.states == plain_states(some, rules)
    assert (batch.api_names, batch.aliases) == plain_names(some, rules)
    assert batch.counts == plain_counts(some, rules)
    outcomes = [plain_outcome(record, rules) for record in some]
    assert malformed == [(n, why) for n, (what, why) in enumerate(outcomes) if what == "malformed"]
    assert [aggregator.reason_to_skip(record) for record in some] == [
        why if what == "skipped" else "" for what, why in outcomes
    ]
    assert (batch.source, batch.begins, batch.ends) == ("s", "1", "2")
    assert states <= len(some)
    assert (len(aggregator), aggregator.counts) == (0, Counts())


@given(ANY_RECORDS, st.randoms(use_true_random=False))
def test_order_does_not_matter(some, random):
    shuffled = random.sample(some, len(some))
    assert merged(batches(shuffled)) == merged(batches(some))


@given(ANY_RECORDS, st.lists(st.integers(0, 12), max_size=3), st.randoms(use_true_random=False))
def test_any_split_into_batches_merges_to_one_pass(some, cuts, random):
    edges = [0, *sorted(cuts), len(some)]
    parts = batches(*(some[start:end] for start, end in pairwise(edges)))
    assert merged(random.sample(parts, len(parts))) == merged(batches(some))


@given(ANY_RECORDS, st.integers(0, 12))
def test_adding_in_pieces_is_adding_at_once(some, cut):
    aggregator = Aggregator()
    aggregator.add(some[:cut])
    aggregator.add(iter(some[cut:]))
    assert merged([aggregator.close()]) == merged(batches(some))


def test_a_bucket_chosen_by_the_first_record_would_be_noticed(monkeypatch):
    # As Tyk Pump does with a flush (aggregate.go:718-733): the same checks must fail.
    some = [hit(second=second, latency_ms=second) for second in (10, 2_000, 80_000)]

    def is_lawful():
        return batches(some)[0].states == plain_states(some) and all(
            merged(batches(order[:1], order[1:])) == merged(batches(some)) for order in permutations(some)
        )

    assert is_lawful()
    quarter = Aggregator._quarter

    def of_the_first(self, moment):
        return next(iter(self._quarters.values()), None) or quarter(self, moment)

    monkeypatch.setattr(Aggregator, "_quarter", of_the_first)
    assert not is_lawful()


@pytest.mark.parametrize(
    "timestamp",
    [
        "9999-12-31T23:44:59.999999Z",
        "9999-12-31T23:45:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "9999-12-31T18:59:59.999999-05:00",
        "0001-01-01T00:00:00.000001Z",
        "0001-01-01T00:14:59.999999Z",
        "0001-01-01T00:15:00Z",
    ],
)
def test_the_ends_of_time_are_times_like_others(timestamp):
    some = [hit(timestamp=timestamp), hit(), hit(timestamp=timestamp)]
    batch = batch_of(some)
    assert batch.states == plain_states(some)
    assert batch.counts.counted == 3


@pytest.mark.parametrize("before", ["", "0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("zero", ["0001-01-01T00:00:00Z", "0001-01-01T05:30:00+05:30", ""])
def test_the_zero_time_is_no_hit_whatever_came_before_it(before, zero):
    aggregator = Aggregator()
    aggregator.add([hit(timestamp=before)] * 2)
    assert aggregator.add([hit(timestamp=zero), hit()]) == [(0, "no timestamp")]


@pytest.mark.parametrize(
    ("timestamp", "reason"),
    [
        ("yesterday", "timestamp"),
        ("2020-10-13T10:00:00", "timestamp"),
        ("2020-10-13", "timestamp"),
        ("2020-W42-2", "timestamp"),
        ("2020-13-13T10:00:00Z", "timestamp"),
        ("2020-10-13T10:00:61Z", "timestamp"),
        ("2020-10-13T10:00:00+24:00", "timestamp"),
        ("0001-01-01T00:00:00+00:01", "timestamp"),
        ("9999-12-31T23:59:59-00:01", "timestamp"),
    ],
)
def test_a_record_without_a_usable_time_is_malformed(timestamp, reason):
    aggregator = Aggregator()
    assert aggregator.add([hit(timestamp=timestamp)]) == [(0, reason)]
    assert aggregator.counts == Counts(read=1, malformed={reason: 1})
    assert len(aggregator) == 0


@pytest.mark.parametrize(
    ("timestamp", "same_as"),
    [
        ("2020-10-13T23:59:59.9999999Z", "2020-10-13T23:59:59.999999Z"),
        ("2020-10-13T23:59:60Z", "2020-10-13T23:59:59.999999Z"),
        ("2020-10-13T23:59:60.5Z", "2020-10-13T23:59:59.999999Z"),
        ("2020-10-14T05:29:59.123456789+05:30", "2020-10-13T23:59:59.123456Z"),
        ("2020-10-13t23:59:59z", "2020-10-13T23:59:59Z"),
        ("2020-10-13 23:59:59.5Z", "2020-10-13T23:59:59.5Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_is_cut_to_the_microsecond_and_decides_the_day(timestamp, same_as):
    batch = batch_of([hit(timestamp=timestamp)])
    assert batch.states == batch_of([hit(timestamp=same_as)]).states
    assert batch.newest_us() == plain_instant_us(same_as)


def test_records_that_are_no_hits_have_a_reason_each():
    nobody = {"api_key": "", "oauth_id": ""}
    some = [
        hit(code=-1),
        hit(code=-1, graphql_stats=GraphQLStats(True), **nobody),
        hit(graphql_stats=GraphQLStats(True), mcp_stats=MCPStats(True)),
        hit(mcp_stats=MCPStats(True)),
        hit(mcp_stats=MCPStats(True), **nobody),
        hit(**nobody),
        hit(timestamp="", **nobody),
    ]
    aggregator = Aggregator()
    assert aggregator.add(some) == []
    assert aggregator.counts == Counts(read=7, skipped={"tcp": 2, "graphql": 1, "mcp": 2, "no_consumer": 2})
    assert aggregator.close().states == {}


def test_rules_say_what_counts():
    graphql, mcp = hit(graphql_stats=GraphQLStats(True)), hit(mcp_stats=MCPStats(True))
    tracked = hit(track_path=True)
    aggregator = Aggregator(Rules(tracked_only=True, include=frozenset({"mcp"})))
    aggregator.add([graphql, mcp, tracked, hit()])
    assert aggregator.counts == Counts(read=4, counted=1, skipped={"graphql": 1, "untracked": 2})


def test_a_record_with_a_key_and_a_client_counts_for_both_and_shares_nothing():
    batch = batch_of([hit(oauth_id="c1", alias="Ann"), hit(alias="Ann")])
    day = batch.states[Bucket(Width.DAY, FIRST_DAY)]
    assert {series[1:3]: stats.hits for series, stats in day.items()} == {
        (Kind.KEY, "k1"): 2,
        (Kind.OAUTH, "c1"): 1,
    }
    assert set(batch.aliases) == {("org-1", Kind.KEY, "k1"), ("org-1", Kind.OAUTH, "c1")}


def test_the_hash_of_the_empty_token_is_a_key_like_any_other():
    assert batch_of([hit(api_key="00000000")]).counts.counted == 1


def test_names_with_tabs_stand_for_themselves_alone():
    # Joined by TABs, each of these is the text of one of the others, or nearly.
    fields = ("org_id", "api_key", "oauth_id", "api_id", "path", "alias", "api_name")
    some = [
        hit(**dict(zip(fields, parts, strict=True)))
        for parts in (
            ("o\tp", "k", "c", "a", "/", "x", "n"),
            ("o", "p\tk", "c", "a", "/", "x", "n"),
            ("o", "p", "k", "c", "a", "/", "x\tn"),
            ("o", "p", "k", "c", "a", "/", "x\tn\t3\t1\t1\t1\t1\t1\t1"),
            ("o", "p", "k\tc\ta", "/", "x", "n", ""),
            ("('o\\tp', 'k', 'c', 'a', '/', 'x', 'n')", "k", "c", "a", "/", "x", "n"),
        )
    ]
    for order in permutations(some, 3):
        assert batch_of(order).states == plain_states(order)


def test_a_path_that_is_too_long_is_cut_and_stays_itself():
    paths = ["/" + "p" * 3000 + end for end in ("a", "b")] + ["/" + "ü" * 1500]
    some = [hit(path=path) for path in paths] * 2
    (day,) = [states for bucket, states in batch_of(some).states.items() if bucket.width is Width.DAY]
    assert [stats.hits for stats in day.values()] == [2, 2, 2]
    assert all(len(series[4].encode()) <= 2048 + 17 for series in day)


def test_an_id_that_is_too_long_is_malformed_and_named():
    some = [hit(**{name: "i" * 513}) for name in ("org_id", "api_key", "oauth_id", "api_id")]
    aggregator = Aggregator()
    assert [reason for _, reason in aggregator.add([*some, hit(api_id="i" * 512)])] == [
        f"{name} over 512 bytes" for name in ("org_id", "api_key", "oauth_id", "api_id")
    ]


def test_the_size_is_the_states_and_not_the_records():
    aggregator = Aggregator()
    for _ in range(50):
        aggregator.add([hit(latency_ms=n) for n in range(20)])
    assert len(aggregator) == 1


def test_late_records_go_to_their_own_days():
    days = (FIRST_DAY - 5 * 365, FIRST_DAY, FIRST_DAY + 2, FIRST_DAY - 1)
    some = [hit(day, second) for second in (0, 86_399) for day in days] * 2
    batch = batch_of(some)
    assert batch.states == plain_states(some)
    assert sorted(bucket.number for bucket in batch.states if bucket.width is Width.DAY) == sorted(days)
    assert batch.newest_us() == ((FIRST_DAY + 2) * 86_400 + 86_399) * 1_000_000


def test_anything_with_the_attributes_of_a_record_will_do():
    class Other:
        path, response_code, api_key, timestamp = "/x", 200, "k", 5
        api_name = api_id = org_id = oauth_id = alias = ""
        request_time, track_path = 1, False
        latency, graphql_stats, mcp_stats = Latency(2, 1), GraphQLStats(), MCPStats()

    from datetime import UTC, datetime

    aggregator = Aggregator()
    assert aggregator.add([Other()], lambda seconds: datetime.fromtimestamp(seconds, UTC)) == []
    twin = Record("/x", 200, "k", "1970-01-01T00:00:05Z", request_time=1, latency=Latency(2, 1))
    assert aggregator.close().states == batch_of([twin]).states

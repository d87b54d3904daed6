"""The aggregator: its fast loop beside the plain twin, and the laws of batches."""

from itertools import pairwise, permutations
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.batches import ALL, plain_states, rows_by_name, states_by_name
from tyk_endpoint_stats.core.aggregator import Aggregator, Rules
from tyk_endpoint_stats.core.batch import Counts, Kind
from tyk_endpoint_stats.core.record import GraphQLStats, Latency, MCPStats, Record
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY, odd_records, records
from tyk_endpoint_stats.testing.plain import plain_counts, plain_hits, plain_instant_us, plain_outcome

RULES = st.builds(Rules, st.booleans(), st.frozensets(st.sampled_from(("graphql", "mcp"))))
ANY_RECORDS = st.lists(records() | odd_records(), max_size=12)


def plain_names(some, rules):
    api_names, aliases = {}, {}
    for one in plain_hits(some, rules):
        for names, key, name in (
            (api_names, (one.org_id, one.api_id), one.api_name),
            (aliases, (one.org_id, str(one.kind), one.consumer_id), one.alias),
        ):
            if name and (names is api_names or one.kind != "everyone"):
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
    some = list(some)
    api_names, aliases, counts = {}, {}, Counts()
    for batch in some:
        for names, seen in ((api_names, batch.api_names), (aliases, batch.aliases)):
            for key, name in seen.items():
                names[key] = max(names.get(key, name), name)
        counts.merge(batch.counts)
    newest = max((batch.newest_us for batch in some if batch.newest_us is not None), default=None)
    return states_by_name(*some), api_names, aliases, counts, newest


@given(ANY_RECORDS, RULES, st.sampled_from((0, 1, 2**18)), st.sampled_from((0, 2, 32)))
def test_the_loop_is_what_the_plain_twin_says(some, rules, most_uncounted, most_cells):
    with (
        patch("tyk_endpoint_stats.core.aggregator.MAX_UNCOUNTED", most_uncounted),
        patch("tyk_endpoint_stats.core.aggregator.PIECE", 3),
        patch("tyk_endpoint_stats.core.running_batch.MAX_WAITING_CELLS", most_cells),
    ):
        the_loop_is_what_the_plain_twin_says(some, rules)


def the_loop_is_what_the_plain_twin_says(some, rules):
    aggregator = Aggregator(rules)
    malformed = aggregator.add(some)
    states = len(aggregator)
    batch = aggregator.close("s", "1", "2")
    assert states_by_name(batch) == plain_states(some, rules)
    assert batch.newest_us == max((one.at_us for one in plain_hits(some, rules)), default=None)
    assert (batch.api_names, batch.aliases) == plain_names(some, rules)
    assert batch.counts == plain_counts(some, rules)
    outcomes = [plain_outcome(record, rules) for record in some]
    assert malformed == [(n, why) for n, (what, why) in enumerate(outcomes) if what == "malformed"]
    for record, (what, why) in zip(some, outcomes, strict=True):
        if what != "malformed":
            assert aggregator.reason_to_skip(record) == (why if what == "skipped" else "")
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
        return merged(batches(some))[0] == plain_states(some) and all(
            merged(batches(order[:1], order[1:])) == merged(batches(some)) for order in permutations(some)
        )

    assert is_lawful()
    quarter_hour = Aggregator._quarter_hour

    def of_the_first(self, moment):
        return next(iter(self._quarter_hours.values()), None) or quarter_hour(self, moment)

    monkeypatch.setattr(Aggregator, "_quarter_hour", of_the_first)
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
    assert states_by_name(batch) == plain_states(some)
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
    assert states_by_name(batch) == states_by_name(batch_of([hit(timestamp=same_as)]))
    assert batch.newest_us == plain_instant_us(same_as)


def test_records_that_are_no_hits_have_a_reason_each():
    nobody = {"api_key": "", "oauth_id": ""}
    some = [
        hit(code=-1),
        hit(code=-1, graphql_stats=GraphQLStats(True), **nobody),
        hit(graphql_stats=GraphQLStats(True), mcp_stats=MCPStats(True)),
        hit(mcp_stats=MCPStats(True)),
        hit(mcp_stats=MCPStats(True), **nobody),
    ]
    aggregator = Aggregator()
    assert aggregator.add(some) == []
    assert aggregator.counts == Counts(read=5, skipped={"tcp": 2, "graphql": 1, "mcp": 2})
    assert states_by_name(aggregator.close()) == {}


def test_the_time_is_looked_at_before_anything_else():
    no_hits = [
        hit(code=-1),
        hit(graphql_stats=GraphQLStats(True)),
        hit(mcp_stats=MCPStats(True)),
        hit(org_id="i" * 600),
    ]
    for timestamp, reason in (
        ("", "no timestamp"),
        ("0001-01-01T00:00:00Z", "no timestamp"),
        ("soon", "timestamp"),
    ):
        aggregator = Aggregator(Rules(tracked_only=True))
        some = [replace(record, timestamp=timestamp) for record in no_hits]
        assert aggregator.add(some) == [(number, reason) for number in range(4)]
        assert aggregator.counts == Counts(read=4, malformed={reason: 4})


def test_a_hit_without_key_and_client_counts_for_everyone_alone():
    nobody = hit(api_key="", alias="Ann", api_name="API", latency_ms=5)
    batch = batch_of([nobody, hit(api_key="", oauth_id=""), hit(latency_ms=7)])
    assert batch.counts == Counts(read=3, counted=3)
    assert batch.aliases == {}
    assert {name: row.hits for name, row in rows_by_name(batch).items()} == {
        (FIRST_DAY, ("org-1", "everyone", ""), ("api-1", "/get")): 3,
        (FIRST_DAY, ("org-1", "everyone", ""), ALL): 3,
        (FIRST_DAY, ("org-1", "key", "k1"), ("api-1", "/get")): 1,
        (FIRST_DAY, ("org-1", "key", "k1"), ALL): 1,
    }


@pytest.mark.parametrize("codes", [(200,), (500,), (200, 500), (301, 200, 404)])
@pytest.mark.parametrize("timed", [0, 1, 2])
def test_a_hit_without_a_latency_is_a_hit_and_no_zero(codes, timed):
    some = [hit(code=code, latency=None, request_time=9) for code in codes]
    some += [hit(code=codes[0], latency_ms=50 + number) for number in range(timed)]
    for order in permutations(some, len(some)):
        states = states_by_name(batch_of(order))
        assert states == plain_states(order)
        for state, _ in states.values():
            assert (state.hits, state.timed_hits) == (len(some), timed)
            assert sum(state.histogram.values()) == timed
            assert (state.latency_ms is None) == (timed == 0)
            assert state.min_latency_all_ms == (50 if timed else None)


def test_rules_say_what_counts():
    graphql, mcp = hit(graphql_stats=GraphQLStats(True)), hit(mcp_stats=MCPStats(True))
    tracked = hit(track_path=True)
    aggregator = Aggregator(Rules(tracked_only=True, include=frozenset({"mcp"})))
    aggregator.add([graphql, mcp, tracked, hit()])
    assert aggregator.counts == Counts(read=4, counted=1, skipped={"graphql": 1, "untracked": 2})


def test_a_record_with_a_key_and_a_client_counts_for_both_and_once_for_everyone():
    batch = batch_of([hit(oauth_id="c1", alias="Ann"), hit(alias="Ann")])
    hits = {name[1][1:]: row.hits for name, row in rows_by_name(batch).items() if name[2] is not ALL}
    assert hits == {("key", "k1"): 2, ("oauth", "c1"): 1, ("everyone", ""): 2}
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
        assert states_by_name(batch_of(order)) == plain_states(order)


def test_a_path_that_is_too_long_is_cut_and_stays_itself():
    paths = ["/" + "p" * 3000 + end for end in ("a", "b")] + ["/" + "ü" * 1500]
    batch = batch_of([hit(path=path) for path in paths] * 2)
    assert [row.hits for row in batch.rows] == [2, 2, 2]
    assert len(batch.endpoints) == 3
    assert all(len(path.encode()) <= 2048 + 17 for _, path in batch.endpoints)


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


def test_what_is_held_grows_with_states_names_and_cells_and_starts_anew(monkeypatch):
    monkeypatch.setattr("tyk_endpoint_stats.core.aggregator.MAX_UNCOUNTED", 100)
    aggregator = Aggregator()
    held = [aggregator.held_bytes]
    for more in (
        [hit()],
        [hit(path="/" + "p" * 2_000)],  # a long name
        [hit(second=second) for second in range(0, 9_000, 900)],  # states
        [hit(code=code, latency_ms=latency) for code in range(200, 210) for latency in range(20)],  # cells
    ):
        aggregator.add(more)
        held.append(aggregator.held_bytes)
    assert held[0] == 0
    assert held[2] - held[1] > 2_000
    assert held == sorted(set(held))
    before = aggregator.held_bytes
    aggregator.add([hit()] * 1_000)
    assert aggregator.held_bytes == before, "hits alone take no memory"
    aggregator.close()
    assert (aggregator.held_bytes, len(aggregator)) == (0, 0)


def test_late_records_go_to_their_own_days():
    days = (FIRST_DAY - 5 * 365, FIRST_DAY, FIRST_DAY + 2, FIRST_DAY - 1)
    some = [hit(day, second) for second in (0, 86_399) for day in days] * 2
    batch = batch_of(some)
    assert states_by_name(batch) == plain_states(some)
    assert sorted({row.day for row in batch.rows}) == sorted(days)
    assert batch.newest_us == ((FIRST_DAY + 2) * 86_400 + 86_399) * 1_000_000


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
    assert states_by_name(aggregator.close()) == states_by_name(batch_of([twin]))

"""Our numbers beside Tyk Pump's: what differs is found, and what Pump is known to do is told by its numbers."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tyk_endpoint_stats import Consumer, Kind, Rules, read_records
from tyk_endpoint_stats.core.batch import Endpoint
from tyk_endpoint_stats.core.instants import from_datetime, parse_rfc3339
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import EdgeInsideBucket, InvalidQuestion
from tyk_endpoint_stats.maintenance.compare import Comparison, compare
from tyk_endpoint_stats.maintenance.reasons import REASONS, Case
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY
from tyk_endpoint_stats.tyk.pump_buckets import is_covered, time_ranges
from tyk_endpoint_stats.tyk.pump_counters import PumpCounter

VECTORS = Path(__file__).parents[1] / "vectors"
CASES = {case["name"]: case for case in json.loads(VECTORS.joinpath("cases.json").read_text("utf-8"))["cases"]}
OUTPUTS = {
    output["case"]: output
    for output in json.loads(VECTORS.joinpath("stores.json").read_text("utf-8"))["pump_store_outputs"]
}
HOUR_US = 3_600_000_000
EVER = Period.of()
KINDS = {"keyendpoints": Kind.KEY, "oauthendpoints": Kind.OAUTH}


class PumpRows:
    """What Tyk Pump left in one of its stores, read as our plugins read it: by hours that can't be divided."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self._rows = [row for row in rows if not row.get("broken")]

    def read(self, selection: Selection, /) -> Sequence[tuple[Group, EndpointStats]]:
        ranges = time_ranges(selection.spans)
        merged: dict[Group, PumpCounter] = {}
        for row in self._rows:
            if not is_covered(from_datetime(parse_rfc3339(row["bucket"])), HOUR_US, ranges):
                continue
            consumer = Consumer(KINDS[row["dimension"]], row["owner"])
            if selection.org_id not in (None, row["org_id"]) or selection.consumer_id not in (None, consumer.id):
                continue
            group = Group(
                consumer if Dimension.CONSUMER in selection.group_by else None,
                Endpoint(row["api_id"], row["path"]) if Dimension.ENDPOINT in selection.group_by else None,
            )
            merged.setdefault(group, PumpCounter()).merge(
                PumpCounter(
                    **{name: row[name] for name in ("hits", "success", "error")},
                    **{f"total_{name}_ms": row[f"total_{name}"] for name in ("request_time", *LATENCIES)},
                    **{
                        f"{which}_{name}_ms": row[f"{which}_{name}"]
                        for which in ("max", "min")
                        for name in LATENCIES
                    },
                    last_hit_us=from_datetime(parse_rfc3339(row["last_time"])),
                )
            )
        return [(group, counter.stats()) for group, counter in merged.items()]


LATENCIES = ("latency", "upstream_latency")


def ours_of(case: str, tmp_path: Path, rules: Rules | None = None) -> MemoryStore:
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in CASES[case]["records"]), "utf-8")
    store = MemoryStore()
    store.ingest(read_records(path), rules=rules)
    return store


def store_of(records: Iterable[Record]) -> MemoryStore:
    store = MemoryStore()
    store.merge(batch_of(records))
    return store


def told(comparison: Comparison) -> dict[str, str | None]:
    """Of all rows that differ: the name of the reason, by member."""
    return {
        member: one.reasons[member].name if member in one.reasons else None
        for one in comparison.differences
        for member in one.members
    }


MINIMUM = dict.fromkeys(("min_latency", "min_upstream_latency"), "an error's minimum")
NONE = dict.fromkeys(("min_latency", "min_upstream_latency"), "no minimum there")


@pytest.mark.parametrize(
    ("case", "where", "expected"),
    [
        ("seed_oauth_sample", "mongo_map", {"last_hit": "first of its flush"}),
        ("seed_oauth_sample", "sql", {"last_hit": "first of its flush"}),
        ("min_latency_error_then_success", "mongo_map", {"last_hit": "first of its flush", **MINIMUM}),
        ("min_latency_error_then_success", "sql", {"last_hit": "first of its flush", **MINIMUM}),
        ("min_latency_error_only", "mongo_map", NONE),
        ("min_latency_error_only", "mongo_lists", {"min_latency": "no minimum there"}),
        ("min_latency_error_only", "sql", {}),
        ("batch_spans_days", "mongo_map", {"last_hit": "first of its flush"}),
        ("key_with_dot", "mongo_map", {"hits": "dot in the id"}),
        ("key_with_dot", "sql", {}),
    ],
)
def test_what_pump_itself_made_of_records_is_told(
    case: str, where: str, expected: dict[str, str], tmp_path: Path
) -> None:
    found = compare(ours_of(case, tmp_path), PumpRows(OUTPUTS[case][where]), EVER)
    assert told(found) == expected
    assert found.rows == len(CASES[case]["expected"])


@pytest.mark.parametrize(("day", "ours", "theirs"), [(13, 1, 2), (14, 1, None)])
def test_a_flush_in_the_hour_of_its_first_record_is_told_on_both_days(
    day: int, ours: int, theirs: int | None, tmp_path: Path
) -> None:
    pump = PumpRows(OUTPUTS["batch_spans_days"]["mongo_map"])
    period = Period.of(date(2020, 10, day), date(2020, 10, day))
    found = compare(ours_of("batch_spans_days", tmp_path), pump, period)
    (difference,) = found.differences
    assert difference.members["hits"] == (ours, theirs)
    assert difference.reasons["hits"].name == "another hour"
    assert None not in told(found).values(), "what else differs is of those hits"


def test_paths_that_are_not_tracked_are_told(tmp_path: Path) -> None:
    case = "untracked_path_skipped"
    found = compare(ours_of(case, tmp_path), ours_of(case, tmp_path, Rules(tracked_only=True)), EVER)
    (difference,) = found.differences
    assert difference.members == {"hits": (1, None)}
    assert difference.reasons["hits"].name == "untracked path"


def test_records_without_an_organisation_are_told(tmp_path: Path) -> None:
    ours = ours_of("empty_org_dropped", tmp_path)
    homeless = [record for record in CASES["empty_org_dropped"]["records"] if not record.get("org_id")]
    assert homeless
    theirs = MemoryStore()
    path = tmp_path / "with.jsonl"
    with_org = [record for record in CASES["empty_org_dropped"]["records"] if record.get("org_id")]
    path.write_text("".join(json.dumps(record) + "\n" for record in with_org), "utf-8")
    theirs.ingest(read_records(path))
    assert told(compare(ours, theirs, EVER))["hits"] == "no organisation"


HITS = [hit(second=second, latency_ms=10 + second) for second in range(10)]


def test_equal_stores_do_not_differ() -> None:
    assert compare(store_of(HITS), store_of(reversed(HITS)), EVER) == Comparison(rows=1, differences=[])


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (HITS, [*HITS, *HITS], "counted twice there"),
        ([*HITS, *HITS], HITS, "counted twice here"),
        (HITS, [*HITS, *HITS[3:6]], "counted twice in part"),
        (HITS, [*HITS, hit(FIRST_DAY + 1)], "not ingested yet"),
        (HITS, [*HITS, hit(FIRST_DAY - 1)], "before our records"),
        ([*HITS, hit(FIRST_DAY + 1)], HITS, "not flushed yet"),
        ([*HITS, hit(second=2, path="/other")], HITS, "untracked path"),
        (HITS[:4], [*HITS[:4], hit(second=1, latency_ms=900)], None),
        (HITS, HITS[:6] + HITS[7:], None),
    ],
)
def test_hits_that_are_too_many_or_too_few_are_told_by_what_else_is_known(
    ours: list[Record], theirs: list[Record], reason: str | None
) -> None:
    found = compare(store_of(ours), store_of(theirs), EVER)
    assert told(found)["hits"] == reason
    assert all(name in ("other hits", reason) for member, name in told(found).items() if member != "hits")


def test_numbers_of_older_pumps_and_of_sql_are_told() -> None:
    class Changed:
        """Our own states, with something of theirs."""

        def __init__(self, **changes: object) -> None:
            self._changes = changes

        def read(self, selection: Selection, /) -> Sequence[tuple[Group, EndpointStats]]:
            return [(group, replace(state, **self._changes)) for group, state in store_of(HITS).read(selection)]

    stale = compare(store_of(HITS), Changed(total_request_time_ms=0), EVER)
    assert told(stale) == {"request_time": "stale request_time"}
    untimed = {"timed_hits": 0, "total_latency_ms": 0, "total_upstream_latency_ms": 0, "max_latency_ms": None}
    assert set(told(compare(store_of(HITS), Changed(**untimed), EVER)).values()) == {"no latency there"}
    many = [hit(latency_ms=10**11)] * 30
    other = [*many[1:], hit(latency_ms=10**11 - 1)]
    rounded = told(compare(store_of(many), store_of(other), EVER))
    assert {rounded[name] for name in ("request_time", "latency", "upstream_latency")} == {"rounding"}


def test_a_row_that_the_other_store_alone_has_is_found() -> None:
    found = compare(store_of(HITS), store_of([*HITS, hit(api_key="other", second=3)]), EVER)
    (difference,) = found.differences
    assert (difference.case.consumer, difference.members) == (Consumer.key("other"), {"hits": (None, 1)})


def test_the_row_with_the_largest_difference_comes_first_and_a_filter_holds_in_both() -> None:
    ours = [*HITS, hit(path="/b"), hit(path="/b", second=1), hit(path="/c", oauth_id="client", api_key="")]
    found = compare(store_of(ours), store_of([]), EVER)
    assert [one.case.endpoint.path for one in found.differences] == ["/get", "/b", "/c"]
    some = compare(store_of(ours), store_of([]), EVER, Filter(path="/b"))
    assert [one.members["hits"] for one in some.differences] == [(2, None)]


def test_what_can_not_be_compared_is_refused() -> None:
    with pytest.raises(InvalidQuestion, match="comparison"):
        compare(store_of([]), store_of([]), EVER, Filter(q="text"))
    pump = PumpRows(OUTPUTS["batch_spans_days"]["mongo_map"])
    with pytest.raises(EdgeInsideBucket):
        compare(store_of([]), pump, Period.of(datetime(2020, 10, 13, 23, 15), None))


def test_every_reason_is_told_by_a_test_above_and_says_a_sentence() -> None:
    source = Path(__file__).read_text("utf-8")
    for reason in REASONS:
        assert f'"{reason.name}"' in source
        assert reason.text.endswith((".", ")."))
        assert reason.explains


def test_no_reason_holds_of_rows_that_are_equal() -> None:
    """A reason that always holds would explain anything: this is its broken twin's trap."""
    state = EndpointStats(hits=2, success=2, timed_hits=2, total_latency_ms=4, max_latency_ms=2, last_hit_us=5)
    case = Case(consumer=Consumer.key("k"), endpoint=Endpoint("a", "/"), ours=state, theirs=state.copy())
    for reason in REASONS:
        assert not any(reason.holds(case, member) for member in reason.explains), reason.name


def test_a_record_without_latency_has_none_there_and_here() -> None:
    untimed = [hit(latency=None)]
    assert compare(store_of(untimed), store_of(untimed), EVER).differences == []

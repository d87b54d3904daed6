"""The demo's traffic: reproducible, and with everything in it that real data has."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import islice, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tyk_endpoint_stats import Kind, Record, open_store
from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.demo import FORMATS, Traffic
from tyk_endpoint_stats.demo.formats import CSV_HEADER
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.stores.base import Store

pytestmark = pytest.mark.slow

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return list(Traffic(records=10_000).lines())


@pytest.fixture(scope="module")
def rows(lines: list[bytes]) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def store_and_counts() -> Iterator[tuple[Store, Counts]]:
    """What is asked about the first 5,000."""
    with open_store("memory://") as store:
        yield store, store.ingest(Traffic(records=5000).decoded()).counts


def written(traffic: Traffic, form: str) -> bytes:
    file = io.BytesIO()
    traffic.write(file, form)
    return file.getvalue()


def test_the_same_seed_gives_the_same_bytes_on_every_machine() -> None:
    digest = sha256(b"".join(Traffic(records=1000).lines())).hexdigest()
    assert digest == "50772393e6d907430bf7b3ee969840e0c78afe4ba96de572220717cec83d82fe"


def test_another_seed_gives_other_callers() -> None:
    assert Traffic(records=1, seed=2).busiest(Kind.KEY) != Traffic(records=1).busiest(Kind.KEY)


@pytest.mark.parametrize("records", [0, 1, 7, 5000])
def test_there_are_as_many_records_as_asked_for(records: int) -> None:
    assert sum(1 for _ in Traffic(records=records, full=False).lines()) == records


def test_a_full_record_has_the_fields_of_a_real_one_in_their_order() -> None:
    real = json.loads((VECTORS / "records.json").read_text())["records"][0]["json"]
    made = json.loads(next(Traffic(records=1).lines()))

    def shape(value: object) -> object:
        return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else None

    assert json.dumps(shape(made)) == json.dumps(shape(real))


def test_lean_and_full_lines_say_the_same() -> None:
    decode = msgspec.json.Decoder(Record).decode
    full, lean = (Traffic(records=3000, full=full) for full in (True, False))
    assert [decode(line) for line in full.lines()] == [decode(line) for line in lean.lines()]
    assert list(full.decoded()) == list(lean.decoded())


def test_every_kind_of_row_occurs(rows: list[dict]) -> None:  # type: ignore[type-arg]
    codes = Counter(row["response_code"] for row in rows)
    assert {200, 201, 204, 301, 304, 400, 401, 403, 404, 429, 500, 502, 503, 504, -1} == set(codes)
    assert codes[200] > len(rows) / 2
    assert all(row["api_key"] == "00000000" for row in rows if row["response_code"] in (401, -1))
    assert any(row["latency"]["total"] == 0 for row in rows if row["response_code"] == 403)  # an old gateway
    assert any(
        row["latency"]["total"] > 0 == row["latency"]["upstream"] for row in rows if row["response_code"] == 403
    )
    for flag in (
        lambda row: row["graphql_stats"]["IsGraphQL"],
        lambda row: row["mcp_stats"]["is_mcp"],
        lambda row: row["org_id"] == "",
        lambda row: row["alias"] == "",
        lambda row: "." in row["api_key"],
        lambda row: ":" in row["api_key"],
        lambda row: " " in row["api_key"],
        lambda row: not row["api_key"].isascii(),
        lambda row: not row["alias"].isascii(),
        lambda row: len(row["api_key"]) == 64,
        lambda row: len(row["oauth_id"]) == 32,
        lambda row: ".apps." in row["oauth_id"],
        lambda row: row["track_path"] and "{id}" in row["path"],
        lambda row: row["timestamp"].endswith("+05:30"),
        lambda row: len(row["timestamp"]) == len("2026-10-31T13:22:49.123456789Z"),
    ):
        assert 0 < sum(map(flag, rows)) < len(rows)


def test_a_few_keys_and_endpoints_make_most_of_the_traffic(rows: list[dict]) -> None:  # type: ignore[type-arg]
    for field in ("api_key", "path"):
        ranked = [count for _, count in Counter(row[field] for row in rows).most_common()]
        assert sum(ranked[:10]) > 0.3 * len(rows)
        assert len(ranked) > 100


def test_people_sleep_and_have_weekends() -> None:
    zone = ZoneInfo("America/New_York")
    moments = [
        datetime.fromisoformat(json.loads(line)["timestamp"]).astimezone(zone)
        for line in Traffic(records=5000, full=False, zone="America/New_York", days=28).lines()
    ]
    by_hour = Counter(moment.hour for moment in moments)
    by_day = Counter(moment.weekday() for moment in moments)
    assert by_hour[11] > 5 * by_hour[3]
    assert by_day[2] > 2 * by_day[6]
    assert max(moments).date() <= date(2026, 10, 31)
    assert min(moments).date() >= date(2026, 10, 3)  # two hours late at most


def test_records_come_nearly_in_order_and_some_twice(lines: list[bytes], rows: list[dict]) -> None:  # type: ignore[type-arg]
    moments = [datetime.fromisoformat(row["timestamp"]).astimezone(UTC) for row in rows]
    backwards = sum(later < earlier for earlier, later in pairwise(moments))
    assert 0 < backwards < len(moments) / 20
    assert 0 < len(lines) - len(set(lines)) < len(lines) / 100


def test_an_hour_is_an_hour() -> None:
    lines = Traffic(records=5000, days=1 / 24, full=False).lines()
    moments = [datetime.fromisoformat(json.loads(line)["timestamp"]) for line in lines]
    assert {moment.astimezone(UTC).hour for moment in moments} <= {21, 22, 23}  # late ones included
    assert sum(moment.astimezone(UTC).hour == 23 for moment in moments) > 4900


@pytest.mark.parametrize("kind", list(Kind))
def test_the_busiest_consumers_have_data(kind: Kind, store_and_counts: tuple[Store, Counts]) -> None:
    store, _ = store_and_counts
    busiest = Traffic(records=5000).busiest(kind)
    rows = store.endpoints(busiest, date(2026, 10, 1), date(2026, 10, 31))
    assert store.consumers(kind=kind)[0].id == busiest.id
    assert len(rows) > 10
    assert rows[0].hits > 10


def test_what_is_no_hit_is_skipped_by_reason(store_and_counts: tuple[Store, Counts]) -> None:
    _, counts = store_and_counts
    assert set(counts.skipped) == {"tcp", "graphql", "mcp"}
    assert counts.counted + sum(counts.skipped.values()) == counts.read == 5000


def test_pump_mixes_its_log_lines_with_records() -> None:
    traffic = Traffic(records=1000)
    lines = [json.loads(line) for line in written(traffic, "pump-stdout").splitlines()]
    records = [line["tyk-analytics-record"] for line in lines if "tyk-analytics-record" in line]
    assert records == [json.loads(line) for line in traffic.lines()]
    assert len(lines) == len(records) + 5


def test_the_csv_has_pumps_columns_and_traps() -> None:
    header = json.loads((VECTORS / "records.json").read_text())["csv_header"]
    rows = list(csv.reader(io.StringIO(written(Traffic(records=2000), "pump-csv").decode())))
    assert ",".join(rows[0]) == ",".join(CSV_HEADER) == header
    assert {len(row) for row in rows} == {42}
    records = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert len(records) == 2000
    assert {record["Month"] for record in records} == {"October"}
    assert "18446744073709551615" in {record["ResponseCode"] for record in records}
    assert {record["TimeStamp"].partition(" +")[2] for record in records} == {"0000 UTC", "0530 IST"}


def test_arrays_hold_the_same_records() -> None:
    traffic = Traffic(records=1050)
    lines = [json.loads(line) for line in written(traffic, "arrays").splitlines()]
    assert [len(array) for array in lines] == [100] * 10 + [50]
    assert [record for array in lines for record in array] == [json.loads(line) for line in traffic.lines()]


def test_every_format_is_tested() -> None:
    assert set(FORMATS) == {"jsonl", "pump-stdout", "pump-csv", "arrays"}


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidQuestion, match="jsonl, pump-stdout, pump-csv"):
        Traffic(records=1).write(io.BytesIO(), "xml")


def test_traffic_without_clients_has_no_busiest_one() -> None:
    with pytest.raises(InvalidQuestion, match="no OAuth clients"):
        Traffic(records=1, clients=0).busiest(Kind.OAUTH)


def test_lines_stream_however_many_there_are() -> None:
    assert len(list(islice(Traffic(records=10**9, days=1 / 24).lines(), 3))) == 3

"""``endpoints`` and ``consumers``: the answer in each format."""

import csv
import io
import json
import re
from datetime import date

import pytest

from tyk_endpoint_stats import Consumer, Kind, open_store
from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.questions.csv_text import csv_cell
from tyk_endpoint_stats.web.tyk_json import endpoints_body

RANGE = ("--from", "2026-10-02", "--to", "2026-10-31")
DAYS = (date(2026, 10, 2), date(2026, 10, 31))


@pytest.fixture
def busiest(traffic):
    return {kind: traffic.busiest(kind).id for kind in Kind}


@pytest.fixture
def rows(store, busiest):
    with open_store(store) as opened:
        return opened.endpoints(Consumer.key(busiest[Kind.KEY]), *DAYS)


def test_json_has_all_there_is_to_know(run, store, busiest, rows):
    answer = json.loads(
        run("endpoints", "--store", store, "--key", busiest[Kind.KEY], *RANGE, "--format", "json").stdout
    )
    assert [row["hits"] for row in answer] == [row.hits for row in rows]
    first, row = answer[0], rows[0]
    assert (first["api_id"], first["api_name"], first["path"]) == (row.api_id, row.api_name, row.path)
    assert sum(first["codes"].values()) == row.hits == first["hits"]
    assert first["latency"] == pytest.approx(row.latency)
    assert row.stats.min_latency_ms <= first["p50"] <= first["p95"] <= first["p99"] <= row.max_latency * 1.02
    assert first["first_hit"] < first["last_hit"]
    assert re.fullmatch(r"2026-10-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", first["last_hit"])


def test_every_format_has_the_same_rows(run, store, busiest):
    def ask(form):
        return run("endpoints", "--store", store, "--key", busiest[Kind.KEY], *RANGE, "--format", form).stdout

    answer = json.loads(ask("json"))
    assert [json.loads(line) for line in ask("ndjson").splitlines()] == answer
    from_csv = list(csv.DictReader(io.StringIO(ask("csv"))))
    assert [row["path"] for row in from_csv] == [row["path"] for row in answer]
    assert [int(row["hits"]) for row in from_csv] == [row["hits"] for row in answer]
    assert list(from_csv[0]) == list(answer[0])
    table = ask("table").splitlines()
    assert len(table) == 1 + len(answer) + 2, "a heading, the rows, the total, when it was"
    assert [line.split()[2 if "API" not in line else 3] for line in table[1:3]]
    assert all(row["path"] in line for row, line in zip(answer, table[1:-2], strict=True))


@pytest.mark.parametrize("kind", list(Kind))
def test_tyks_format_is_the_routes_answer_byte_for_byte(run, store, busiest, kind):
    option = "--key" if kind is Kind.KEY else "--oauth-client"
    printed = run(
        "endpoints",
        "--store",
        store,
        option,
        busiest[kind],
        *RANGE,
        "--timezone",
        "Asia/Kolkata",
        "--format",
        "tyk",
    ).stdout_bytes
    with open_store(store) as opened:
        rows = opened.endpoints(Consumer(kind, busiest[kind]), *DAYS, zone="Asia/Kolkata")
    assert len(rows) > 10
    assert printed == endpoints_body(rows, 1) + b"\n"


def test_times_are_printed_in_the_zone_asked_for(run, store, busiest):
    asked = ("endpoints", "--store", store, "--key", busiest[Kind.KEY], *RANGE, "--timezone", "Asia/Kolkata")
    table = run(*asked).stdout
    assert table.splitlines()[-1] == "Hits from 2026-10-02 to 2026-10-31 (Asia/Kolkata)."
    assert '+05:30"' in run(*asked, "--format", "json").stdout


def test_an_api_and_an_organisation_can_be_picked(run, store, busiest, rows):
    picked = rows[0].api_id
    asked = ("endpoints", "--store", store, "--key", busiest[Kind.KEY], *RANGE, "--format", "json")
    answer = json.loads(run(*asked, "--api-id", picked).stdout)
    assert {row["api_id"] for row in answer} == {picked}
    assert len(answer) == sum(row.api_id == picked for row in rows)
    assert json.loads(run(*asked, "--org-id", "nobody").stdout) == []


def test_nobody_is_an_empty_answer_and_a_word_on_stderr(run, store):
    result = run("endpoints", "--store", store, "--key", "nobody", *RANGE, "--format", "csv")
    assert result.exit_code == 0
    assert result.stdout.startswith('"api_id","api_name","path","hits"')
    assert result.stdout.count("\n") == 1
    assert "No requests of this key from 2026-10-02 to 2026-10-31 (UTC)" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--key KEY or --oauth-client ID"),
        (("--key", "a", "--oauth-client", "b"), "--key KEY or --oauth-client ID"),
    ],
)
def test_exactly_one_consumer_must_be_named(run, store, arguments, message):
    result = run("endpoints", "--store", store, *arguments, *RANGE)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("day", ["31.10.2026", "2026-02-30", "tomorrow", "20261031"])
def test_a_bad_day_is_wrong_usage_and_named(run, store, day):
    result = run("endpoints", "--store", store, "--key", "k", "--from", day, "--to", "2026-10-31")
    assert result.exit_code == 2
    assert "--from" in result.stderr
    assert day in result.stderr


def test_a_bad_zone_is_wrong_usage_and_says_what_a_good_one_is(run, store):
    result = run("endpoints", "--store", store, "--key", "k", *RANGE, "--timezone", "IST+5")
    assert result.exit_code == 2
    assert "'IST+5' is not known" in result.stderr
    assert "Asia/Kolkata" in result.stderr


def test_consumers_are_listed_busiest_first(run, store, traffic, busiest):
    answer = json.loads(run("consumers", "--store", store, "--format", "json").stdout)
    assert answer[0]["id"] == busiest[Kind.KEY]
    assert [row["hits"] for row in answer] == sorted((row["hits"] for row in answer), reverse=True)
    oauth = json.loads(run("consumers", "--store", store, "--kind", "oauth", "--format", "json").stdout)
    assert oauth == [row for row in answer if row["kind"] == "oauth"]
    assert oauth[0]["alias"]


def test_consumers_of_some_days_are_fewer(run, store):
    def hits(*arguments):
        rows = json.loads(run("consumers", "--store", store, "--format", "json", *arguments).stdout)
        return sum(row["hits"] for row in rows)

    early = hits("--to", "2026-10-15")
    late = hits("--from", "2026-10-16", "--timezone", "UTC")
    assert early > 0 < late
    assert early + late == hits()


def test_consumers_of_an_empty_store_say_so(run):
    assert run("ingest", "--store", "sqlite:///new.db", "-", stdin=b"").exit_code == 0
    result = run("consumers", "--store", "sqlite:///new.db")
    assert result.exit_code == 0
    assert result.stderr == (
        "No consumers were seen.\nThe store has no hits at all yet: tyk-endpoint-stats ingest FILE brings some.\n"
    )
    assert result.stdout == "", "an empty table has no heading"


HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "＝1",
    "\x1b]0;title\x07",
    "a\nb",
    "rtl\u202etxt",
    "\u2028",
    "null\x00byte",
    'quote"d, cell',
    "日本語のパス",
]


@pytest.fixture
def hostile_store(run, tmp_path):
    lines = [
        json.dumps(
            {
                "path": text,
                "alias": text,
                "api_name": text,
                "api_id": text,
                "api_key": f"k{text}",
                "response_code": 200,
                "timestamp": "2026-10-13T10:00:00Z",
            }
        )
        for text in HOSTILE
    ] + [
        json.dumps({"path": text, "api_key": "all", "response_code": 200, "timestamp": "2026-10-13T10:00:00Z"})
        for text in HOSTILE
    ]
    tmp_path.joinpath("hostile.jsonl").write_text("\n".join(lines) + "\n")
    assert run("ingest", "--store", "sqlite:///hostile.db", "hostile.jsonl").exit_code == 0
    return "sqlite:///hostile.db"


def test_no_cell_of_a_csv_is_a_formula(run, hostile_store):
    for command in (["consumers"], ["endpoints", "--key", "all", *RANGE]):
        cells = [
            cell
            for row in csv.reader(io.StringIO(run(*command, "--store", hostile_store, "--format", "csv").stdout))
            for cell in row
        ]
        guarded = [cell for cell in cells if cell.startswith("'")]
        assert len(guarded) >= 7
        assert not [cell for cell in cells if cell and cell[0] in "=+-@\t\r＝＋－＠"]


@pytest.mark.parametrize("form", ["table", "json", "ndjson"])
def test_hostile_text_can_not_reach_the_terminal(run, hostile_store, form):
    for command in (["consumers"], ["endpoints", "--key", "all", *RANGE]):
        printed = run(*command, "--store", hostile_store, "--format", form).stdout
        assert not [char for char in printed if not char.isprintable() and char != "\n"]
        assert len(printed.splitlines()) >= len(HOSTILE)
        if form != "table":
            assert printed.isascii()


def test_numbers_of_a_csv_stay_numbers():
    assert csv_cell(-1) == -1
    assert csv_cell("-1") == "'-1"
    assert csv_cell("plain") == "plain"
    assert csv_cell(None) is None


def test_printable_text_stays_as_it_is():
    assert printable("Müller & Söhne, 日本") == "Müller & Söhne, 日本"
    assert printable("a\nb") == "a\nb"
    assert printable("a\nb", keep_newlines=False) == r"a\nb"

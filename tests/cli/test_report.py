"""``report``: the pages as one file."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tyk_endpoint_stats import Kind
from tyk_endpoint_stats.demo import Traffic


def test_a_consumers_page_is_written_as_one_file(run: Run, store: str, traffic: Traffic, tmp_path: Path) -> None:
    busiest = traffic.busiest(Kind.KEY)
    done = run("report", "--store", store, "--key", busiest.id, "--period", "2026-10", "-o", "r.html")
    assert (done.exit_code, done.output) == (0, "")
    text = tmp_path.joinpath("r.html").read_text(encoding="utf-8")
    (hits,) = re.findall(r'<dt>Requests</dt><dd class="value">([\d\u202f]+)</dd>', text)
    rows = run(
        "endpoints",
        "--store",
        store,
        "--key",
        busiest.id,
        "--from",
        "2026-10-01",
        "--to",
        "2026-10-31",
        "--format",
        "csv",
    )
    assert int(hits.replace("\u202f", "")) == _sum_of_hits(rows.stdout)
    assert "<script" not in text


def _sum_of_hits(text: str) -> int:
    import csv

    return sum(int(row["hits"]) for row in csv.DictReader(text.splitlines()))


def test_everything_and_an_endpoint_go_to_stdout(run: Run, store: str) -> None:
    whole = run("report", "--store", store, "--from", "2026-10-01", "--to", "2026-10-31", "-o", "-")
    assert "<h1>Everything</h1>" in whole.stdout
    path = re.findall(r"<code>(/v1/<wbr>\w+)</code>", whole.stdout)[0].replace("<wbr>", "")
    unknown = run("report", "--store", store, "--path", path, "--api-id", "no", "--period", "2026-10", "-o", "-")
    assert "Not called by anyone" in unknown.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--key", "k", "--path", "/x"), "exclude each other"),
        (("--period", "2026-10", "--from", "2026-10-01"), "exclude each other"),
        (("--period", "rubbish"), "is no time"),
        (("--from", "rubbish"), "is no time"),
        ((), "-o"),
    ],
)
def test_wrong_usage_is_named(run: Run, store: str, arguments: tuple[str, ...], words: str) -> None:
    output = ("-o", "r.html") if arguments else ()
    done = run("report", "--store", store, *arguments, *output)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_place_that_cannot_be_written_to_is_named(run: Run, store: str) -> None:
    done = run("report", "--store", store, "-o", "no/such/folder/r.html")
    assert done.exit_code == 1
    assert "can't be written" in done.stderr

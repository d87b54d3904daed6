"""The README's blocks run: the commands as printed, the Python, every row of the table of sources."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.printed import printed_by, shell
from tyk_endpoint_stats import Consumer, open_store
from tyk_endpoint_stats.demo import Traffic
from tyk_endpoint_stats.errors import StoreError

TOP = Path(__file__).parents[1]
README = TOP.joinpath("README.md").read_text(encoding="utf-8")
KEY = "7f3c3ca87376cabe"


def block(language, after=""):
    return re.search(rf"```{language}\n(.*?)```", README[README.index(after) :], re.DOTALL)[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with a file of records, and the program on the PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    lines = [
        b'{"path":"/get","api_id":"79fc","api_key":"%s","response_code":200,"latency":{"total":%d,"upstream":1},'
        b'"timestamp":"2020-10-13T10:00:00Z"}\n' % (KEY.encode(), total)
        for total in (100, 201)
    ]
    tmp_path.joinpath("analytics.jsonl").write_bytes(b"".join(lines))
    return tmp_path


def test_the_python_runs_as_printed(folder):
    lines = block("python", "## In Python")
    done = subprocess.run([sys.executable, "-c", lines], cwd=folder, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == "/get 2 150.5\n"
    assert len([line for line in lines.splitlines() if line and not line.startswith(("from ", "import "))]) <= 5


def test_what_the_python_says_about_rows_is_true(folder):
    exec(block("python", "## In Python"), {})
    with open_store("sqlite:///stats.db") as store:
        from datetime import date

        row = store.endpoints(Consumer.key(KEY), date(2020, 10, 13), date(2020, 10, 14))[0]
    assert row.stats.codes == {200: 2}
    assert row.stats.latency_percentile_ms(95) == pytest.approx(201, rel=0.02)


def test_the_commands_for_your_own_data_run_as_printed(folder):
    commands = block("console", "## Your own data").splitlines()
    ingest, consumers, endpoints, serve = commands
    assert "analytics.jsonl: 2 read" in shell(folder, ingest)  # once as a reader runs it
    assert KEY in printed_by(folder, consumers)
    assert "/get" in printed_by(folder, endpoints)
    folder.joinpath("tokens").write_text("0123456789abcdef0123\n")
    folder.joinpath("tokens").chmod(0o600)
    program = subprocess.Popen(
        ["bash", "-c", f"exec {serve} --port 0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = re.search("http://[^,]+", program.stdout.readline())[0]
        curl = block("console", "## The routes").strip().replace("http://127.0.0.1:3000", url)
        answer = shell(folder, f"TOKEN=0123456789abcdef0123; {curl} --silent")
    finally:
        program.terminate()
        program.communicate(timeout=20)
    assert answer.startswith('{"data":[{"id":{"day":0')
    assert '"hits":2' in answer


def rows_of_sources():
    table = README[README.index("| you have | run |") :].split("\n\n")[0]
    rows = [line.strip("| ").replace("\\|", "¦").split(" | ") for line in table.splitlines()[2:]]
    return {have: re.search("`(.*?)`", run)[1].replace("¦", "|") for have, run in rows}


RUN = {
    "a file of records, a JSON object a line": ("jsonl", "analytics.jsonl"),
    "Tyk Pump's stdout pump (`format: json`), in a file": ("pump-stdout", "pump.log"),
    "… in a container's log": ("pump-stdout", "-"),
    "… or arrays of records, as MDCB gets them": ("array", "mdcb.json"),
    "Tyk Pump's CSV": ("pump-csv", "csv/2026-October-31-20.csv"),
    "rotated and compressed files": ("jsonl", "logs/analytics.1"),
    "a file that grows": ("jsonl", "analytics.jsonl"),
    "paths with ids in them": ("jsonl", "analytics.jsonl"),
    "… and questions meanwhile": ("jsonl", "analytics.jsonl"),
}
ON_SERVERS = {
    "a gateway's Redis, and no Tyk Pump",
    "Tyk Pump's raw records, in MongoDB",
    "Tyk Pump's raw records, in PostgreSQL",
    "only Tyk Pump's aggregates, in MongoDB",
    "only Tyk Pump's aggregates, in PostgreSQL",
}
"""These are tried by ``test_readme_servers.py``."""


def hits_counted(folder):
    try:
        with open_store("sqlite:///tyk-endpoint-stats.db") as store:
            return sum(row.hits for row in store.consumers())
    except StoreError:  # being made at this moment
        return 0


def ended_when_counted(folder, command):
    """What a command says that goes on for ever, and is told to end once it has counted."""
    program = subprocess.Popen(
        ["bash", "-c", command.replace("| ", "| exec ", 1) if "|" in command else f"exec {command}"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 90
        while not folder.joinpath("tyk-endpoint-stats.db").exists() or hits_counted(folder) <= 300:
            assert program.poll() is None or "|" in command, program.communicate()[0]
            assert time.monotonic() < deadline, "nothing was counted"
            time.sleep(0.1)
        if "|" not in command:
            program.terminate()  # a pipe that ended has ended the other
        report = program.communicate(timeout=60)[0]
    finally:
        program.kill()
    assert program.returncode == 0, report
    return report


def rows_of_wrappers():
    table = README[README.index("| records from | as |") :].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {have: name.strip("`") for have, name in rows}


@pytest.mark.parametrize("have", rows_of_wrappers())
def test_a_row_of_the_table_of_wrappers_works(folder, have):
    (sample,) = TOP.joinpath("tests", "field").glob(f"*/{rows_of_wrappers()[have]}")
    shutil.copy(sample, folder)
    report = printed_by(folder, f"tyk-endpoint-stats ingest {sample.name}")
    assert re.search(r"counted +[1-9]", report)
    assert re.search(r"malformed +0\n", report)


def test_every_row_of_the_table_of_sources_is_tried():
    assert set(rows_of_sources()) == set(RUN) | ON_SERVERS


@pytest.mark.parametrize("have", RUN)
def test_a_row_of_the_table_of_sources_works(folder, have):
    form, place = RUN[have]
    command = rows_of_sources()[have]
    traffic = Traffic(records=300, full=False)
    file = folder / ("stream" if place == "-" else place)
    file.parent.mkdir(exist_ok=True)
    with file.open("wb") as out:
        traffic.write(out, "jsonl" if form == "array" else form)
    if form == "array":
        file.write_bytes(b"[" + b",".join(file.read_bytes().splitlines()) + b",null]\n")
    command = command.replace("docker logs -f tyk-pump", "cat stream").removeprefix("tyk-endpoint-stats ")
    if not command.startswith("cat "):
        command = f"tyk-endpoint-stats {command}"
    serves = " serve " in command
    if serves:
        command += f" --port 0 --token {KEY}"
    report = ended_when_counted(folder, command) if serves or "--follow" in command else printed_by(folder, command)
    if not serves:
        assert "counted" in report
        assert re.search(r"malformed +1 +\(null 1\)\n" if form == "array" else r"malformed +0\n", report)
    with open_store("sqlite:///tyk-endpoint-stats.db") as store:
        assert sum(row.hits for row in store.consumers()) > 300


def test_the_demo_command_serves_from_the_environment_it_makes():
    command = block("console", "<!-- ci: serve -->").strip()
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install --quiet . && ")
    assert command.endswith(".venv/bin/python -m tyk_endpoint_stats serve --demo")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert TOP.joinpath(target).exists(), target


def test_the_view_for_other_tools_is_as_printed(folder):
    printed_by(folder, block("console", "## Your own data").splitlines()[0])
    if shutil.which("sqlite3"):
        printed = shell(folder, re.search(r"`(sqlite3 stats\.db '[^']+')`", README)[1])
    else:
        import sqlite3

        query = re.search(r"`sqlite3 stats\.db '([^']+)'`", README)[1]
        connection = sqlite3.connect("stats.db")
        printed = str(connection.execute(query).fetchall())
        connection.close()
    assert KEY in printed
    assert "/get" in printed

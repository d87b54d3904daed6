"""Nothing of the working folder or of Python's environment is ever run by a process that reads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tyk_endpoint_stats
from tyk_endpoint_stats.ingest import parallel, worker_pool
from tyk_endpoint_stats.ingest.parallel import ingest_all
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.stores.memory import MemoryStore

pytestmark = pytest.mark.slow

PLANTED = ("json", "sitecustomize", "usercustomize", "signal", "gzip", "msgspec", "tyk_endpoint_stats")
"""Each of them says that it was run, and then does nothing of what is expected of it."""


@pytest.fixture(autouse=True)
def worth_it(monkeypatch):
    monkeypatch.setattr(parallel, "WORTH_BYTES", 0)


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A working folder and a PYTHONPATH with modules that were planted; gives the names of those that ran."""
    ran = tmp_path / "ran"
    for folder in ("working", "path"):
        (tmp_path / folder).mkdir()
        for name in PLANTED:
            code = f"open({str(ran)!r}, 'a').write({f'{folder}/{name} '!r})\n"
            (tmp_path / folder / f"{name}.py").write_text(code)
    monkeypatch.chdir(tmp_path / "working")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}/path")
    monkeypatch.setenv("PYTHONSTARTUP", f"{tmp_path}/path/json.py")
    monkeypatch.setenv("PYTHONUSERBASE", f"{tmp_path}/path")
    # As in a program that was begun with `python -c`, or from a prompt.
    monkeypatch.setattr(sys, "path", ["", f"{tmp_path}/path", *sys.path])
    return lambda: ran.read_text() if ran.exists() else ""


@pytest.fixture
def file(tmp_path):
    record = {"path": "/a", "api_key": "k", "response_code": 200, "timestamp": "2020-10-13T10:00:00Z"}
    path = tmp_path / "log"
    path.write_bytes((json.dumps(record) + "\n").encode() * 100)
    return path


def ingested(file):
    """How many hits of a file two processes count; what ended it, if anything did."""
    with MemoryStore() as store:
        ((report, problem),) = ingest_all(store, [FileSource(str(file))], jobs=2)
        return report.counts.counted, problem


def test_nothing_that_was_planted_is_run(hostile, file):
    assert ingested(file) == (100, None)
    assert hostile() == ""


@pytest.mark.parametrize(
    ("options", "path", "ran"),
    [
        ([], "sys.path", "path/sitecustomize"),
        (["-E"], "sys.path", "working/json"),
        (["-I"], "sys.path", "working/signal"),
    ],
)
def test_that_catches_workers_that_run_it(hostile, file, monkeypatch, options, path, ran):
    """The broken twins: an interpreter that is not isolated, and one that takes over the parent's ``sys.path``."""
    start = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); {IMPORT}"
    command = [sys.executable, *options, "-c", start, json.dumps(sys.path)]
    monkeypatch.setattr(worker_pool, "worker_command", lambda: command)
    ingested(file)
    assert ran in hostile()


IMPORT = "import signal; from tyk_endpoint_stats.ingest.worker import main; main()"


def test_a_worker_runs_the_package_that_its_parent_runs(tmp_path, file):
    """Not another version that is installed: wherever the parent found it, with nothing else of that folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "tyk_endpoint_stats").symlink_to(Path(tyk_endpoint_stats.__file__).parent)
    (folder / "msgspec.py").write_text("raise SystemExit('planted')")
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(Path(worker_pool.msgspec.__file__).parents[1])!r})\n"
        "import msgspec\n"
        f"sys.path.insert(0, {str(folder)!r})\n"
        "from tyk_endpoint_stats.ingest import parallel, worker_pool\n"
        f"assert worker_pool.__file__.startswith({str(folder)!r})\n"
        "parallel.WORTH_BYTES = 0\n"
        "from tyk_endpoint_stats.sources.file import FileSource\n"
        "from tyk_endpoint_stats.stores.memory import MemoryStore\n"
        "started = worker_pool.worker_command()[-1]\n"
        f"assert {str(folder)!r} in started, started\n"
        f"((report, problem),) = parallel.ingest_all(MemoryStore(), [FileSource({str(file)!r})], jobs=2)\n"
        "print(report.counts.counted, problem)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("100 None\n", "")


def test_the_names_of_files_are_the_same_here_and_there(tmp_path, file):
    named = file.rename(tmp_path / "caf\udce9 ✓.jsonl")
    assert ingested(named) == (100, None)


def test_a_frozen_program_reads_by_itself(file, monkeypatch):
    monkeypatch.setattr(worker_pool.WorkerPool, "__init__", lambda *_: pytest.fail("it would start itself"))
    with pytest.raises(pytest.fail.Exception):
        ingested(file)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert ingested(file) == (100, None)

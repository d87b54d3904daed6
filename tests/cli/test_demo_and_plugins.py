"""``demo`` and ``plugins``."""

import json

import pytest

from tyk_endpoint_stats.demo import Traffic


def test_records_go_to_stdout_and_to_a_file_alike(run, tmp_path):
    printed = run("demo", "--records", "200", "--seed", "5", "--days", "2").stdout_bytes
    assert printed == b"".join(Traffic(records=200, seed=5, days=2).lines())
    assert run("demo", "--records", "200", "--seed", "5", "--days", "2", "-o", "d.jsonl").exit_code == 0
    assert tmp_path.joinpath("d.jsonl").read_bytes() == printed


@pytest.mark.parametrize("form", ["jsonl", "pump-stdout"])
def test_what_it_writes_can_be_ingested(run, form):
    lines = run("demo", "--records", "500", "--lean", "--format", form).stdout_bytes
    result = run("ingest", "--store", f"sqlite:///{form}.db", "-", stdin=lines)
    assert result.exit_code == 0
    assert "malformed              0" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--records", "-1"), "--records"),
        (("--days", "0"), "--days"),
        (("--format", "xml"), "'jsonl', 'pump-stdout', 'pump-csv'"),
    ],
)
def test_wrong_usage_is_named(run, arguments, message):
    result = run("demo", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_file_that_can_not_be_written_is_a_clear_error(run):
    result = run("demo", "--records", "1", "-o", "missing/demo.jsonl")
    assert result.exit_code == 1
    assert "missing/demo.jsonl" in result.stderr
    assert "No such file or directory" in result.stderr


def test_plugins_lists_what_is_built_in(run):
    rows = json.loads(run("plugins", "--format", "json").stdout)
    found = {(row["provides"], row["scheme"]) for row in rows}
    assert {("store", "memory"), ("store", "sqlite"), ("source", "file")} <= found
    assert all(row["summary"] and row["example"].startswith(f"{row['scheme']}://") for row in rows)
    assert "sqlite:///tyk-endpoint-stats.db" in run("plugins").stdout


def test_a_plugin_that_fails_to_load_is_a_line_and_a_warning_but_no_crash(tmp_path, monkeypatch):
    import subprocess
    import sys

    info = tmp_path / "tyk_endpoint_stats_broken-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: tyk-endpoint-stats-broken\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[tyk_endpoint_stats]\nbroken = no_such_module_at_all\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def program(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "tyk_endpoint_stats", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
            input="",
        )

    listed = program("plugins")
    assert "sqlite" in listed.stdout
    problem = "plugin tyk-endpoint-stats-broken did not load: ModuleNotFoundError: No module named 'no_such_module"
    assert f"Problem: {problem}" in listed.stderr
    assert f"Warning: {problem}" in program("ingest", "--store", "memory://", "-").stderr

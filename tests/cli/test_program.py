"""The program as a whole: help, exit codes, variables, errors."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from tyk_endpoint_stats.cli.program import COMMANDS, program

SPEC_OPTIONS = {
    "serve": "--store --host --port --token --token-file --timezone --page-size --end-date --demo",
    "ingest": "--store --jobs --follow --tracked-only --include --on-error --rejects",
    "endpoints": "--store --key --oauth-client --from --to --timezone --format",
    "consumers": "--store --kind --from --to --format",
    "demo": "--records --seed --days --format -o",
    "plugins": "",
}


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], *([name, "--help"] for name in COMMANDS)])
def test_help_fits_a_terminal_and_says_what_everything_is_for(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert max(map(len, result.stdout.splitlines())) <= 90
    assert "\b" not in result.stdout


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "plugins"])
def test_help_of_a_command_has_an_example(run, name):
    assert re.search(rf"Examples?:\n +tyk-endpoint-stats .*{name}", run(name, "--help").stdout)


@pytest.mark.parametrize(("name", "options"), SPEC_OPTIONS.items())
def test_the_options_people_rely_on_are_there(name, options):
    command = program.get_command(click.Context(program), name)
    known = {option for param in command.params for option in param.opts}
    assert set(options.split()) <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name):
    command = program.get_command(click.Context(program), name)
    assert command.help
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.opts


def test_an_unknown_command_is_wrong_usage(run):
    result = run("serv")
    assert result.exit_code == 2
    assert "No such command 'serv'" in result.stderr


def test_a_misspelt_command_is_named(run):
    assert "No such command 'endpionts'. Did you mean endpoints?" in run("endpionts").stderr


def test_the_version_is_the_distributions(run):
    from importlib.metadata import version

    assert version("tyk-endpoint-stats") in run("--version").stdout


def test_as_a_module_and_as_a_script_it_is_the_same_program(tmp_path):
    script = Path(sys.executable).with_name("tyk-endpoint-stats")
    for command in ([sys.executable, "-m", "tyk_endpoint_stats"], [str(script)]):
        done = subprocess.run([*command, "--help"], capture_output=True, text=True, cwd=tmp_path, check=True)
        assert done.stdout.startswith("Usage: tyk-endpoint-stats [OPTIONS] COMMAND")
        assert done.stderr == ""


def test_an_unknown_scheme_is_wrong_usage_and_names_what_to_install(run, monkeypatch):
    monkeypatch.setattr("tyk_endpoint_stats.plugin_manager.entry_points", lambda group: ())  # no plugin
    result = run("consumers", "--store", "mongo://u:secret@h/db")
    assert result.exit_code == 2
    assert "known: memory, sqlite" in result.stderr
    assert "Did you mean 'mongodb'? (pip install tyk-endpoint-stats-mongodb)" in result.stderr
    assert "secret" not in result.stderr


def test_asking_a_store_that_is_not_there_makes_none(run, tmp_path):
    for command in (["consumers"], ["endpoints", "--key", "k", "--from", "2026-10-01", "--to", "2026-10-02"]):
        result = run(*command, "--store", "sqlite:///typo.db")
        assert result.exit_code == 1
        assert "typo.db does not exist" in result.stderr
        assert "ingest --store sqlite:///typo.db FILE" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("stats.db", "no store URL; for example: "),
        ("sqlite://stats.db", "three slashes"),
        ("sqlite:///", "names no file"),
    ],
)
def test_a_bad_url_is_wrong_usage(run, url, message):
    result = run("ingest", "--store", url, "-", stdin=b"")
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_variable_sets_the_store_of_every_command(run, store):
    by_option = run("consumers", "--store", store).stdout
    assert by_option
    assert run("consumers", TYK_ENDPOINT_STATS_STORE=store).stdout == by_option
    both = {"TYK_ENDPOINT_STATS_STORE": "sqlite:///other.db", "TYK_ENDPOINT_STATS_CONSUMERS_STORE": store}
    assert run("consumers", **both).stdout == by_option
    assert run("consumers", "--store", store, **dict.fromkeys(both, "sqlite:///x.db")).stdout == by_option


def test_a_variable_sets_any_option(run, store):
    by_option = run("consumers", "--store", store, "--kind", "oauth", "--format", "csv").stdout
    environment = {
        "TYK_ENDPOINT_STATS_CONSUMERS_KIND": "oauth",
        "TYK_ENDPOINT_STATS_CONSUMERS_FORMAT": "csv",
    }
    assert run("consumers", "--store", store, **environment).stdout == by_option
    assert by_option.count('\n"oauth",') > 5


def test_messages_can_not_move_the_cursor(run):
    result = run("ingest", "no\x1b[2Jsuch\u202efile")
    assert result.exit_code == 1
    assert "\x1b" not in result.stderr
    assert r"no\x1b[2Jsuch\u202efile" in result.stderr


def test_help_loads_no_driver_and_is_quick(tmp_path):
    # Goal: 8 times as long as `python -c pass`; here with room for a busy machine.
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from tyk_endpoint_stats.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'sqlite_utils', 'sqlite3', 'http.server', 'socketserver', 'pymongo', 'duckdb', 'pytest'}\n"
        "sys.exit(f'loaded: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )

    def seconds(*command: str) -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, *command], check=True, stdout=subprocess.DEVNULL, cwd=tmp_path, env=os.environ
        )
        return time.perf_counter() - began

    nothing = min(seconds("-c", "pass") for _ in range(3))
    assert min(seconds("-c", code) for _ in range(3)) < 16 * nothing


def test_a_reader_that_goes_away_is_no_traceback(tmp_path, store):
    command = f"{sys.executable} -m tyk_endpoint_stats demo --records 20000 | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr

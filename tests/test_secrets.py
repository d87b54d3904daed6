"""Tokens and passwords are never printed, whichever command gets them and whatever goes wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tyk_endpoint_stats.cli.program import program
from tyk_endpoint_stats.opening import open_readable_store
from tyk_endpoint_stats.urls import mask_url

pytestmark = pytest.mark.slow

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
PASSWORD = "pa55-of-a-store"
URLS = [
    f"mongodb://user:{PASSWORD}@127.0.0.1:1/db?serverSelectionTimeoutMS=10",
    f"mongo://user:{PASSWORD}@127.0.0.1:1/db",
    f"nothing://user:{PASSWORD}@host/db",
    f"nothing://user:a@b://{PASSWORD}@host/db",
    f"nothing://host/db?user=u&password={PASSWORD}",
    f"user:{PASSWORD}@host/db",
    f"sqlite://user:{PASSWORD}@host/stats.db",
    f"sqlite:///stats.db?password={PASSWORD}",
]
COMMANDS = {
    "serve": ["--port", "0", "--token", TOKEN],
    "ingest": ["-"],
    "endpoints": ["--key", "k", "--from", "2026-10-01", "--to", "2026-10-02"],
    "consumers": [],
    "status": [],
    "verify": [],
}


def printed(*arguments: str, **environment: str) -> str:
    result = CliRunner().invoke(program, arguments, input=b"", env=environment)
    assert result.exit_code in (1, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_password_of_a_store_that_can_not_be_opened_is_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell_secrets: tuple[str, ...], command: str, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for output in (
        printed(command, "--store", url, *COMMANDS[command]),
        printed(command, *COMMANDS[command], TYK_ENDPOINT_STATS_STORE=url),
    ):
        assert "Error: " in output
        assert not any(secret in output for secret in tell_secrets)


@pytest.mark.parametrize("url", URLS)
def test_nor_is_it_in_what_python_callers_get(url: str) -> None:
    with pytest.raises(Exception) as caught:
        open_readable_store(url, existing=True)
    problem: BaseException | None = caught.value
    while problem is not None:
        assert PASSWORD not in str(problem)
        problem = problem.__cause__


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("sqlite:///stats.db", "sqlite:///stats.db"),
        ("mongodb://h1,h2/db", "mongodb://h1,h2/db"),
        ("mongodb://u:p@h/db", "mongodb://***@h/db"),
        ("mongodb://u:p@w:@h/db", "mongodb://***@h/db"),
        ("u:p@h/db", "***@h/db"),
        ("x://h/?PASSWORD=p&a=1&sslpassword=q", "x://h/?PASSWORD=***&a=1&sslpassword=***"),
        ("x://h/?passwordless=1", "x://h/?passwordless=1"),
    ],
)
def test_masking_leaves_what_tells_stores_apart(url: str, masked: str) -> None:
    assert mask_url(url) == masked


@pytest.mark.parametrize(
    "arguments",
    [
        ("--token", f"{TOKEN} x"),
        ("--token", TOKEN, "--token", f"{TOKEN}\n"),
        ("--token", TOKEN, "--port", "x"),
        ("--token", TOKEN, "--host", "nowhere.invalid"),
        ("--token", TOKEN, "--timezone", "Mars"),
        ("--token-file", "missing", "--token", TOKEN),
        ("--token-file", "bad", "--token", TOKEN),
        ("--token-file", "twice", "--token", TOKEN),
    ],
)
def test_a_token_is_not_printed_when_serving_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("bad").write_text(f"{TOKEN} org and more\n")
    tmp_path.joinpath("twice").write_text(f"{TOKEN} org\n")
    assert TOKEN not in printed("serve", "--store", "memory://", *arguments)


def test_the_searching_of_all_output_finds_a_token(tmp_path: Path) -> None:
    """The broken twin: a test during which a token is logged fails, though all its assertions hold."""
    conftest = Path(__file__).with_name("conftest.py").read_text()
    tmp_path.joinpath("conftest.py").write_text(conftest)
    for number, leak in enumerate(("print('{}')", "import logging; logging.error('{}')", "pass  # {}")):
        text = f"def test_it():\n    {leak.format(TOKEN)}\n"
        tmp_path.joinpath(f"test_{number}.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "2 failed, 1 passed" in done.stdout
    assert "a token or a password was printed or logged: Captured stdout call" in done.stdout

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tyk_endpoint_stats.cli.program import program
from tyk_endpoint_stats.demo import Traffic

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell_secrets: tuple[str, ...]) -> Run:
    """Runs the program in an empty folder, without a terminal; stdout and stderr apart."""
    monkeypatch.chdir(tmp_path)
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object, stdin: bytes | None = None, **environment: str) -> Result:
        result = CliRunner().invoke(
            program, [str(each) for each in arguments], input=stdin, env=environment, prog_name="tyk-endpoint-stats"
        )
        assert not any(secret in result.output for secret in tell_secrets)
        return result

    return run


@pytest.fixture(scope="session")
def traffic() -> Traffic:
    return Traffic(records=3000, full=False)


@pytest.fixture
def store(run: Run, traffic: Traffic, tmp_path: Path) -> str:
    """The URL of a store with the traffic in it."""
    url = "sqlite:///stats.db"
    tmp_path.joinpath("demo.jsonl").write_bytes(b"".join(traffic.lines()))
    assert run("ingest", "--store", url, "demo.jsonl").exit_code == 0
    return url

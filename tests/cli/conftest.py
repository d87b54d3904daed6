import shutil
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


@pytest.fixture(scope="session")
def filled(traffic: Traffic, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the traffic and a store that it was ingested into."""
    folder = tmp_path_factory.mktemp("filled")
    file = folder / "demo.jsonl"
    file.write_bytes(b"".join(traffic.lines()))
    store = f"sqlite:///{folder / 'stats.db'}"
    result = CliRunner().invoke(program, ["ingest", "--store", store, str(file)])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def store(run: Run, filled: Path, tmp_path: Path) -> str:
    """The URL of a store with the traffic in it, which stands beside it; a test's own."""
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return "sqlite:///stats.db"

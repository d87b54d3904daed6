"""After an interruption at any line of a merge, a question or a closing, the next call works and closing ends."""

from pathlib import Path
from threading import Lock

import pytest
from postgres_servers import PostgresServer
from store_tables import Schema
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore

from tests.stores import interruptions
from tests.stores.interruptions import SERVER_SAMPLE, assert_nothing_is_wrong, count_lines, wrong_after
from tyk_endpoint_stats.core.batch import Batch

# An exception inside of a clean-up that nothing can raise out of: Python prints it and goes on, and so do we.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


def test_an_interruption_anywhere_leaves_a_store_that_works(server: PostgresServer, tmp_path: Path) -> None:
    schema = Schema(server, "interrupted")
    assert_nothing_is_wrong(lambda folder: PostgreSQLStore(schema.url), tmp_path, SERVER_SAMPLE)


@pytest.mark.torture
def test_an_interruption_at_every_line_leaves_a_store_that_works(server: PostgresServer, tmp_path: Path) -> None:
    schema = Schema(server, "interrupted_everywhere")
    assert_nothing_is_wrong(lambda folder: PostgreSQLStore(schema.url), tmp_path, 10**9)


class Locked(PostgreSQLStore):
    """The broken twin: a lock that stays locked where an exception comes between taking it and giving it back."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._merging = Lock()

    def merge(self, batch: Batch) -> bool:
        self._merging.acquire()
        merged = super().merge(batch)
        self._merging.release()
        return merged


def test_that_catches_a_lock_that_stays_locked(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruptions, "WITHIN_S", 1.0)
    schema = Schema(server, "interrupted_twin")
    lines, _ = count_lines(lambda folder: Locked(schema.url), tmp_path / "whole")
    found = (
        wrong_after(lambda folder: Locked(schema.url), tmp_path / f"twin-{at}", at)
        for at in range(lines // 2, 0, -40)
    )
    assert "it hangs" in next(filter(None, found))

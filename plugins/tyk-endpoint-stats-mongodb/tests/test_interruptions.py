"""After an interruption at any line of a merge, a question or a closing, the next call works and closing ends."""

from pathlib import Path
from threading import Condition

import pytest
from pymongo import _csot
from tyk_endpoint_stats_mongodb import gate
from tyk_endpoint_stats_mongodb.store import MongoStore, open_mongodb

from tests.stores import interruptions
from tests.stores.interruptions import SERVER_SAMPLE, assert_nothing_is_wrong, wrong_after

# An exception inside of a clean-up that nothing can raise out of: Python prints it and goes on, and so do we.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


def opened(url: str) -> MongoStore:
    """A store, opened by a thread with which no deadline of an earlier call stayed."""
    assert _csot.get_timeout() is None
    return open_mongodb(url)


def test_an_interruption_anywhere_leaves_a_store_that_works(url: str, tmp_path: Path) -> None:
    assert_nothing_is_wrong(lambda folder: opened(url), tmp_path, SERVER_SAMPLE)


@pytest.mark.torture
def test_an_interruption_at_every_line_leaves_a_store_that_works(url: str, tmp_path: Path) -> None:
    assert_nothing_is_wrong(lambda folder: opened(url), tmp_path, 10**9)


class LockedPlaces:
    """The broken twin: a condition, whose lock stays locked where an exception comes at the end of its ``with``."""

    def __init__(self, limit: int, busy: str) -> None:
        self._changed, self._free = Condition(), limit

    def take(self, timeout_s: float) -> "LockedPlaces":
        return self

    def __enter__(self) -> None:
        with self._changed:
            self._free -= 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._free += 1

    def wait_until_free(self, timeout_s: float) -> None:
        with self._changed:
            self._changed.notify_all()


def test_that_catches_a_lock_that_stays_locked(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruptions, "WITHIN_S", 1.0)
    monkeypatch.setattr(gate, "Places", LockedPlaces)
    found = (wrong_after(lambda folder: opened(url), tmp_path / f"twin-{at}", at) for at in range(40, 400))
    assert "it hangs" in next(filter(None, found))

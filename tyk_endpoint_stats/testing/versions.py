"""The exam of stores that tell whether their answers may have changed."""

import threading

from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.contract import Versioned
from tyk_endpoint_stats.testing.exam import ALL_DAYS, NewPlace, StoreExam, answer_of, run_together
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit

__all__ = ["VersionExam"]


def _version(store: Store) -> str:
    assert isinstance(store, Versioned)
    return store.version()


def _hits(store: Store) -> int:
    return sum(stats.hits for stats in answer_of(store, Selection(ALL_DAYS)).values())


class VersionExam(StoreExam):
    """``version`` is another one after every change, and before an answer shows it."""

    def test_every_change_gives_another_version(self, new_place: NewPlace) -> None:
        """With a source and without, and when quarters are pruned; not with a question."""
        with self.open_store(new_place()) as store:
            seen = [_version(store)]
            for change in (
                lambda: store.merge(batch_of([hit()], "s", None, "1")),
                lambda: store.merge(batch_of([hit()])),
                lambda: store.merge(batch_of([hit(path="/another")])),
                lambda: store.prune((FIRST_DAY + 1) * DAY_US),
            ):
                change()
                _hits(store)
                seen += [_version(store), _version(store)]
            assert seen[1::2] == seen[2::2]
            assert len(set(seen)) == len(seen[::2]), "no version comes again"

    def test_an_answer_is_never_older_than_the_version_before_it(self, new_place: NewPlace) -> None:
        """While another thread merges."""
        done = threading.Event()
        versions: list[str] = []
        read: list[tuple[str, int]] = []

        with self.open_store(new_place()) as store:
            versions.append(_version(store))

            def write() -> None:
                try:
                    for _ in range(self.merges):
                        store.merge(batch_of([hit()]))
                        versions.append(_version(store))
                finally:
                    done.set()

            def ask() -> None:
                while not done.is_set():
                    version = _version(store)
                    read.append((version, _hits(store)))

            run_together(write, ask)
            for version, hits in read:
                assert hits >= versions.index(version), "as many merges as the version knows of"
            assert _hits(store) == self.merges

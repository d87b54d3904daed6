"""A store knows its own file: links, modes, read-only places, and a file that is replaced, deleted or rolled back."""

import gc
import os
import shutil
import sqlite3
import stat
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import StoreBusy, UnusableStore
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.stores.places import Places
from tyk_endpoint_stats.stores.sqlite import SQLiteStore, open_sqlite
from tyk_endpoint_stats.stores.sqlite import store as store_module
from tyk_endpoint_stats.stores.sqlite.files import path_of
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS, EVERYTHING, answer_of


def hits_of(store):
    return sum(stats.hits for stats in answer_of(store, Selection(ALL_DAYS)).values())


def paths_of(store):
    return {group.endpoint.path: stats.hits for group, stats in store.read(Selection(ALL_DAYS, EVERYTHING))}


def filled(path, *records):
    with SQLiteStore(path) as store:
        store.merge(batch_of(records))
    return path


def test_the_file_stays_the_same_when_the_working_folder_changes(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    with open_sqlite("sqlite:///stats.db") as store:
        monkeypatch.chdir(tmp_path / "two")
        store.merge(batch_of([hit()]))
        assert hits_of(store) == 1
    assert (tmp_path / "one/stats.db").exists()
    assert list((tmp_path / "two").iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite:////a/b.db", "sqlite://///a/b.db"])
def test_an_absolute_path_may_have_one_slash_too_many(url):
    assert path_of(url) == Path("/a/b.db")


def test_a_link_is_followed_first(tmp_path):
    """So a link into an empty volume stays one, and there is one lock file, whichever name is used."""
    volume = tmp_path / "volume"
    volume.mkdir()
    link = tmp_path / "stats.db"
    link.symlink_to(volume / "stats.db")
    filled(link, hit())
    assert link.is_symlink()
    assert {path.name for path in volume.iterdir()} >= {"stats.db", "stats.db.lock"}
    assert not tmp_path.joinpath("stats.db.lock").exists()


def test_the_lock_file_has_the_mode_of_the_database(tmp_path):
    path = filled(tmp_path / "stats.db", hit())
    path.chmod(0o664)
    filled(path, hit())
    assert stat.S_IMODE(tmp_path.joinpath("stats.db.lock").stat().st_mode) == 0o664


def test_drafts_of_those_who_were_killed_are_taken_away(tmp_path):
    left = tmp_path / "stats.db.new-0123"
    left.write_text("half a store")
    other = tmp_path / "other.db.new-0123"
    other.write_text("another's")
    filled(tmp_path / "stats.db", hit())
    assert not left.exists()
    assert other.exists()


def test_a_store_that_may_only_be_read_answers(tmp_path, monkeypatch):
    """In a folder that can't be written to, without a log: nothing is made beside it."""
    path = filled(tmp_path / "stats.db", hit(), hit(path="/b"))
    tmp_path.joinpath("stats.db.lock").unlink()
    real = os.access
    monkeypatch.setattr(os, "access", lambda name, mode: mode != os.W_OK and real(name, mode))
    with SQLiteStore(path) as store:
        assert hits_of(store) == 2
        assert verify(store).problems == []
        assert store.facts().day_rows == 2
        for write in (lambda: store.merge(batch_of([hit()])), lambda: store.prune(0), lambda: store.drop(0)):
            with pytest.raises(UnusableStore, match="can only be read"):
                write()
    assert {file.name for file in tmp_path.iterdir()} == {"stats.db"}


def test_a_log_that_was_lost_is_told_from_an_empty_store(tmp_path):
    """As happens to a single file that is mounted into a container."""
    path = filled(tmp_path / "stats.db", hit())
    lost = tmp_path / "container" / "stats.db"
    lost.parent.mkdir()
    store = SQLiteStore(path)
    for _ in range(3):
        store.merge(batch_of([hit()]))
    for name in ("stats.db", "stats.db.lock"):
        shutil.copyfile(tmp_path / name, lost.parent / name)
    store.close()
    with SQLiteStore(lost) as found:
        assert hits_of(found) == 1
        assert [warning for warning in found.warnings if "lacks the last 3 of 4 changes" in warning]
    with SQLiteStore(path) as whole:
        assert hits_of(whole) == 4
        assert not [warning for warning in whole.warnings if "lacks" in warning]


class TestAFileInPlaceOfAnother:
    """What is done to the file while readers and a writer have it open."""

    @pytest.fixture
    def path(self, tmp_path):
        return filled(tmp_path / "stats.db", hit(path="/old"), hit(path="/kept"))

    @pytest.fixture
    def other(self, tmp_path):
        """A store with the same numbers for other endpoints."""
        return filled(tmp_path / "other.db", *[hit(path=f"/new{number}") for number in range(3)])

    def test_a_replaced_file_is_met_afresh(self, path, other):
        with SQLiteStore(path) as store:
            assert paths_of(store) == {"/old": 1, "/kept": 1}
            store.merge(batch_of([hit(path="/old")]))
            before = store.version()
            other.replace(path)
            for leftover in (f"{path}-wal", f"{path}-shm"):
                Path(leftover).unlink(missing_ok=True)
            assert paths_of(store) == {"/new0": 1, "/new1": 1, "/new2": 1}
            assert store.version() != before
            store.merge(batch_of([hit(path="/old")]))
            assert paths_of(store) == {"/new0": 1, "/new1": 1, "/new2": 1, "/old": 1}
            assert verify(store).problems == []

    def test_a_deleted_file_is_an_error(self, path):
        with SQLiteStore(path) as store:
            assert hits_of(store) == 2
            path.unlink()
            with pytest.raises(UnusableStore, match="deleted"):
                store.read(Selection(ALL_DAYS))
            with pytest.raises(UnusableStore, match="deleted"):
                store.merge(batch_of([hit()]))
            assert not path.exists()
            filled(path)  # so that closing finds one

    def test_a_restored_backup_is_met_afresh(self, path, tmp_path):
        """By SQLite's own way, into the file that is open: numbers given out since are of a life that is over."""
        backup = tmp_path / "backup.db"
        with SQLiteStore(path) as store:
            with closing(sqlite3.connect(path)) as here, closing(sqlite3.connect(backup)) as there:
                here.backup(there)
            version = store.version()
            store.merge(batch_of([hit(path="/later")]))
            later = store.version()
            assert hits_of(store) == 3
            with closing(sqlite3.connect(backup)) as here, closing(sqlite3.connect(path)) as there:
                here.backup(there)
            assert store.version() == version, "the same rows again"
            assert paths_of(store) == {"/old": 1, "/kept": 1}
            store.merge(batch_of([hit(path="/another"), hit(path="/later")]))
            assert store.version() not in (version, later)
            assert paths_of(store) == {"/old": 1, "/kept": 1, "/another": 1, "/later": 1}
            assert verify(store).problems == []

    def test_its_broken_twin_bills_another_endpoint(self, path, tmp_path, monkeypatch):
        """The twin keeps its numbers whatever happened to the file."""
        monkeypatch.setattr(store_module.Numbers, "forget", lambda self: None)
        with suppress(AssertionError):
            self.test_a_restored_backup_is_met_afresh(path, tmp_path)
            pytest.fail("the twin was not caught")

    def test_a_file_that_was_copied_back_is_met_afresh(self, path, tmp_path):
        """Over the same inode, with an empty log."""
        backup = tmp_path / "backup.db"
        shutil.copyfile(path, backup)
        with SQLiteStore(path) as store:
            store.merge(batch_of([hit(path="/later")]))
            assert hits_of(store) == 3
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            assert hits_of(store) == 3
            shutil.copyfile(backup, path)
            assert paths_of(store) == {"/old": 1, "/kept": 1}
            store.merge(batch_of([hit(path="/another")]))
            assert paths_of(store) == {"/old": 1, "/kept": 1, "/another": 1}
            assert verify(store).problems == []


def test_a_place_goes_with_whoever_took_it():
    """However its frame ended; the twin, a semaphore, would count it for ever."""
    places, twin = Places(1, "busy"), threading.Semaphore(1)

    def interrupted(take):
        place = take()
        assert place
        raise KeyboardInterrupt

    for take in (lambda: places.take(0), lambda: twin.acquire(timeout=0)):
        with pytest.raises(KeyboardInterrupt):
            interrupted(take)
    gc.collect()
    place = places.take(0)
    assert not twin.acquire(timeout=0)
    with pytest.raises(StoreBusy, match="busy"):
        places.take(0)
    with place:
        pass
    assert places.take(0)

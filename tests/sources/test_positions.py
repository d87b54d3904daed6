"""Positions with a running hash, streams whose beginning is gone, and files that are not to be opened."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.sources import place as place_module
from tyk_endpoint_stats.sources.file import FileSource, PlainStream
from tyk_endpoint_stats.sources.place import StoredPosition
from tyk_endpoint_stats.sources.stdin import StdinSource
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.stores.sqlite import SQLiteStore

pytestmark = pytest.mark.slow


def two_that_differ_in_the_middle(kit, folder):
    """Two files of the same length, with the same first record and the same last 1,024 bytes."""
    end = b"".join(kit.make_line(f"/end/{number}") for number in range(9))
    for name in "ab":
        middle = b"".join(kit.make_line(f"/{name}/{number}") for number in range(50))
        (folder / name).write_bytes(kit.make_line("/first") + middle + end)
    return folder / "a", folder / "b"


def hits_of_both(kit, folder):
    with MemoryStore() as store:
        kit.take(store, *two_that_differ_in_the_middle(kit, folder))
        return sum(kit.read_hits(store).values())


def test_two_files_that_differ_in_the_middle_alone_are_two(kit, tmp_path):
    assert hits_of_both(kit, tmp_path) == 2 * 60


def test_a_position_that_knows_its_last_bytes_alone_is_found_out(kit, tmp_path, monkeypatch):
    """The broken twin does not compare the running hash: the second file's records never count."""

    def fits(stored, mark):
        return mark.offset == stored.offset and place_module.window_hash(mark.before) == stored.window

    monkeypatch.setattr(StoredPosition, "fits", fits)
    assert hits_of_both(kit, tmp_path) < 2 * 60


def test_a_position_of_an_older_version_is_known_again(kit, tmp_path):
    file, lines = tmp_path / "log", [kit.make_line(f"/{number}") for number in range(30)]
    file.write_bytes(b"".join(lines[:20]))
    with MemoryStore() as store:
        kit.take(store, file)
        (progress,) = store.sources()
    older = progress.position.rpartition(":")[0]
    assert StoredPosition.parse(older).crc is None
    file.write_bytes(b"".join(lines))
    with FileSource(str(file)).open({progress.source: older}.get) as reading:
        assert reading.begins == older
        assert sum(len(chunk.records) for chunk in reading.chunks()) == 10


def test_a_followed_file_is_not_read_again_from_its_beginning(kit, tmp_path, monkeypatch):
    file = tmp_path / "log"
    file.write_bytes(b"".join(kit.make_line(f"/{number}") for number in range(20_000)))
    source = FileSource(str(file))
    read = 0
    readinto = PlainStream.readinto

    def counting(stream, view):
        nonlocal read
        got = readinto(stream, view)
        read += got
        return got

    with MemoryStore() as store:
        ingest(store, source)
        monkeypatch.setattr(PlainStream, "readinto", counting)
        with file.open("ab") as out:
            out.write(kit.make_line("/more"))
        assert ingest(store, source).read == 1
        assert read < 500_000 < file.stat().st_size
        assert kit.take(store, file).read == 0
        assert read > file.stat().st_size, "another process has to look at all of it"


# Streams whose beginning is gone.


def piped(data):
    reader, writer = os.pipe()
    if not os.fork():
        os.close(reader)
        with os.fdopen(writer, "wb") as out:
            out.write(data)
        os._exit(0)
    os.close(writer)
    return StdinSource(reader)


def take_pipe(store, data, *, is_new=False):
    source = piped(data)
    source.known = lambda: [(each.source, each.position) for each in store.sources()]
    source.is_new = is_new
    return store.ingest(source)


@pytest.fixture
def lines(kit):
    return [kit.make_line(f"/{number}") for number in range(170)]


def test_a_stream_whose_beginning_was_dropped_goes_on_where_it_was(kit, lines):
    with MemoryStore() as store:
        assert take_pipe(store, b"".join(lines[:120])).read == 120
        assert take_pipe(store, b"".join(lines[50:])).read == 50
        assert take_pipe(store, b"".join([*lines[60:], kit.make_line("/more")])).read == 1
        assert take_pipe(store, b"".join([*lines[100:], kit.make_line("/more")])).read == 0
        assert kit.read_hits(store) == {f"/{number}": 1 for number in range(170)} | {"/more": 1}
        assert len(store.sources()) == 1


STREAMS = {
    "lines": b"%s",
    "docker logs -t": b"2020-10-13T08:00:05.123456789Z %s",
    "docker compose logs": b"pump-1  | %s",
    "Kubernetes": b"2020-10-13T08:00:05.1Z stdout F %s",
}


@pytest.mark.parametrize("prefix", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("overlap", [1, 2, 9])
@pytest.mark.parametrize("cut", [0, 40, -30], ids=["at a line", "in its beginning", "in its end"])
def test_a_few_lines_of_overlap_are_enough(kit, lines, prefix, overlap, cut):
    made = [prefix % each for each in lines[:30]]
    before = made[20 - overlap - 1][cut:] if cut else b""
    rest = before + b"".join(made[20 - overlap :])
    with MemoryStore() as store:
        take_pipe(store, b"".join(made[:20]))
        if cut and len(before) > 300 and overlap == 1:
            assert len(before) + len(made[19]) < 1024
        assert take_pipe(store, rest).read == 10
        assert take_pipe(store, rest + prefix % kit.make_line("/more")).read == 1
        assert kit.read_hits(store) == {f"/{number}": 1 for number in range(30)} | {"/more": 1}
        assert len(store.sources()) == 1


def test_less_than_a_line_of_overlap_or_one_that_may_be_anywhere_is_asked_about(kit, lines):
    same = kit.make_line("/same")
    for stream, rest in (
        (lines[:20], [lines[19][100:], *lines[20:30]]),
        (lines[:20], [lines[18], *lines[20:30]]),
        ([*lines[:3], same, same], [same, same, *lines[5:9]]),
    ):
        with MemoryStore() as store:
            take_pipe(store, b"".join(stream))
            with pytest.raises(SourceError, match="counted twice"):
                take_pipe(store, b"".join(rest))
            assert sum(kit.read_hits(store).values()) == len(stream)


def test_a_line_that_comes_again_and_again_is_not_taken_for_the_end(kit, lines):
    """What is surely there comes first: a record behind the same line would count twice."""
    log = b'{"level":"info","msg":"Purged"}\n'
    with MemoryStore() as store:
        take_pipe(store, b"".join([*lines[:10], log, *lines[10:20], log]))
        assert take_pipe(store, b"".join([log, *lines[10:20], log, *lines[20:30]])).read == 10
        assert len(kit.read_hits(store)) == 30


def test_without_tails_short_overlaps_are_asked_about(kit, lines, monkeypatch):
    """The broken twin: a position as it was, of a window alone."""
    monkeypatch.setattr(place_module, "_tails_of", lambda mark: ())
    with MemoryStore() as store:
        take_pipe(store, b"".join(lines[:20]))
        with pytest.raises(SourceError, match="counted twice"):
            take_pipe(store, b"".join(lines[19:]))


def test_a_stream_that_may_be_the_rest_of_another_is_counted_only_if_told_to(kit, lines):
    with MemoryStore() as store:
        take_pipe(store, b"".join(lines[:100]))
        with pytest.raises(SourceError, match=r"stdin: .*counted twice.*--new-stream"):
            take_pipe(store, b"".join(lines[120:]))
        assert sum(kit.read_hits(store).values()) == 100
        assert take_pipe(store, b"".join(lines[120:]), is_new=True).read == 50
        assert take_pipe(store, b"".join(lines[120:])).read == 0


def test_without_a_look_for_the_overlap_it_would_count_again(kit, lines):
    with MemoryStore() as store:
        store.ingest(piped(b"".join(lines[:120])))
        store.ingest(piped(b"".join(lines[50:])))
        assert sum(kit.read_hits(store).values()) == 240, "which is why programs say what is known"


# The command.


def run(*arguments, folder, data=None):
    return subprocess.run(
        [sys.executable, "-m", "tyk_endpoint_stats", "ingest", *map(str, arguments)],
        capture_output=True,
        cwd=folder,
        input=data,
        check=False,
    )


def test_files_that_the_command_has_open_itself_are_left_out(kit, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(kit.make_line() + b"{bad}\n")
    (tmp_path / "link").symlink_to("s.db")
    for _ in range(2):
        done = run("--store", "sqlite:///s.db", "--rejects", "bad.txt", "--jobs", 1, "*", folder=tmp_path)
    for name in (b"s.db is a file of the store", b"link is a file of the store", b"bad.txt is the file of rejects"):
        assert name in done.stderr, done.stderr
    assert (tmp_path / "bad.txt").read_bytes() == b"{bad}\n"
    with sqlite3.connect(tmp_path / "s.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with SQLiteStore(tmp_path / "s.db") as store:
        assert verify(store).problems == []


def test_the_library_opens_no_file_of_its_store_either(kit, tmp_path):
    with SQLiteStore(tmp_path / "s.db") as store:
        (tmp_path / "link").symlink_to(tmp_path / "s.db")
        with pytest.raises(SourceError, match="a file of the store itself"):
            ingest(store, FileSource(str(tmp_path / "link")))


def test_that_catches_a_store_whose_files_are_opened(kit, tmp_path, monkeypatch):
    """The broken twin names none of its files: closing one of them again takes SQLite's locks from the process."""
    monkeypatch.setattr(SQLiteStore, "files", lambda store: ())
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test_the_library_opens_no_file_of_its_store_either(kit, tmp_path)


def test_explain_says_what_a_file_is_and_counts_nothing(kit, tmp_path):
    line = json.dumps({"log": kit.make_line("/x").decode(), "stream": "stdout", "time": "2020"})
    (tmp_path / "c.log").write_text(f"{line}\n")
    done = run("--explain", "c.log", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "around it     the member log" in text
    assert "names         Tyk's JSON names" in text
    assert '"path":"/x"' in text
    assert [file.name for file in Path(tmp_path).iterdir()] == ["c.log"]
    (tmp_path / "c.log").write_text("hello\n")
    done = run("--explain", "c.log", folder=tmp_path)
    assert (done.returncode, b"text that is no JSON" in done.stdout) == (1, True)


def test_half_a_record_at_the_end_is_said_and_fails_where_none_may_be(kit, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(kit.make_line() + kit.make_line()[:50])
    done = run("--store", "sqlite:///s.db", "a.jsonl", folder=tmp_path)
    assert (done.returncode, b"a.jsonl: 50 bytes wait for their end" in done.stdout) == (0, True)
    done = run("--store", "sqlite:///t.db", "--on-error", "fail", "a.jsonl", folder=tmp_path)
    assert (done.returncode, b"50 bytes at its end are no whole record" in done.stderr) == (1, True)


def test_a_source_without_a_record_is_a_failure_beside_others_that_count(kit, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(kit.make_line())
    (tmp_path / "b.jsonl").write_bytes(b'{"hello":"world"}\n')
    done = run("--store", "sqlite:///s.db", "a.jsonl", "b.jsonl", folder=tmp_path)
    assert done.returncode == 1
    assert b"b.jsonl: no record of Tyk's in it, but JSON objects" in done.stderr
    assert b"a.jsonl: 1 read, 1 counted" in done.stdout

"""Stdin: exactly once like a file, also where it is a pipe that can be read only once."""

import fcntl
import gzip
import os
import resource
import select
import threading
from contextlib import suppress

import pytest

from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.batch_builder import Limits
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.sources import spool as spool_module
from tyk_endpoint_stats.sources.spool import Spool
from tyk_endpoint_stats.sources.stdin import StdinSource
from tyk_endpoint_stats.stores.memory import MemoryStore


@pytest.fixture
def piped():
    """``piped(data)``: a stdin that gives these bytes through a pipe, as a source."""
    readers, threads = [], []

    def pipe(data, pause=None):
        reader, writer = os.pipe()

        def write():
            with suppress(BrokenPipeError), os.fdopen(writer, "wb", 0) as out:
                for start in range(0, len(data), 50_000):
                    out.write(data[start : start + 50_000])
                    if pause is not None:
                        pause.wait(20)

        threads.append(threading.Thread(target=write, daemon=True))
        threads[-1].start()
        readers.append(reader)
        return StdinSource(reader)

    yield pipe
    for reader in readers:
        os.close(reader)
    for thread in threads:
        thread.join(20)


@pytest.fixture
def lines(kit):
    return b"".join(kit.make_line(f"/{number}") for number in range(2_000))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_read_to_its_end_and_known_again(kit, piped, lines, pack):
    with MemoryStore() as store:
        assert store.ingest(piped(pack(lines))).counts == Counts(2_000, 2_000)
        assert store.ingest(piped(pack(lines))).read == 0
        assert store.ingest(piped(pack(lines + kit.make_line("/more")))).read == 1
        assert len(list(store.sources())) == 1


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_given_as_stdin_is_that_file(kit, tmp_path, lines, pack):
    file = tmp_path / "file"
    file.write_bytes(pack(lines))
    with MemoryStore() as store:
        with file.open("rb") as opened:
            assert store.ingest(StdinSource(opened.fileno())).counts.counted == 2_000
        assert kit.take(store, file).read == 0


def test_a_file_given_from_its_middle_on_is_read_from_there(kit, tmp_path):
    file = tmp_path / "file"
    skipped = kit.make_line("/skipped")
    file.write_bytes(skipped + kit.make_line("/read"))
    with MemoryStore() as store, file.open("rb", 0) as opened:
        opened.seek(len(skipped))
        store.ingest(StdinSource(opened.fileno()))
        assert kit.read_hits(store) == {"/read": 1}


@pytest.mark.parametrize("data", [b"", b"\n", b"{", b"\x1f"])
def test_a_pipe_without_a_line_holds_nothing(piped, data):
    with MemoryStore() as store:
        assert store.ingest(piped(data)).read == 0


def test_a_corrupt_gzip_pipe_is_refused_whole(kit, piped, lines):
    with MemoryStore() as store:
        with pytest.raises(SourceError, match="stdin: this gzip file is cut off or corrupt"):
            store.ingest(piped(gzip.compress(lines)[:-5]))
        assert kit.read_hits(store) == {}


def test_what_is_no_descriptor_is_an_error():
    with MemoryStore() as store, pytest.raises(SourceError, match="stdin: can't be read: Bad file descriptor"):
        store.ingest(StdinSource(10**6))


def test_a_pipe_goes_on_where_another_writer_of_the_same_got_to(kit, piped, lines, tmp_path):
    # The batch meets a position that another process has moved: the pipe is read again from its files.
    file = tmp_path / "file"
    file.write_bytes(lines[: lines.index(b"\n", len(lines) // 2) + 1])
    met = []

    class Raced(MemoryStore):
        def merge(self, batch):
            if not met:
                met.append(batch)
                kit.take(self, file)
            return super().merge(batch)

    with Raced() as store:
        report = ingest(store, piped(lines), IngestOptions(limits=Limits(states=100)))
        assert kit.read_hits(store) == {f"/{number}": 1 for number in range(2_000)}
        assert report.duplicate or report.batches


def test_what_is_merged_is_given_up(piped, lines, monkeypatch):
    monkeypatch.setattr(spool_module, "_SEGMENT_BYTES", 10_000)
    kept = []
    source = piped(lines * 3)

    class Watched(MemoryStore):
        def merge(self, batch):
            merged = super().merge(batch)
            kept.append(len(source._spool._segments))
            return merged

    with Watched() as store:
        ingest(store, source, IngestOptions(limits=Limits(states=1)))
        assert store.sources()[0].counts.counted == 6_000
    assert max(kept) < len(lines) * 3 // 10_000 / 2


def test_a_pipe_that_nobody_writes_to_is_waited_for(kit, piped, lines):
    waiting = threading.Event()
    with MemoryStore() as store:
        done = []
        source = piped(lines, waiting)
        reader = threading.Thread(target=lambda: done.append(store.ingest(source).read), daemon=True)
        reader.start()
        reader.join(0.2)
        assert not done, "its end is not there yet"
        waiting.set()
        reader.join(20)
        assert done == [2_000]


def test_a_pipe_may_be_any_descriptor():
    """Twin: select() refuses those past 1,023, which a program with many connections has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1_200), hard))
    reader, writer = os.pipe()
    high = fcntl.fcntl(reader, fcntl.F_DUPFD, 1_100)
    spool = Spool(high, "x")
    try:
        os.write(writer, b"abc")
        os.close(writer)
        with pytest.raises(ValueError, match="out of range"):
            select.select([high], [], [], 0)
        assert spool.readinto(memoryview(bytearray(50))) == 3
    finally:
        spool.close()
        os.close(reader)
        os.close(high)


def test_a_full_disk_is_said_and_nothing_is_lost_before_it(kit, piped, lines, monkeypatch):
    def full(file, piece):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool_module, "write_all", full)
    with (
        MemoryStore() as store,
        pytest.raises(SourceError, match=r"stdin: .*no room .*\(No space left.*TMPDIR"),
    ):
        store.ingest(piped(lines))


def test_a_spool_gives_the_same_bytes_again(monkeypatch):
    monkeypatch.setattr(spool_module, "_SEGMENT_BYTES", 64)
    reader, writer = os.pipe()
    data = bytes(range(256)) * 4
    os.write(writer, data)
    os.close(writer)
    spool, view = Spool(reader, "x"), memoryview(bytearray(50))
    try:
        assert b"".join(bytes(view[:got]) for got in iter(lambda: spool.readinto(view), 0)) == data
        for offset in (0, 63, 64, 65, 500, len(data)):
            spool.seek(offset)
            assert b"".join(bytes(view[:got]) for got in iter(lambda: spool.readinto(view), 0)) == data[offset:]
        spool.forget(500)
        assert 400 < spool.begins <= 500
    finally:
        spool.close()
        os.close(reader)

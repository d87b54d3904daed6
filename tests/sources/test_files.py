"""From names to files: globs, order, what is no file; lines without an end; records out of order."""

import os
import socket
import threading
from datetime import UTC, datetime, timedelta
from errno import EACCES
from zlib import crc32

import pytest

from tyk_endpoint_stats import open_sources, read_records
from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.sources.file import FileSource, PlainStream, open_regular
from tyk_endpoint_stats.sources.files import open_files
from tyk_endpoint_stats.sources.forms import blocks
from tyk_endpoint_stats.sources.forms.blocks import MAX_LINE_BYTES, Mark, read_blocks
from tyk_endpoint_stats.stores.memory import MemoryStore


def labels(name):
    return [source.label for source in open_files(f"file://{name}")]


def touch(file, at_s):
    file.write_bytes(b"")
    os.utime(file, (at_s, at_s))
    return str(file)


def test_a_glob_names_files_oldest_first_and_higher_numbers_first_where_times_are_equal(tmp_path):
    newest = touch(tmp_path / "log", 300)
    oldest = touch(tmp_path / "log.z", 100)
    tenth, ninth, second = (touch(tmp_path / f"log.{number}", 200) for number in (10, 9, 2))
    touch(tmp_path / "other", 1)
    assert labels(f"{tmp_path}/log*") == [oldest, tenth, ninth, second, newest]
    assert labels(f"{tmp_path}/log.[0-9]*") == [tenth, ninth, second]


def test_a_glob_may_go_down_into_folders(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    deep, flat = touch(tmp_path / "a" / "b" / "x.jsonl", 5), touch(tmp_path / "x.jsonl", 6)
    assert labels(f"{tmp_path}/**/*.jsonl") == [deep, flat]


@pytest.mark.parametrize("name", ["a[1].jsonl", "100%25.jsonl", "a b.jsonl", "ü*.jsonl", "what?.jsonl", "a#b", "-"])
def test_a_file_is_found_by_its_own_name_whatever_is_in_it(kit, tmp_path, name):
    file = tmp_path / name
    file.write_bytes(kit.make_line())
    (source,) = open_sources(str(file))
    assert source.label == str(file)
    with MemoryStore() as store:
        assert store.ingest(source).counts.counted == 1
        assert store.ingest(read_records(file)).read == 0


def test_what_names_nothing_is_an_error(tmp_path):
    with pytest.raises(SourceError, match=r"/nothing: there is no such file$"):
        open_files(f"file://{tmp_path}/nothing")
    with pytest.raises(SourceError, match=r"/nothing\*: no file has such a name$"):
        open_files(f"file://{tmp_path}/nothing*")
    with pytest.raises(SourceError, match="there is no such file"):
        read_records([tmp_path / "nothing"])


def test_several_files_are_read_as_one(kit, tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(kit.make_line(f"/{name}") * 2 + b"{\n")
    both = read_records([tmp_path / "b", tmp_path / "a"])
    assert [record.path for record in both] == ["/b", "/b", "/a", "/a"]
    assert [record.path for record in both] == ["/b", "/b", "/a", "/a"], "and again"
    with MemoryStore() as store:
        assert store.ingest(both).counts == Counts(6, 4, malformed={"not one JSON value": 2})
        assert [record.path for record in both][:1] == ["/b"], "whatever a store has met"
        assert store.ingest(both).read == 0
        with pytest.raises(SourceError, match="2 files; each of parts"):
            both.open(store.position)


class Odd:
    """Makes of a path something that is no regular file."""

    @staticmethod
    def directory(path):
        path.mkdir()

    @staticmethod
    def pipe(path):
        os.mkfifo(path)

    @staticmethod
    def link_to_itself(path):
        path.symlink_to(path)

    @staticmethod
    def dangling_link(path):
        path.symlink_to(path.with_name("nothing"))

    @staticmethod
    def zeros(path):
        path.symlink_to("/dev/zero")

    @staticmethod
    def null(path):
        path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        ("directory", r"is a directory; name the files in it, such as .*/odd/\*\.jsonl"),
        ("pipe", r"is a named pipe; it can be read as stdin: - < .*/odd"),
        ("link_to_itself", "can't be read: Too many levels of symbolic links"),
        ("dangling_link", "can't be read: No such file"),
        ("zeros", "is a device"),
        ("null", "is a device"),
    ],
)
def test_what_is_no_regular_file_has_a_reason_and_no_hang(kit, tmp_path, make, reason):
    getattr(Odd, make)(tmp_path / "odd")
    (tmp_path / "good").write_bytes(kit.make_line())
    found = [*open_files(f"file://{tmp_path}/odd"), *open_files(f"file://{tmp_path}/good")]
    problems = []

    def read():
        with MemoryStore() as store:
            for source in found:
                try:
                    problems.append(store.ingest(source).counts.counted)
                except SourceError as problem:
                    problems.append(str(problem))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(20)
    assert not reader.is_alive(), "it hangs"
    assert problems[1:] == [1]
    with pytest.raises(SourceError, match=f"^{tmp_path}/odd: {reason}"):
        raise SourceError(problems[0])


def test_a_socket_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("odd")
        with pytest.raises(SourceError, match=r"^odd: "):
            open_regular("odd")


def test_a_file_that_vanishes_between_list_and_open_has_a_reason(kit, tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(kit.make_line())
    gone, left = open_files(f"file://{tmp_path}/[ab]")
    (tmp_path / gone.path).unlink()
    with MemoryStore() as store:
        with pytest.raises(SourceError, match=f"^{gone.path}: can't be read: No such file or directory$"):
            store.ingest(gone)
        assert store.ingest(left).counts.counted == 1


def test_a_file_that_may_not_be_read_has_a_reason(tmp_path, monkeypatch):
    def refuse(path, flags):
        raise PermissionError(EACCES, os.strerror(EACCES), path)  # root is refused nothing

    touch(tmp_path / "secret", 1)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceError, match="can't be read: Permission denied"):
        open_regular(str(tmp_path / "secret"))


def test_a_name_with_nul_is_an_error_like_others():
    with pytest.raises(SourceError, match=r"can't be read: .*embedded null"):
        open_regular("a\0b")


# Lines without an end, at every size of the buffer.


def is_one_object(line, offset):
    return line.endswith(b"}")


def blocks_of(file):
    with open_regular(str(file)) as raw:
        for block in read_blocks(PlainStream(raw, "x"), Mark(), is_one_object):
            yield bytes(block.data), block.offset, block.ends.offset, block.count, block.overlong, block.ends


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize("window", [1, 3, 1024])
def test_blocks_are_the_lines_whatever_the_sizes(tmp_path, monkeypatch, size, window):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
    monkeypatch.setattr(blocks, "WINDOW_BYTES", window)
    data = b"".join(b"{" + b"x" * length + b"}\n" for length in (0, 1, 5, 6, 7, 61, 62, 63, 200, 0, 999, 998, 3))
    data = b"\n" + data + b"\n\n" + data + b"{half"
    (tmp_path / "x").write_bytes(data)
    at = 0
    for text, offset, ends, count, overlong, before in blocks_of(tmp_path / "x"):
        assert (offset, overlong) == (at, 0)
        assert text == data[offset:ends]
        assert count == text.count(b"\n")
        assert before.before == data[max(ends - window, 0) : ends]
        assert before.crc == crc32(data[:ends])
        at = ends
    assert data[at:] == b"{half"


@pytest.mark.parametrize("size", [4, 64, 99])
def test_a_line_over_the_cap_is_one_malformed_line_and_its_head_is_kept(tmp_path, monkeypatch, size):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
    monkeypatch.setattr(blocks, "MAX_LINE_BYTES", 100)
    for length in (97, 98, 99, 100, 101, 500, 5_000):
        data = b"{}\n" + b"y" * length + b"\n{}\n"
        (tmp_path / "x").write_bytes(data)
        found = list(blocks_of(tmp_path / "x"))
        over = [block for block in found if block[4]]
        assert len(over) == (length + 1 > 100)
        assert found[-1][2] == len(data)
        if over:
            ((text, offset, ends, count, overlong, before),) = over
            assert (offset, ends, count, overlong) == (3, 3 + length + 1, 1, length + 1)
            assert text == b"y" * len(text)
            assert len(text) <= 1024
            assert before.before == data[:ends][-1024:]
            assert before.crc == crc32(data[:ends])


def test_a_line_of_16_mib_is_a_line_and_a_longer_one_is_malformed(kit, tmp_path):
    line = kit.make_line(raw_request="!")
    fits = line.replace(b"!", b"x" * (MAX_LINE_BYTES - len(line) + 1))
    over = line.replace(b"!", b"x" * (MAX_LINE_BYTES - len(line) + 2))
    assert (len(fits), len(over)) == (MAX_LINE_BYTES, MAX_LINE_BYTES + 1)
    file = tmp_path / "x"
    rejected = []
    with MemoryStore() as store:
        file.write_bytes(fits + over + kit.make_line())
        counts = store.ingest(FileSource(str(file)), IngestOptions(on_rejected=rejected.extend)).counts
        assert counts == Counts(3, 2, malformed={"line over 16 MiB": 1})
        (one,) = rejected
        assert one.where == f"line 2 (byte {len(fits)})"
        assert one.raw == over[:1024] + f" … ({len(over)} bytes)".encode()
        with file.open("ab") as out:
            out.write(kit.make_line())
        assert store.ingest(FileSource(str(file))).read == 1


@pytest.mark.torture
def test_a_line_of_a_gigabyte_takes_little_memory(kit, tmp_path):
    file = tmp_path / "x"
    with file.open("wb") as out:
        out.write(kit.make_line())
        for _ in range(1024):
            out.write(b"x" * 2**20)
        out.write(b"\n" + kit.make_line())
    read, counted, malformed, grown_mib = kit.ingest_apart(file)
    assert (read, counted, malformed) == (3, 2, 1)
    assert grown_mib < 100


def test_records_of_five_years_back_and_two_days_ahead_go_to_their_own_days(kit, tmp_path):
    now = datetime.now(UTC).replace(hour=12)
    moments = [now - timedelta(days=5 * 365), now, now + timedelta(days=2), now - timedelta(days=30)]
    (tmp_path / "x").write_bytes(b"".join(kit.make_line(timestamp=moment.isoformat()) for moment in moments * 2))
    with MemoryStore() as store:
        kit.take(store, tmp_path / "x")
        for moment in moments:
            (row,) = store.consumers(first=moment.date(), last=moment.date())
            assert (row.hits, row.last_hit) == (2, moment)
        (row,) = store.consumers()
        assert (row.hits, row.last_hit) == (8, max(moments))

"""Random histories of log files: appended, half written, renamed, copied and truncated, compressed, copied.

Whatever happened between the ingests, every line counts once. Half of the histories have files that all begin with
the same line, which a reader that knows a file by its first line alone does not survive.
"""

import gzip
import os
import random
from pathlib import Path

import pytest

from tyk_endpoint_stats.sources import file as file_module
from tyk_endpoint_stats.sources.forms.form import LinesForm
from tyk_endpoint_stats.sources.place import Place, StoredPosition, beginning_of, find_place, mark_at
from tyk_endpoint_stats.stores.memory import MemoryStore

pytestmark = pytest.mark.slow


class Log:
    """A folder in which a logger writes, and somebody rotates."""

    def __init__(self, folder, randomness, make_line, alike):
        self.folder = folder
        self.random = randomness
        self.make_line = make_line
        self.first = make_line("/first") if alike else b""
        self.written = {}
        self.number = 0
        self.files = 0
        self.current = folder / "log"
        self.half = b""  # what is missing of the last line
        self.begin()

    def line(self):
        self.number += 1
        path = f"/{self.number}"
        self.written[path] = 1
        # Its number stands near its end, too: a position is known again by the 1,024 bytes before it.
        return self.make_line(path, raw_request="x" * self.random.choice((0, 10, 2_000)), alias=path)

    def begin(self):
        # A file that begins like others differs from them in its second line: equal ones would be the same.
        self.files += 1
        if self.first:
            self.written["/first"] = self.files
        self.current.write_bytes(self.first + self.line())

    def append(self):
        lines = b"".join(self.line() for _ in range(self.random.randint(1, 6)))
        with self.current.open("ab") as out:
            out.write(self.half + lines)
        self.half = b""

    def append_half(self):
        line = self.line()
        cut = self.random.randrange(1, len(line) - 1)
        with self.current.open("ab") as out:
            out.write(self.half + line[:cut])
        self.half = line[cut:]

    def end_without_newline(self):
        with self.current.open("ab") as out:
            out.write(self.half + self.line()[:-1])
        self.half = b"\n"

    def complete(self):
        with self.current.open("ab") as out:
            out.write(self.half)
        self.half = b""

    def shift(self):
        for file in sorted(self.folder.iterdir(), key=lambda one: -len(one.name)):
            if file != self.current:
                file.rename(file.with_name(f"log.r{file.name.removeprefix('log')}"))

    def rotate(self):
        self.complete()
        self.shift()
        self.current.rename(self.folder / "log.1")
        self.begin()

    def copy_and_truncate(self):
        self.complete()
        self.shift()
        (self.folder / "log.1").write_bytes(self.current.read_bytes())
        os.truncate(self.current, 0)
        if self.random.random() < 0.5:
            return self.begin
        self.begin()
        return None

    def compress(self):
        plain = [one for one in self.folder.iterdir() if one != self.current and one.suffix != ".gz"]
        if plain:
            file = self.random.choice(plain)
            packed = file.with_name(file.name + ".gz")
            packed.write_bytes(gzip.compress(file.read_bytes(), 1))
            if self.random.random() < 0.7:
                os.utime(packed, ns=(file.stat().st_mtime_ns,) * 2)
            if self.random.random() < 0.8:
                file.unlink()  # else it stands there twice for a while

    def copy(self):
        # Of a file that grows no more: a copy that stays behind its original is another file by then.
        rotated = [one for one in self.folder.iterdir() if one != self.current]
        if rotated:
            file = self.random.choice(rotated)
            (self.folder / f"log.copy{self.number}{file.suffix}").write_bytes(file.read_bytes())


def lines_wrong(kit, folder, seed):
    """How many lines were lost or counted twice in one history."""
    randomness = random.Random(seed)
    log = Log(folder, randomness, kit.make_line, alike=bool(seed % 2))
    steps = (
        *(log.append,) * 4,
        *(log.append_half, log.end_without_newline, log.rotate, log.copy_and_truncate, log.compress, log.copy),
    )
    with MemoryStore() as store:
        for _ in range(randomness.randint(8, 24)):
            later = randomness.choice(steps)()
            if later or randomness.random() < 0.5:
                kit.take(store, folder / "log*")
            if later:
                later()
        log.complete()
        kit.take(store, folder / "log*")
        again = kit.take(store, folder / "log*").read
        torn = sum(sum(one.counts.malformed.values()) for one in store.sources())
        hits = kit.read_hits(store)
    return again + torn + sum(abs(hits.get(path, 0) - count) for path, count in log.written.items())


def wrong_in(kit, folder, seeds):
    wrong = {}
    for seed in seeds:
        place = folder / str(seed)
        place.mkdir()
        wrong[seed] = lines_wrong(kit, place, seed)
        for file in place.iterdir():
            file.unlink()
    return {seed: count for seed, count in wrong.items() if count}


def known_by_the_first_line_alone(stream, position, beginning=None, anchors=()):
    """The broken twin: a position is believed without a look at the bytes before it."""
    beginning = beginning_of(stream)
    stored = position(beginning.name) if beginning else None
    if stored is None:
        return find_place(stream, position, beginning)
    offset = StoredPosition.parse(stored).offset
    return Place(beginning.name, beginning.form, stored, mark_at(stream, offset), beginning.head)


def test_every_line_counts_once_whatever_becomes_of_its_file(kit, tmp_path, seed):
    assert wrong_in(kit, tmp_path, range(seed * 10_000, seed * 10_000 + 60)) == {}


def test_a_reader_that_knows_a_file_by_its_first_line_alone_is_found_out(kit, tmp_path, seed, monkeypatch):
    monkeypatch.setattr(file_module, "find_place", known_by_the_first_line_alone)
    assert wrong_in(kit, tmp_path, range(seed * 10_000 + 1, seed * 10_000 + 21, 2))


@pytest.mark.torture
def test_every_line_counts_once_in_very_many_histories(kit, tmp_path, seed):
    assert wrong_in(kit, tmp_path, range(seed * 10_000, seed * 10_000 + 5_000)) == {}


def test_two_files_that_begin_alike_are_two(kit, tmp_path):
    first = kit.make_line("/first")
    files = [tmp_path / name for name in "abc"]
    for number, file in enumerate(files):
        file.write_bytes(first + kit.make_line(f"/{number}") * (number + 1))
    with MemoryStore() as store:
        assert kit.take(store, *files).counts.counted == 9
        assert kit.take(store, *reversed(files)).read == 0
        assert kit.read_hits(store) == {"/first": 3, "/0": 1, "/1": 2, "/2": 3}
        names = [one.source for one in store.sources()]
        assert [name.partition("~")[2] for name in names] == ["", "1", "2"]
        for number, file in enumerate(files):
            with file.open("ab") as out:
                out.write(kit.make_line(f"/more/{number}"))
        assert kit.take(store, *files).counts.counted == 3


def test_a_file_and_its_growth_are_one_source_wherever_it_lies(kit, tmp_path):
    file = tmp_path / "log"
    lines = [kit.make_line(f"/{number}") for number in range(9)]
    with MemoryStore() as store:
        for count, name in ((3, "log"), (5, "log.1"), (7, "elsewhere"), (9, "log.gz")):
            data = b"".join(lines[:count])
            file.unlink(missing_ok=True)
            file = tmp_path / name
            file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
            assert kit.take(store, file).read == (3 if count == 3 else 2)
        (progress,) = store.sources()
        assert progress.counts.counted == 9
        assert StoredPosition.parse(progress.position).offset == sum(map(len, lines))


def test_half_a_line_waits_for_its_other_half_and_a_whole_object_does_not(kit, tmp_path):
    file, line = tmp_path / "log", kit.make_line()
    with MemoryStore() as store:
        file.write_bytes(line + line[:40])
        assert kit.take(store, file).read == 1
        file.write_bytes(line * 2 + line[:-1])
        assert kit.take(store, file).read == 2, "an object is whole with its last brace"
        file.write_bytes(line * 4)
        assert kit.take(store, file).read == 1
        assert kit.read_hits(store) == {"/a": 4}


def test_a_first_line_that_is_half_waits_too(kit, tmp_path):
    file, line = tmp_path / "log", kit.make_line()
    with MemoryStore() as store:
        for cut in (0, 1, 40, len(line) - 2):
            file.write_bytes(line[:cut])
            assert kit.take(store, file).read == 0
            assert list(store.sources()) == []
        file.write_bytes(line[:-1])
        assert kit.take(store, file).read == 1
        file.write_bytes(line)
        assert kit.take(store, file).read == 0


def test_a_file_that_is_truncated_while_it_is_read_is_left_where_it_was(kit, tmp_path):
    file = tmp_path / "log"
    old = [kit.make_line(f"/old/{number}", raw_request="x" * 500) for number in range(3_000)]
    new = [kit.make_line(f"/new/{number}", raw_request="y" * 500) for number in range(3_000)]
    file.write_bytes(b"".join(old))
    source = file_module.FileSource(str(file))
    with MemoryStore() as store, source.open(store.position) as reading:
        chunks = reading.chunks()
        read = [record.path for record in next(chunks).records]
        os.truncate(file, 0)
        with file.open("r+b") as out:
            out.write(b"".join(new))
        read += [record.path for chunk in chunks for record in chunk.records]
    assert 0 < len(read) < 3_000
    assert read == [f"/old/{number}" for number in range(len(read))]


@pytest.mark.parametrize(
    "stored", ["", "5", "abc", "0" * 20 + ":xyz", "9" * 20 + ":" + "0" * 16, "7:0123456789abcdef"]
)
def test_a_position_that_is_none_of_ours_is_another_sources(kit, tmp_path, stored):
    file = tmp_path / "log"
    file.write_bytes(kit.make_line() * 3)
    with file_module.open_regular(str(file)) as raw:
        stream = file_module.PlainStream(raw, "log")
        name = beginning_of(stream).name
        place = find_place(stream, {name: stored}.get)
    assert place == Place(f"{name}~1", LinesForm(), head=file.read_bytes()[:1024])


def test_the_name_is_the_hash_of_the_first_line_without_its_end_and_spaces(tmp_path, kit):
    names = set()
    for number, before in enumerate((b"", b"\n", b" \r\n\n")):
        for end in (b"\n", b"\r\n", b""):
            file = Path(tmp_path / f"{number}{end!r}")
            file.write_bytes(before + kit.make_line().strip() + end)
            with file_module.open_regular(str(file)) as raw:
                names.add(beginning_of(file_module.PlainStream(raw, "log")).name)
    assert len(names) == 1
    assert names.pop().startswith("file:")

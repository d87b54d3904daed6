"""Following: every record once while files grow, are renamed, copied, truncated and packed under the reader."""

import csv
import gzip
import io
import os
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tyk_endpoint_stats import open_sources, open_store
from tyk_endpoint_stats.core.buckets import ALL_DAYS
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.demo.formats import CSV_HEADER
from tyk_endpoint_stats.ingest import follower
from tyk_endpoint_stats.ingest.follower import follow
from tyk_endpoint_stats.sources import place
from tyk_endpoint_stats.sources.file import FileSource, PlainStream
from tyk_endpoint_stats.sources.files import RecordFiles
from tyk_endpoint_stats.sources.stdin import StdinSource

pytestmark = pytest.mark.slow

FORMS = ("jsonl", "pump-stdout", "csv")


def json_record(path):
    return f'{{"path":"{path}","api_key":"k","response_code":200,"timestamp":"2026-10-13T10:00:00Z"}}'


def csv_row(path):
    values = {"Path": path, "APIKey": "k", "ResponseCode": 200, "TimeStamp": "2026-10-13 10:00:00 +0000 UTC"}
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([values.get(name, "") for name in CSV_HEADER])
    return out.getvalue().encode()


def encoded(form, path):
    if form == "csv":
        return csv_row(path)
    record = json_record(path)
    return (f'{{"level":"info","our-name":{record}}}\n' if form == "pump-stdout" else f"{record}\n").encode()


def counted(store):
    question = Selection(ALL_DAYS, frozenset({Dimension.ENDPOINT}))
    return Counter({group.endpoint.path: stats.hits for group, stats in store.read(question)})


class Logger:
    """Writes numbered records into ``log``, in pieces, and rotates it in every way there is."""

    def __init__(self, folder, form, rng, same_beginning):
        self.folder, self.form, self.rng, self.same_beginning = folder, form, rng, same_beginning
        self.log = folder / "log"
        self.written = Counter()
        self.pending = b""
        self.rotated = 0
        self.begin()

    def begin(self):
        with self.log.open("ab") as out:
            out.write((",".join(CSV_HEADER) + "\n").encode() if self.form == "csv" else b"")
        self.lines = 0
        if self.same_beginning:
            self.put("/first")

    def put(self, path):
        self.written[path] += 1
        self.lines += 1
        self.pending += encoded(self.form, path)

    def flush(self, size=None, file=None):
        size = len(self.pending) if size is None else size
        with (file or self.log).open("ab") as out:
            out.write(self.pending[:size])
        self.pending = self.pending[size:]

    def step(self):
        act = self.rng.random()
        if act < 0.6:
            for _ in range(self.rng.choice((1, 2, 30))):
                newline = "\n" if self.form == "csv" and self.rng.random() < 0.2 else ""
                self.put(f"/{len(self.written)}{newline}/x")
            self.flush(self.rng.randrange(len(self.pending) + 1))
        elif self.lines < 3:
            return
        elif act < 0.75:
            self.rotate_by_renaming()
        elif act < 0.85 and self.form != "csv":  # Pump writes a CSV file's header once, when it makes the file
            self.flush()
            shutil.copyfile(self.log, self.next_name())
            os.truncate(self.log, 0)
            self.begin()
        elif older := sorted(self.folder.glob("log.*[0-9]")):
            self.pack(self.rng.choice(older))

    def next_name(self):
        self.rotated += 1
        return self.folder / f"log.{self.rotated}"

    def rotate_by_renaming(self):
        target = self.log.rename(self.next_name())
        self.flush(file=target)  # the writer has it open still
        self.begin()

    def pack(self, file):
        hidden = self.folder / "packing"
        hidden.write_bytes(gzip.compress(file.read_bytes(), 1))
        hidden.rename(file.with_name(f"{file.name}.gz"))
        file.unlink()


def history(folder, form, seed):
    """What was counted and what was written, where every moment of the reader's is one at which files change."""
    rng = Random(f"{seed} {form}")
    logger = Logger(folder, form, rng, same_beginning=rng.random() < 0.5)
    steps = rng.randrange(5, 40)
    quiet = 0

    def change():
        nonlocal steps
        for _ in range(rng.choice((0, 0, 1, 6)) if steps else 0):  # 6: truncated and already longer than before
            logger.step()
        steps = max(0, steps - 1)

    def wait(seconds):
        nonlocal quiet
        change()
        if seconds and not steps:
            logger.flush()
            quiet += 1
        return quiet > 3 and seconds > 0

    def find(name):
        change()
        found = open_sources(name)
        change()
        return found

    with open_store("memory://") as store:
        report = follow(
            store, [f"{folder}/log*"], find, wait=wait, on_report=lambda _: None, on_problem=lambda _: None
        )
        assert not report.counts.malformed
        return counted(store), logger.written


def is_exact(folder, form, seed):
    folder.mkdir()
    found, written = history(folder, form, seed)
    return found == written


@pytest.mark.parametrize("form", FORMS)
def test_every_record_once_whatever_happens_to_the_files(tmp_path, seed, form):
    for number in range(6):
        assert is_exact(tmp_path / str(number), form, f"{seed} {number}"), number


@pytest.mark.torture
@pytest.mark.parametrize("form", FORMS)
def test_every_record_once_in_many_more_histories(tmp_path, seed, form):
    for number in range(1000):
        folder = tmp_path / str(number)
        assert is_exact(folder, form, f"torture {seed} {number}"), number
        shutil.rmtree(folder)


TWINS = {
    "goes on after a truncation": (PlainStream, "still_has", lambda self, offset, data: True),
    "trusts an offset": (place.StoredPosition, "fits", lambda self, mark: mark.offset == self.offset),
}


@pytest.mark.parametrize("twin", TWINS)
def test_the_histories_catch_a_reader_that(tmp_path, seed, twin, monkeypatch):
    monkeypatch.setattr(*TWINS[twin][:2], TWINS[twin][2])
    if twin == "trusts an offset":
        monkeypatch.setattr(place, "window_hash", lambda before: "0" * 16)

    def is_caught(number):
        try:
            return not is_exact(tmp_path / str(number), "jsonl", f"{seed} {number}")
        except AssertionError:
            return True  # it met half lines

    first = (3, 44)  # those that catch them with the seed that is given to nobody
    assert any(is_caught(number) for number in (*first, *(n for n in range(60) if n not in first)))


class Clock:
    """Stands for time: waiting is all that takes any."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(follower.time, "monotonic", lambda: self.now)


def followed(store, names, wait, **options):
    said = {"reports": [], "problems": []}
    report = follow(
        store,
        names,
        options.pop("find", open_sources),
        wait=wait,
        on_report=lambda report: said["reports"].append(report.read),
        on_problem=said["problems"].append,
        **options,
    )
    return report, said


def stops_after(passes, then=lambda: None):
    left = [passes]

    def wait(seconds):
        if seconds:
            left[0] -= 1
            then()
        return left[0] <= 0

    return wait


@pytest.fixture
def store():
    with open_store("memory://") as opened:
        yield opened


def test_quiet_files_are_not_opened_again_until_they_change(tmp_path, store, monkeypatch):
    file = tmp_path / "log"
    file.write_bytes(encoded("jsonl", "/a"))
    opened = []
    real = FileSource.open
    monkeypatch.setattr(FileSource, "open", lambda self, position: opened.append(1) or real(self, position))
    monkeypatch.setattr(FileSource, "stamp", lambda self: (Path(self.path).stat().st_size,))
    passes = []

    def then():
        passes.append(len(opened))
        if len(passes) == 3:
            file.write_bytes(file.read_bytes() + encoded("jsonl", "/b"))

    followed(store, [str(file)], stops_after(6, then))
    assert passes == [1, 1, 1, 2, 2, 2]
    assert set(counted(store)) == {"/a", "/b"}


def test_a_stamp_is_given_only_where_a_change_would_show(tmp_path, monkeypatch):
    file = tmp_path / "log"
    file.write_bytes(b"1")
    source = FileSource(str(file))
    assert source.stamp() is None  # changed just now: another change might have the same time
    assert FileSource(str(tmp_path / "missing")).stamp() is None
    later = time.time() + 60
    monkeypatch.setattr("tyk_endpoint_stats.sources.file.time.time", lambda: later)
    stamp = source.stamp()
    assert stamp is not None
    assert stamp == source.stamp()
    file.chmod(0o400)
    assert source.stamp() != stamp


def test_one_that_fails_is_tried_again_now_and_then(tmp_path, store, monkeypatch):
    clock = Clock(monkeypatch)
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(encoded("jsonl", "/a") * 100)[:-5])
    monkeypatch.setattr(FileSource, "stamp", lambda self: (1,))
    opened = []
    real = FileSource.open
    monkeypatch.setattr(FileSource, "open", lambda self, position: opened.append(1) or real(self, position))

    def then():
        clock.now += 10

    _, said = followed(store, [str(file)], stops_after(14, then))
    assert len(opened) == 3
    assert len(said["problems"]) == 1


def test_one_line_a_minute_also_in_the_middle_of_a_large_file(tmp_path, store, monkeypatch):
    clock = Clock(monkeypatch)
    tmp_path.joinpath("log").write_bytes(encoded("jsonl", "/a") * 30_000)

    def wait(seconds):
        clock.now += 15  # every chunk takes this long
        return seconds > 0 and store.position("") is None and clock.now > 1000 + 60 * 20

    monkeypatch.setattr(follower, "_TURN_S", 1e9)
    report, said = followed(store, [str(tmp_path / "log")], wait)
    assert report.read == 30_000
    assert len(said["reports"]) >= 2
    assert said["reports"] == sorted(said["reports"])


def test_a_source_that_always_has_more_leaves_the_others_their_turn(tmp_path, store, monkeypatch):
    clock = Clock(monkeypatch)
    busy, other = tmp_path / "busy", tmp_path / "other"
    busy.write_bytes(encoded("jsonl", "/busy"))
    other.write_bytes(encoded("jsonl", "/other"))

    def wait(seconds):
        clock.now += 1
        with busy.open("ab") as out:
            out.write(encoded("jsonl", "/busy"))
        return "/other" in counted(store) or clock.now > 2000

    followed(store, [str(busy), str(other)], wait)
    assert clock.now < 1100
    assert counted(store)["/other"] == 1


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", 0) as out, os.fdopen(writer, "wb", 0) as into:
        source = StdinSource(out.fileno())
        yield source, into
        source.close()


def test_what_came_through_a_pipe_is_merged_while_nothing_more_comes(store, pipe):
    source, into = pipe
    into.write(encoded("jsonl", "/a") + encoded("jsonl", "/b")[:20])
    followed(store, ["-"], stops_after(1), find=lambda name: [source])
    assert set(counted(store)) == {"/a"}
    into.write(encoded("jsonl", "/b")[20:])
    into.close()
    followed(store, ["-"], stops_after(1000), find=lambda name: [source])
    assert source.ended
    assert counted(store) == {"/a": 1, "/b": 1}


def test_following_ends_with_the_pipe_that_is_all_there_is(store, pipe):
    source, into = pipe
    into.write(encoded("csv", "/a"))
    into.close()
    report, _ = followed(store, ["-"], stops_after(10**6), find=lambda name: [source])
    assert report.read == 1


def test_a_pipe_without_a_word_can_be_told_to_stop(store, pipe):
    source, _ = pipe
    began = time.monotonic()
    followed(store, ["-"], stops_after(1), find=lambda name: [source])
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("as_records", [False, True])
def test_whoever_reads_a_pipe_that_pauses_waits_for_its_end(store, pipe, as_records):
    """The broken twin is one that takes a pause for the end: it would count a part."""
    source, into = pipe
    into.write(encoded("jsonl", "/a")[:30])

    def write_on():
        for piece in (encoded("jsonl", "/a")[30:], encoded("jsonl", "/b")):
            time.sleep(0.8)
            into.write(piece)
        into.close()

    writer = threading.Thread(target=write_on, daemon=True)
    writer.start()
    if as_records:
        assert [record.path for record in RecordFiles([source], "pipe")] == ["/a", "/b"]
    else:
        assert store.ingest(source).read == 2
    writer.join()

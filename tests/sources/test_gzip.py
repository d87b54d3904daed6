"""Gzip files: counted whole or not at all, whatever is wrong with them, in memory that no file can grow."""

import gzip
import random
import zlib

import pytest

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.batch_builder import Limits
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.sources.forms.compressed import PackedStream
from tyk_endpoint_stats.stores.memory import MemoryStore

MEMBER = 400


@pytest.fixture
def lines(kit):
    return b"".join(kit.make_line(f"/{number}", request_time=number) for number in range(MEMBER))


def broken(lines):
    """Packed lines with something wrong with them, each by its name."""
    packed = gzip.compress(lines)
    middle = len(packed) // 2
    return {
        "cut in the middle": packed[:middle],
        "cut in the header": packed[:9],
        "cut behind the magic bytes": packed[:2],
        "the trailer cut off": packed[:-8],
        "the trailer cut in half": packed[:-4],
        "the last byte cut off": packed[:-1],
        "a flipped byte": packed[:middle] + bytes([packed[middle] ^ 0x10]) + packed[middle + 1 :],
        "a wrong checksum": packed[:-8] + zlib.crc32(b"other").to_bytes(4, "little") + packed[-4:],
        "a wrong length": packed[:-4] + b"\1\0\0\0",
        "junk behind it": packed + b"junk",
        "lines behind it": packed + lines,
        "a second member cut off": packed + packed[:middle],
        "junk behind zeros": packed + bytes(100) + b"junk",
        "no compression method": packed[:2] + b"\7" + packed[3:],
    }


NAMES = list(broken(b"{}\n" * 100))


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_file_is_refused_whole_and_named(kit, tmp_path, lines, name):
    file, good = tmp_path / "broken.gz", tmp_path / "good"
    file.write_bytes(broken(lines)[name])
    good.write_bytes(kit.make_line())
    with MemoryStore() as store:
        with pytest.raises(
            SourceError, match=r"broken\.gz: this gzip file is cut off or corrupt .* nothing of it was"
        ):
            kit.take(store, file)
        assert kit.read_hits(store) == {}
        assert list(store.sources()) == []
        kit.take(store, good)
        file.write_bytes(gzip.compress(lines))
        assert kit.take(store, file).counts.counted == MEMBER


def test_a_reader_that_counts_before_the_checksum_would_be_found_out(kit, tmp_path, lines, monkeypatch):
    file = tmp_path / "broken.gz"
    # Stored, not squeezed, so that lines come out before the checksum is reached.
    packed = gzip.compress(lines * 9, 0)
    file.write_bytes(packed[:-8] + bytes(4) + packed[-4:])
    monkeypatch.setattr(PackedStream, "verify", lambda stream: None)
    with MemoryStore() as store:
        with pytest.raises(SourceError):
            ingest(store, FileSource(str(file)), IngestOptions(limits=Limits(states=1)))
        assert kit.read_hits(store), "that is what the first pass is for"


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        lambda data: gzip.compress(data, 0),
        lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
        lambda data: gzip.compress(data) + bytes(512),
        lambda data: gzip.compress(b"") + gzip.compress(data) + bytes(7) + gzip.compress(b""),
        lambda data: b"".join(gzip.compress(line + b"\n", 1) for line in data.splitlines()),
    ],
    ids=["one member", "stored", "cut in a line", "zeros behind it", "empty members", "a member a line"],
)
def test_a_sound_file_is_the_lines_in_it(kit, tmp_path, lines, pack):
    plain, packed = tmp_path / "log", tmp_path / "log.gz"
    plain.write_bytes(lines)
    packed.write_bytes(pack(lines))
    with MemoryStore() as store:
        assert kit.take(store, packed).counts.counted == MEMBER
        assert kit.take(store, plain).read == 0
        packed.write_bytes(pack(lines + kit.make_line("/more")))
        assert kit.take(store, packed).counts.counted == 1


def test_an_empty_one_holds_nothing(kit, tmp_path):
    file = tmp_path / "empty.gz"
    with MemoryStore() as store:
        for data in (b"", gzip.compress(b""), gzip.compress(b"\n\n"), gzip.compress(kit.make_line()[:30])):
            file.write_bytes(data)
            assert kit.take(store, file).read == 0


def test_the_name_of_a_file_does_not_say_whether_it_is_packed(kit, tmp_path, lines):
    for name, data in (("a.jsonl", gzip.compress(lines)), ("b.gz", b"\n" + lines[:-1])):
        (tmp_path / name).write_bytes(data)
        with MemoryStore() as store:
            assert kit.take(store, tmp_path / name).counts.counted == MEMBER


@pytest.mark.torture
def test_a_flipped_bit_anywhere_is_refused_or_harmless(kit, tmp_path, lines, seed):
    file, packed, randomness = tmp_path / "flipped.gz", gzip.compress(lines), random.Random(seed)
    refused = 0
    for _ in range(3_000):
        flipped = bytearray(packed)
        flipped[randomness.randrange(len(flipped))] ^= 1 << randomness.randrange(8)
        file.write_bytes(flipped)
        with MemoryStore() as store:
            try:
                kit.take(store, file)
            except SourceError:
                refused += 1
                assert kit.read_hits(store) == {}
            else:
                assert kit.read_hits(store) in ({}, {f"/{number}": 1 for number in range(MEMBER)})
    assert refused > 2_900


def test_a_small_file_that_grows_a_thousandfold_takes_little_memory(kit, tmp_path):
    bomb = tmp_path / "bomb.gz"
    with gzip.open(bomb, "wb", 1) as out:
        out.write(kit.make_line() + b'{"path":"')
        for _ in range(100):
            out.write(b"x" * 2**20)
        out.write(b'"}\n' + kit.make_line())
    assert bomb.stat().st_size < 2**20
    read, counted, malformed, grown_mib = kit.ingest_apart(bomb)
    assert (read, counted, malformed) == (3, 2, 1)
    assert grown_mib < 100

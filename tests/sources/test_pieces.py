"""A file in pieces: whoever merges them in their order does the same as one reading."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.batch_builder import Limits, Wanted, collect
from tyk_endpoint_stats.ingest.loop import merge_collected
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.sources.forms import blocks
from tyk_endpoint_stats.sources.forms.blocks import WINDOW_BYTES
from tyk_endpoint_stats.sources.pieces import cut
from tyk_endpoint_stats.stores.memory import MemoryStore


def merge_pieces(store, file, size, limits=Limits()):  # noqa: B008 - frozen
    """Merge a file piece by piece, as the processes do; how many pieces there were."""
    pieces = list(cut(str(file), store.position, size))
    report = IngestReport(str(file))
    for piece in pieces:
        with piece.open() as reading:
            for collected in collect(reading, str(file), Wanted(limits=limits)):
                assert merge_collected(store, collected, report, IngestOptions()), (
                    "a piece begins where the one before it ended"
                )
    return len(pieces)


LINES = st.lists(
    st.sampled_from(
        [
            b"",
            b" ",
            b"{half",
            b'{"level":"info"}',
            b'{"path":"/%s","api_key":"k","timestamp":"2020-10-13T10:00:00Z"}' % (b"x" * 300),
            b'{"path":"/y","api_key":"k","timestamp":"2020-10-13T10:00:00Z"}',
        ]
    ),
    min_size=1,
    max_size=60,
)


# A piece is larger than the head by which its file is known again.
SIZES = st.integers(WINDOW_BYTES, 4_000)


@given(lines=LINES, size=SIZES, states=st.sampled_from((1, 10**6)), end=st.sampled_from((b"", b"\n")))
@settings(max_examples=80)
def test_pieces_in_their_order_are_one_reading(kit, tmp_path_factory, lines, size, states, end):
    file = tmp_path_factory.getbasetemp() / "pieces"
    file.write_bytes(b"\n".join(lines) + end)
    with MemoryStore() as whole, MemoryStore() as store:
        kit.take(whole, file)
        merge_pieces(store, file, size, Limits(states=states))
        assert kit.read_states(store) == kit.read_states(whole)
        assert [(one.source, one.counts) for one in store.sources()] == [
            (one.source, one.counts) for one in whole.sources()
        ]
        assert [one.position for one in store.sources()] == [one.position for one in whole.sources()]
        assert kit.take(store, file).read == 0


def test_pieces_of_what_is_new_begin_where_the_store_stands(kit, tmp_path):
    file = tmp_path / "log"
    lines = [kit.make_line(f"/{number}") for number in range(100)]
    with MemoryStore() as store:
        file.write_bytes(b"".join(lines[:40]))
        kit.take(store, file)
        file.write_bytes(b"".join(lines))
        assert merge_pieces(store, file, 2_000) > 5
        assert kit.read_hits(store) == {f"/{number}": 1 for number in range(100)}


def test_gzip_is_one_piece_and_the_pieces_of_nothing_are_none(kit, tmp_path):
    file = tmp_path / "log"
    with MemoryStore() as store:
        file.write_bytes(gzip.compress(kit.make_line() * 100))
        assert merge_pieces(store, file, 10) == 1
        assert kit.read_hits(store) == {"/a": 100}
        for data in (b"", b"{half", gzip.compress(b"")):
            file.write_bytes(data)
            assert merge_pieces(store, file, 10) == 0


def test_a_long_line_is_not_cut(kit, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1_000)
    file = tmp_path / "log"
    file.write_bytes(kit.make_line() + kit.make_line("/long", raw_request="x" * 200_000) + kit.make_line("/b") * 5)
    with MemoryStore() as store:
        merge_pieces(store, file, 1_024)
        assert kit.read_hits(store) == {"/a": 1, "/long": 1, "/b": 5}


def test_a_piece_of_a_file_that_was_begun_anew_is_nothing(kit, tmp_path):
    file = tmp_path / "log"
    file.write_bytes(b"".join(kit.make_line(f"/old/{number}") for number in range(50)))
    with MemoryStore() as store:
        pieces = list(cut(str(file), store.position, 2_000))
        assert {piece.total for piece in pieces} == {file.stat().st_size}
        assert len(pieces) > 3
        file.write_bytes(b"".join(kit.make_line(f"/new/{number}") for number in range(50)))
        for piece in pieces:
            with piece.open() as reading:
                assert list(reading.chunks()) == []


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.symlink_to(path)])
def test_what_is_no_file_can_not_be_cut(tmp_path, make):
    make(tmp_path / "odd")
    with pytest.raises(SourceError, match="/odd: "):
        list(cut(str(tmp_path / "odd"), lambda name: None, 10))

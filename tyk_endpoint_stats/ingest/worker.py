"""A process that decodes and aggregates pieces of files, and never touches a store.

It is started by ``worker_pool.py`` and talks with it over its stdin and stdout in frames: a length, a kind, and
msgpack or text. Nothing that it reads is ever run. It ends when its stdin does, so it can't outlive its parent.
"""

import os
import signal
import sys
from typing import BinaryIO

from msgspec import msgpack
from msgspec.structs import replace

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.batch_builder import Wanted, collect
from tyk_endpoint_stats.sources.pieces import Piece

__all__ = ["BATCH", "ENDED", "FAILED", "PATH", "TASK", "main", "read_frame", "write_frame"]

TASK = b"T"
"""To the worker: first a ``Wanted``, then a ``Piece`` each, behind the path of its file."""

PATH = b"P"
"""To the worker: the bytes of the path of the next piece's file, which may be no text that can be encoded."""

BATCH = b"B"
"""From the worker: a ``Collected`` of the piece, in order."""

ENDED = b"E"
"""From the worker: the piece is read to its end; how many bytes there are no whole record."""

FAILED = b"F"
"""From the worker: the piece can't be read on; a message."""

_LENGTH_BYTES = 8


def main() -> None:
    """Read the rules, then piece after piece; write the batch of each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that merges
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    frame = read_frame(stdin)
    if frame is None:
        return
    wanted = msgpack.decode(frame[1], type=Wanted)
    path = ""
    decode_piece, encode = msgpack.Decoder(Piece).decode, msgpack.Encoder().encode
    while (frame := read_frame(stdin)) is not None:
        kind, data = frame
        if kind == PATH:
            path = os.fsdecode(data)
            continue
        piece = replace(decode_piece(data), path=path)
        try:
            with piece.open() as reading:
                for collected in collect(reading, piece.path, wanted):
                    write_frame(stdout, BATCH, encode(collected))
                waiting = reading.waiting
        except SourceError as problem:
            write_frame(stdout, FAILED, str(problem).encode("utf-8", "surrogatepass"))
        else:
            write_frame(stdout, ENDED, str(waiting).encode())


def read_frame(file: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next frame: its kind and what is in it; ``None`` at the end, also in the middle of a frame."""
    head = file.read(_LENGTH_BYTES + 1)
    if len(head) <= _LENGTH_BYTES:
        return None
    length = int.from_bytes(head[:_LENGTH_BYTES])
    data = file.read(length)
    return (head[_LENGTH_BYTES:], data) if len(data) == length else None


def write_frame(file: BinaryIO, kind: bytes, data: bytes) -> None:
    """Write a frame whole."""
    file.write(len(data).to_bytes(_LENGTH_BYTES) + kind)
    file.write(data)
    file.flush()

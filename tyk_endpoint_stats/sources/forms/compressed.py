"""Compressed files as streams of their bytes, read only after all of them was found sound.

Lines of a corrupt file come out before its checksum is reached: who counts them has counted wrong.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from importlib import import_module
from io import BufferedReader, RawIOBase
from typing import Any, Protocol

from msgspec import Struct

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.forms.blocks import ByteStream

__all__ = ["COMPRESSIONS", "HEAD_BYTES", "Compression", "PackedStream", "compression_of"]

_PIECE_BYTES = 256 * 2**10
_READ_BYTES = 32 * 2**10
_ZSTANDARD_READ_BYTES = 1024
"""The package ``zstandard`` can't be told to stop: what comes out of so little is bounded."""

_MAX_MEMORY_BYTES = 128 * 2**20
"""What a decompressor may take; packers' own levels need up to 65 MiB."""

HEAD_BYTES = 8
"""As much as it takes to know a compression."""


class _Decompressor(Protocol):
    """What the decompressors of the standard library have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Compression(Struct, frozen=True):
    """One kind of compressed file.

    Attributes:
        name: how people call it.
        magic: its first bytes.
        start: a decompressor of one member of such a file; ``None``: there is nothing to read it with.
        problems: what the decompressor raises where the bytes are corrupt.
        advice: what to do where it can't be read.
        read_bytes: how much to give it at a time.
        offset: where the magic stands.
    """

    name: str
    magic: bytes
    start: Callable[[], _Decompressor] | None
    problems: tuple[type[Exception], ...] = (OSError, ValueError, EOFError)
    advice: str = "unpack it first"
    read_bytes: int = _READ_BYTES
    offset: int = 0


class _Gzip:
    """One member of a gzip file, with the face of the other decompressors."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(max_length, 0))


class _Zstandard:
    """One frame, by the package ``zstandard``."""

    def __init__(self, package: Any) -> None:
        self._inner = package.ZstdDecompressor(max_window_size=_MAX_MEMORY_BYTES).decompressobj()
        self._ready = b""

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof) and not self._ready

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    @property
    def needs_input(self) -> bool:
        return not self._ready and not self._inner.eof

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if data:
            self._ready += self._inner.decompress(data)
        got, self._ready = self._ready[:max_length], self._ready[max_length:]
        return got


def _zstd() -> Compression:
    """Python has it from 3.14 on, and the package ``zstandard`` for all."""
    magic = b"\x28\xb5\x2f\xfd"
    try:
        ours: Any = import_module("compression.zstd")
        return Compression("zstd", magic, ours.ZstdDecompressor, (ours.ZstdError,))
    except ImportError:
        pass
    try:
        package = import_module("zstandard")
    except ImportError:
        return Compression("zstd", magic, None, advice="unpack it first, or pip install zstandard")
    return Compression(
        "zstd", magic, lambda: _Zstandard(package), (package.ZstdError,), read_bytes=_ZSTANDARD_READ_BYTES
    )


COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b", _Gzip, (zlib.error,)),
    Compression("bzip2", b"BZh", bz2.BZ2Decompressor),
    Compression(
        "xz",
        b"\xfd7zXZ\x00",
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_MEMORY_BYTES),
        (lzma.LZMAError,),
    ),
    Compression("zstd", b"\x28\xb5\x2f\xfd", None),
    Compression("zstd", b"\x50\x2a\x4d\x18", None),  # pzstd's, which begin with a frame to pass over
    Compression("lz4", b"\x04\x22\x4d\x18", None),
    Compression("lz4", b"\x02\x21\x4c\x18", None),
    Compression("lzip", b"LZIP", None),
    Compression("snappy", b"\xff\x06\x00\x00sNaP", None),
    Compression("compress (.Z)", b"\x1f\x9d", None),
)
"""Every compression that is known by its first bytes, also those that are only refused by name."""


def compression_of(head: bytes) -> Compression | None:
    """The compression of a file with these first bytes; ``None``: it is not compressed."""
    found = next((each for each in COMPRESSIONS if head.startswith(each.magic)), None)
    return _zstd() if found is not None and found.name == "zstd" else found


class PackedStream(ByteStream):
    """Decompressed bytes, in pieces, so that nothing depends on how far a small file grows.

    Going back begins again at the first byte.

    Args:
        raw: the compressed file; the caller closes it.
        label: how people know it.
        compression: which it is.
        length: how many bytes it decompresses to, if it was verified before.

    Raises:
        SourceError: there is nothing to read it with.
    """

    rewinds = False

    def __init__(
        self, raw: RawIOBase | BufferedReader, label: str, compression: Compression, length: int | None = None
    ) -> None:
        if compression.start is None:
            raise SourceError(f"{label}: {compression.name}-compressed; {compression.advice}")
        self.length = length
        self._raw = raw
        self._label = label
        self._compression = compression
        self._start = compression.start
        self._rewind()

    @property
    def at(self) -> int:
        """See ``ByteStream``."""
        return self._at

    def verify(self) -> int:
        """Read all of it, so that its checksums are compared; how many bytes there are.

        Raises:
            SourceError: it is cut off, corrupt, or followed by something else.
        """
        if self.length is None:
            self._skip_to(None)
            self.length = self._at
        return self.length

    def seek(self, offset: int) -> None:
        """Go to an offset; past the end is the end."""
        if offset < self._at:
            self._rewind()
        self._skip_to(offset)

    def readinto(self, view: memoryview) -> int:
        """Fill some of ``view``, though never beyond the length that was verified."""
        size = len(view) if self.length is None else min(len(view), self.length - self._at)
        data = self._read(size) if size > 0 else b""
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _rewind(self) -> None:
        self._raw.seek(0)
        self._at = 0
        self._packed = b""
        self._member: _Decompressor | None = self._start()

    def _skip_to(self, offset: int | None) -> None:
        view = memoryview(bytearray(_PIECE_BYTES))
        while offset is None or self._at < offset:
            if not self.readinto(view[: None if offset is None else offset - self._at]):
                return

    def _read(self, size: int) -> bytes:
        """Some bytes; none at the end of the last member."""
        while self._member is not None:
            data = b""
            if self._member.needs_input and not (data := self._next_packed()):
                raise self._corrupt("it ends before its end")
            try:
                got = self._member.decompress(data, size)
            except self._compression.problems as problem:
                raise self._corrupt(str(problem)) from problem
            if self._member.eof:
                self._packed = self._member.unused_data
                self._member = self._next_member()
            if got:
                return got
        return b""

    def _next_packed(self) -> bytes:
        if self._packed:
            data, self._packed = self._packed, b""
            return data
        try:
            return self._raw.read(self._compression.read_bytes) or b""
        except OSError as problem:
            raise SourceError(f"{self._label}: can't be read: {problem.strerror or problem}") from problem

    def _next_member(self) -> _Decompressor | None:
        """Of several packed files put together the next one; zeros fill up a tape's block."""
        while True:
            data = self._next_packed()
            if not data:
                return None
            if data := data.lstrip(b"\0"):
                self._packed = data
                break
        return self._start()

    def _corrupt(self, cause: str) -> SourceError:
        name = self._compression.name
        return SourceError(
            f"{self._label}: this {name} file is cut off or corrupt ({cause}); nothing of it was counted"
        )

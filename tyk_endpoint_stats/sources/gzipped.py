"""A gzip file as a stream of its decompressed bytes, read only after all of it was found sound.

Of one that is damaged in the middle what stands before it would be merged otherwise, and what is behind it lost.
"""

import zlib
from gzip import BadGzipFile, GzipFile
from typing import BinaryIO

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.blocks import ByteStream

__all__ = ["MAGIC", "GzipStream"]

MAGIC = b"\x1f\x8b"
_PIECE_BYTES = 256 * 2**10


class GzipStream(ByteStream):
    """Decompressed bytes, in pieces, so that nothing depends on how far a small file grows.

    Going back begins again at the first byte.

    Args:
        raw: the compressed file; the caller closes it.
        label: how people know it.
        length: how many bytes it decompresses to, if it was verified before.
    """

    def __init__(self, raw: BinaryIO, label: str, length: int | None = None) -> None:
        raw.seek(0)
        self.length = length
        self._gzip = GzipFile(fileobj=raw, mode="rb")
        self._label = label
        self._at = 0

    def verify(self) -> int:
        """Read all of it, so that its checksums are compared; how many bytes there are.

        Lines of a corrupt file come out before its checksum is reached: who counts them has counted wrong.

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
            self._gzip.seek(0)
            self._at = 0
        self._skip_to(offset)

    def _skip_to(self, offset: int | None) -> None:
        view = memoryview(bytearray(_PIECE_BYTES))
        while offset is None or self._at < offset:
            if not self.readinto(view[: None if offset is None else offset - self._at]):
                return

    def readinto(self, view: memoryview) -> int:
        """Fill some of ``view``, though never beyond the length that was verified."""
        size = len(view) if self.length is None else min(len(view), self.length - self._at)
        try:
            data = self._gzip.read(size) if size > 0 else b""
        except (BadGzipFile, EOFError, zlib.error) as problem:
            raise SourceError(
                f"{self._label}: this gzip file is cut off or corrupt ({problem}); nothing of it was counted"
            ) from problem
        except OSError as problem:
            raise SourceError(f"{self._label}: can't be read: {problem.strerror or problem}") from problem
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

"""A file that is written whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes its name once the block has ended well. Readable by its owner alone.

    What is no plain file (a pipe, ``/dev/stdout``) is written to as it is. So is what a symbolic link names: the
    link stays.

    Raises:
        OSError: it can't be written; what had that name before still has it.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:  # before it is made: SIGTERM may come between
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise

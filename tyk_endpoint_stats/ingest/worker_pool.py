"""Processes that read files side by side, and the order in which their batches come back."""

import json
import os
import site
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Full, Queue
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct, field, msgpack
from msgspec.structs import replace

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.batch_builder import Collected, Wanted
from tyk_endpoint_stats.ingest.worker import BATCH, ENDED, FAILED, PATH, TASK, read_frame, write_frame
from tyk_endpoint_stats.sources.contract import PositionLookup
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.sources.pieces import Piece, cut

__all__ = ["Packed", "WorkerPool", "worker_command"]

_WAITING_FRAMES = 1
"""Of a piece whose turn has not come; its process waits then."""

_START = """
import json, sys
package, *installed = json.loads(sys.argv[1])
sys.path.append(package)
import tyk_endpoint_stats
sys.path[-1:] = installed
from tyk_endpoint_stats.ingest.worker import main
main()
"""
"""What a worker runs: this package from where it lies, for all else Python's library, then what is installed."""

Frame = tuple[bytes, bytes]
_decode = msgpack.Decoder(Collected).decode


class Packed(Struct):
    """A batch of a file, still packed.

    Attributes:
        data: unpacked by ``collected``.
        share: how much of the file lies before its piece, if that can be told.
    """

    data: bytes
    share: float | None

    def collected(self) -> Collected:
        """The batch."""
        return _decode(self.data)


class _Task(Struct):
    piece: Piece
    frames: "Queue[Frame]" = field(default_factory=lambda: Queue(_WAITING_FRAMES))


def worker_command() -> list[str]:
    """The command line of a worker: nothing of the working folder or of ``PYTHON…`` variables is run by it.

    Isolated, without ``site``: neither a ``json.py`` that somebody left in the working folder nor a
    ``sitecustomize.py`` comes before Python's own library, and the parent's ``sys.path`` is not taken over, whose
    first entry may be the working folder.
    """
    package = Path(__file__).absolute().parents[2]
    own = str(Path(msgspec.__file__).absolute().parents[1])  # may be nowhere near the usual folders
    folders = {*site.getsitepackages(), site.getusersitepackages()}
    installed = [own, *(folder for folder in sys.path if folder in folders and folder != own)]
    # The bytes of a file's name are to be the same text here and there.
    options = ["-I", "-S", "-X", f"utf8={sys.flags.utf8_mode}"]
    return [sys.executable, *options, "-c", _START, json.dumps([str(package), *installed])]


class WorkerPool:
    """Reads files in ``jobs`` processes. A context manager; leaving it ends the processes.

    Args:
        files: in the order in which they are asked for.
        jobs: how many processes, at least 1.
        wanted: which records, and when a batch ends.
        position: the store's.
        piece_bytes: how much of a plain file a process reads at a time.

    Attributes:
        waiting: how many bytes at the end of the last file are no whole record.
        source: the name of the last file; ``None``: there was no whole unit in it.
    """

    def __init__(
        self, files: Sequence[FileSource], jobs: int, wanted: Wanted, position: PositionLookup, piece_bytes: int
    ) -> None:
        self.waiting = 0
        self.source: str | None = None
        self._position = position
        self._piece_bytes = piece_bytes
        self._plan = self._planned(files)
        self._plan_lock = Lock()
        # What was planned, in order: pieces, problems, and None behind the last piece of a file.
        # Bounded, or processes that read faster than their batches are merged would fill the memory.
        self._ordered: Queue[_Task | Exception | None] = Queue(max(1, jobs - 1))
        self._closed = Event()
        self._working = jobs
        self._processes: list[subprocess.Popen[bytes]] = []
        self._threads: list[Thread] = []
        try:
            for _ in range(jobs):
                self._processes.append(self._start(wanted))
            for process in self._processes:
                thread = Thread(target=self._run, args=(process,), daemon=True)
                thread.start()
                self._threads.append(thread)
        except BaseException:
            self.close()
            raise

    def batches(self) -> Iterator[Packed]:
        """The batches of the next file, in order. To be asked for to their end.

        Raises:
            SourceError: the file, or what is left of it, can't be read.
        """
        problem: Exception | None = None
        self.waiting, self.source = 0, None
        while (planned := self._ordered.get()) is not None:
            if isinstance(planned, Exception):
                problem = problem or planned
                continue
            piece = planned.piece
            self.source = piece.place.source
            share = piece.place.mark.offset / piece.total if piece.total else None
            while True:
                kind, data = planned.frames.get()
                if kind == ENDED:
                    self.waiting += int(data)
                    break
                if kind == FAILED:
                    problem = problem or SourceError(data.decode("utf-8", "surrogatepass"))
                    break
                if problem is None:
                    yield Packed(data, share)
        if problem is not None:
            raise problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        self._closed.set()
        for process in self._processes:
            process.kill()
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            # Closing its stdin writes what it never took.
            with suppress(OSError), process:
                pass

    def _planned(self, files: Sequence[FileSource]) -> "Iterator[_Task | Exception | None]":
        for file in files:
            try:
                yield from map(_Task, cut(file.path, self._position, self._piece_bytes))
            except Exception as problem:  # the store's too: whoever merges shall see it
                yield problem
            yield None

    def _next_task(self) -> _Task | None:
        with self._plan_lock:
            if self._closed.is_set():
                return None
            for planned in self._plan:
                if not self._put(self._ordered, planned):
                    return None
                if isinstance(planned, _Task):
                    return planned
        return None

    @staticmethod
    def _start(wanted: Wanted) -> subprocess.Popen[bytes]:
        # Not multiprocessing: it would run the main module again, whose author may not expect that, and pickle.
        process = subprocess.Popen(worker_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        assert process.stdin is not None
        with suppress(OSError):  # it has ended already: whoever gives it a piece finds out
            write_frame(process.stdin, TASK, msgpack.encode(wanted))  # type: ignore[arg-type]
        return process

    def _run(self, process: subprocess.Popen[bytes]) -> None:
        while (task := self._next_task()) is not None:
            if not self._read(process, task):
                break
        else:
            return
        with self._plan_lock:
            self._working -= 1
            is_last = not self._working
        while is_last and (task := self._next_task()) is not None:
            self._put(task.frames, _died(task))

    def _read(self, process: subprocess.Popen[bytes], task: _Task) -> bool:
        """Have a piece read, and hand over what comes back; whether the process is still there."""
        assert process.stdin is not None
        assert process.stdout is not None
        frame: Frame | None = (BATCH, b"")
        try:
            # A name of a file is bytes: not every one of them is a text that can be encoded.
            write_frame(process.stdin, PATH, os.fsencode(task.piece.path))  # type: ignore[arg-type]
            write_frame(process.stdin, TASK, msgpack.encode(replace(task.piece, path="")))  # type: ignore[arg-type]
            while frame is not None and frame[0] == BATCH:
                frame = read_frame(process.stdout)  # type: ignore[arg-type]
                if frame is not None:
                    self._put(task.frames, frame)
        except OSError:
            frame = None
        if frame is None:
            self._put(task.frames, _died(task))
        return frame is not None

    def _put(self, queue: "Queue[Any]", item: object) -> bool:
        """Wait for room in a queue; ``False``: nobody takes anything out of it any more."""
        while not self._closed.is_set():
            try:
                queue.put(item, timeout=0.1)
            except Full:
                continue
            return True
        return False


def _died(task: _Task) -> Frame:
    message = f"{task.piece.path}: the process that read it was ended from outside; run it again, or with --jobs 1"
    return FAILED, message.encode("utf-8", "surrogatepass")

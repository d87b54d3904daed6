"""``ingest``: records from sources into a store."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, BinaryIO

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.cli.options import store_option
from tyk_endpoint_stats.cli.rules import rules_options
from tyk_endpoint_stats.errors import SourceError

if TYPE_CHECKING:
    from tyk_endpoint_stats.core.aggregator import Rules
    from tyk_endpoint_stats.ingest.options import OnRejected
    from tyk_endpoint_stats.ingest.report import IngestReport
    from tyk_endpoint_stats.sources.contract import Rejected, Source
    from tyk_endpoint_stats.stores.base import Store

__all__ = ["ingest"]

Find = Callable[[str], Sequence["Source"]]


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats ingest analytics.jsonl
  tyk-endpoint-stats ingest 'logs/*.jsonl.gz' --rejects bad.jsonl
  tyk-endpoint-stats ingest --normalise uuid --pattern 'user-[a-z]+' a.jsonl
  tyk-endpoint-stats ingest '/var/lib/tyk-pump/csv/*.csv'
  tyk-endpoint-stats ingest --explain /var/lib/docker/containers/*/*-json.log
  docker logs -f tyk-pump | tyk-endpoint-stats ingest --follow -"""
)
@store_option
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Processes that decode and aggregate; by default as many as there are processors that may be used: in a "
    "container, those of its quota.",
)
@click.option("--follow", is_flag=True, help="Read on as the sources grow, until Ctrl-C or SIGTERM.")
@click.option("--peek", is_flag=True, help="Count what waits in sources that reading empties, and take nothing.")
@click.option(
    "--explain", is_flag=True, help="Say what each file is taken for, show its first record, count nothing."
)
@click.option(
    "--new-stream",
    is_flag=True,
    help="Count what comes through stdin from its first record on, also where a stream was read before and this may "
    "be the rest of it.",
)
@rules_options
@click.option(
    "--on-error",
    type=click.Choice(["skip", "fail"]),
    default="skip",
    show_default=True,
    help="Count and name malformed records and go on, or stop at the first problem.",
)
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep every malformed line in this file (made readable by you alone; it may hold credentials).",
)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
def ingest(
    store_url: str,
    jobs: int | None,
    follow: bool,
    peek: bool,
    explain: bool,
    new_stream: bool,
    rules: "Rules",
    on_error: str,
    rejects: Path | None,
    sources: tuple[str, ...],
) -> None:
    """Read records into a store: only what is new, every record once.

    A SOURCE is a file, a glob in quotes, `-` for stdin, or the URL of an installed source. A file holds records as
    JSON or CSV, with whatever a container, a shipper, a cloud or a database's export puts around them, plain or
    compressed; what it is shows in its first bytes, not in its name, and --explain says it. Run it again on the
    same, a renamed, compressed or grown file, and nothing is counted twice.
    """
    from tyk_endpoint_stats.cli.opening import (
        can_be_opened,
        plugins_with_warnings,
        show_each_source,
        source_finder,
        store_if_there,
        store_to_fill,
    )
    from tyk_endpoint_stats.cli.stopping import stop_on_signal

    if explain and (peek or follow):
        raise click.UsageError("--explain counts nothing and ends; it can't go with --peek or --follow")
    if peek and follow:
        raise click.UsageError("--peek takes nothing and ends; it can't go with --follow")
    plugins = plugins_with_warnings()
    if explain or peek:
        from tyk_endpoint_stats.cli.explain import show_explanation
        from tyk_endpoint_stats.cli.peek import show_waiting

        if not show_each_source(sources, plugins, show_explanation if explain else show_waiting):
            raise click.exceptions.Exit(1)
        return
    find = source_finder(plugins)
    # A store is made once a source was opened: a typo in a file's name, or a file of others, leaves nothing behind.
    with store_if_there(store_url, plugins) as there:
        if follow:
            # One for both: a signal between the wait and the loop is not lost.
            with stop_on_signal() as stopped:
                if not _is_worth_it(sources, find, there is not None, stopped):
                    return
                with there or store_to_fill(store_url, plugins) as store, _rejects_file(rejects) as on_rejected:
                    others = _Others(store, rejects, new_stream)
                    _follow(store, sources, lambda name: others.of(find(name)), rules, on_rejected, stopped)
            return
        found, problems = _found(sources, find)
        fail_fast = on_error == "fail"
        if problems and (fail_fast or not found):
            raise click.exceptions.Exit(1)
        if there is None:
            unreadable: list[SourceError] = []
            if not can_be_opened(found, unreadable.append):
                for each in unreadable:
                    click.echo(f"Error: {printable(str(each))}", err=True)
                raise click.exceptions.Exit(1)
        with there or store_to_fill(store_url, plugins) as store, _rejects_file(rejects) as on_rejected:
            readable = _Others(store, rejects, new_stream).of(found)
            all_well = _once(store, readable, rules, on_rejected, fail_fast, jobs)
        if problems or not all_well:
            raise click.exceptions.Exit(1)


class _Others:
    """Gives the sources of a name, but for the files that this command has open itself.

    Nothing but SQLite may open its file (closing any descriptor of it drops the process's locks), and a file of
    rejects that is read grows for ever.
    """

    def __init__(self, store: "Store", rejects: Path | None, new_stream: bool) -> None:
        self._store, self._rejects, self._new_stream = store, rejects, new_stream
        self._said: set[str] = set()

    def of(self, sources: Sequence["Source"]) -> list["Source"]:
        """Those of the sources that may be read."""
        from tyk_endpoint_stats.sources.file import identity_of
        from tyk_endpoint_stats.sources.stdin import StdinSource

        # Asked each time: SQLite makes and removes files beside its own.
        own = {identity_of(path): "a file of the store" for path in self._store.files()}
        if self._rejects is not None:
            own[identity_of(self._rejects)] = "the file of rejects"
        own.pop(None, None)
        others = []
        for source in sources:
            why = own.get(source.identity())
            if why is None:
                others.append(source)
            elif source.label not in self._said:
                self._said.add(source.label)
                click.echo(f"Left out: {printable(source.label)} is {why}", err=True)
            if isinstance(source, StdinSource):
                source.known = self._positions
                source.is_new = self._new_stream
        return others

    def _positions(self) -> list[tuple[str, str | None]]:
        return [(each.source, each.position) for each in self._store.sources()]


def _found(names: Sequence[str], find: Find) -> tuple[list["Source"], list[str]]:
    """The sources of all names, and what is wrong with the others, which is shown."""
    sources: list[Source] = []
    problems: list[str] = []
    for name in names:
        try:
            sources += find(name)
        except SourceError as problem:
            problems.append(str(problem))
            click.echo(f"Error: {printable(problems[-1])}", err=True)
    return sources, problems


def _is_worth_it(names: Sequence[str], find: Find, is_made: bool, stopped: Event) -> bool:
    """Wait until a source is there, and can be opened unless the store is; ``False``: somebody said stop before."""
    from tyk_endpoint_stats.cli.opening import can_be_opened
    from tyk_endpoint_stats.sources.stdin import StdinSource

    said: set[str] = set()

    def say(problem: SourceError) -> None:
        if str(problem) not in said:
            said.add(str(problem))
            click.echo(f"Waiting: {printable(str(problem))}", err=True)

    while True:
        for name in names:
            try:
                found = find(name)
            except SourceError as problem:
                say(problem)
                continue
            # What was read of a pipe would be gone with this object.
            if found and (is_made or isinstance(found[0], StdinSource) or can_be_opened(found, say)):
                return True
        if stopped.wait(1.0):
            return False


def _once(
    store: "Store",
    sources: Sequence["Source"],
    rules: "Rules",
    on_rejected: "OnRejected | None",
    fail_fast: bool,
    jobs: int | None,
) -> bool:
    """Ingest every source to its end; whether all went well."""
    from tyk_endpoint_stats.cli.ingest_report import progress_text, report_lines
    from tyk_endpoint_stats.cli.progress import ProgressLine
    from tyk_endpoint_stats.cli.stopping import stop_on_signal
    from tyk_endpoint_stats.ingest.options import IngestOptions
    from tyk_endpoint_stats.ingest.parallel import ingest_all
    from tyk_endpoint_stats.ingest.processors import usable_processors

    reports: list[IngestReport] = []
    all_well = True
    progress = ProgressLine()
    with stop_on_signal() as stopped:
        options = IngestOptions(
            rules=rules,
            fail_on_malformed=fail_fast,
            on_rejected=on_rejected,
            on_progress=lambda report, share: progress.show(lambda: progress_text(report, share)),
            stop=stopped.is_set,
        )
        for report, found in ingest_all(store, sources, options, jobs=jobs or usable_processors()):
            reports.append(report)
            if found is not None:
                progress.clear()
                all_well = False
                click.echo(f"Error: {printable(str(found))}", err=True)
                if fail_fast:
                    break
    progress.clear()
    for line in report_lines(reports, on_rejected is not None):
        click.echo(line)
    if stopped.is_set():
        click.echo("Stopped before the end; run it again to go on from here.", err=True)
    return all_well and not stopped.is_set()


def _follow(
    store: "Store",
    names: Sequence[str],
    find: Find,
    rules: "Rules",
    on_rejected: "OnRejected | None",
    stopped: Event,
) -> None:
    from tyk_endpoint_stats.cli.ingest_report import minute_line, report_lines
    from tyk_endpoint_stats.ingest.follower import follow
    from tyk_endpoint_stats.ingest.options import IngestOptions

    report = follow(
        store,
        names,
        find,
        IngestOptions(rules=rules, on_rejected=on_rejected),
        wait=stopped.wait,
        on_report=lambda report: click.echo(minute_line(report), err=True),
        on_problem=lambda problem: click.echo(f"Waiting: {printable(problem)}", err=True),
    )
    for line in report_lines([report], on_rejected is not None):
        click.echo(line)


@contextmanager
def _rejects_file(path: Path | None) -> Iterator["OnRejected | None"]:
    if path is None:
        yield None
        return
    with _named_problems(path):
        file = _appending(path)

    def keep(rejected: "Sequence[Rejected]") -> None:
        # Of a line with several malformed records the first has its bytes.
        raws = [each.raw for each in rejected if each.raw]
        with _named_problems(path):
            file.writelines(raw if raw.endswith(b"\n") else raw + b"\n" for raw in raws)
            file.flush()
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # a terminal or a pipe has no disk
                os.fsync(file.fileno())

    try:
        yield keep
    finally:
        with _named_problems(path):
            file.close()  # writes what is buffered


@contextmanager
def _named_problems(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise click.ClickException(f"{path}: rejects can't be written there: {problem.strerror}") from problem


def _appending(path: Path) -> BinaryIO:
    """A file for its owner alone, whatever its mode was; no symbolic link is followed."""
    # Not waiting for the reader of a named pipe, which may never come.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    is_new = not path.exists()
    descriptor = os.open(path, flags, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        path.chmod(0o600)
    os.set_blocking(descriptor, True)
    if is_new and hasattr(os, "O_DIRECTORY"):
        # A power failure may take a new name away, and with it all that was written under it.
        folder = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return os.fdopen(descriptor, "ab")

"""``ingest``: records from sources into a store."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
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
    from tyk_endpoint_stats.plugin_manager import Plugins
    from tyk_endpoint_stats.sources.contract import Rejected, Source
    from tyk_endpoint_stats.stores.contract import Store

__all__ = ["ingest"]


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats ingest analytics.jsonl
  tyk-endpoint-stats ingest 'logs/*.jsonl.gz' --rejects bad.jsonl
  tyk-endpoint-stats ingest --normalise uuid --pattern 'user-[a-z]+' a.jsonl
  tyk-endpoint-stats ingest '/var/lib/tyk-pump/csv/*.csv'
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
    rules: "Rules",
    on_error: str,
    rejects: Path | None,
    sources: tuple[str, ...],
) -> None:
    """Read records into a store: only what is new, every record once.

    A SOURCE is a file, a glob in quotes, `-` for stdin, or the URL of an installed source. A file is one of JSON
    lines (records, arrays of records, Tyk Pump's stdout) or Tyk Pump's CSV, plain or gzip; what it is shows in its
    first bytes, not in its name. Run it again on the same, a renamed, compressed or grown file, and
    nothing is counted twice.
    """
    from tyk_endpoint_stats.cli.opening import plugins_with_warnings, store_to_fill
    from tyk_endpoint_stats.cli.peek import show_waiting

    if peek and follow:
        raise click.UsageError("--peek takes nothing and ends; it can't go with --follow")
    if peek:
        if not show_waiting(sources, plugins_with_warnings()):
            raise click.exceptions.Exit(1)
        return
    plugins = plugins_with_warnings()
    with store_to_fill(store_url, plugins) as store, _rejects_file(rejects) as on_rejected:
        if follow:
            _follow(store, sources, plugins, rules, on_rejected)
            return
        failed = _once(store, sources, plugins, rules, on_rejected, on_error == "fail", jobs)
    if failed:
        raise click.exceptions.Exit(1)


def _once(
    store: "Store",
    names: Sequence[str],
    plugins: "Plugins",
    rules: "Rules",
    on_rejected: "OnRejected | None",
    fail_fast: bool,
    jobs: int | None,
) -> bool:
    """Ingest every source to its end; whether something went wrong."""
    from tyk_endpoint_stats.cli.ingest_report import Progress, report_lines
    from tyk_endpoint_stats.cli.opening import source_finder
    from tyk_endpoint_stats.cli.stopping import stop_on_signal
    from tyk_endpoint_stats.ingest.options import IngestOptions
    from tyk_endpoint_stats.ingest.parallel import ingest_all
    from tyk_endpoint_stats.ingest.processors import usable_processors

    reports: list[IngestReport] = []
    problems: list[str] = []
    sources: list[Source] = []
    find = source_finder(plugins)
    for name in names:
        try:
            sources += find(name)
        except SourceError as problem:
            problems.append(str(problem))
            click.echo(f"Error: {printable(problems[-1])}", err=True)
    if problems and fail_fast:
        return True
    progress = Progress()
    with stop_on_signal() as stopped:
        options = IngestOptions(
            rules=rules,
            fail_on_malformed=fail_fast,
            on_rejected=on_rejected,
            on_progress=progress.show,
            stop=stopped.is_set,
        )
        for report, found in ingest_all(store, sources, options, jobs=jobs or usable_processors()):
            reports.append(report)
            if found is not None:
                progress.clear()
                problems.append(str(found))
                click.echo(f"Error: {printable(problems[-1])}", err=True)
                if fail_fast:
                    break
    progress.clear()
    for line in report_lines(reports, on_rejected is not None):
        click.echo(line)
    if stopped.is_set():
        click.echo("Stopped before the end; run it again to go on from here.", err=True)
    return bool(problems) or stopped.is_set()


def _follow(
    store: "Store",
    names: Sequence[str],
    plugins: "Plugins",
    rules: "Rules",
    on_rejected: "OnRejected | None",
) -> None:
    from tyk_endpoint_stats.cli.ingest_report import minute_line, report_lines
    from tyk_endpoint_stats.cli.opening import source_finder
    from tyk_endpoint_stats.cli.stopping import stop_on_signal
    from tyk_endpoint_stats.ingest.follower import follow
    from tyk_endpoint_stats.ingest.options import IngestOptions

    with stop_on_signal() as stopped:
        report = follow(
            store,
            names,
            source_finder(plugins),
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
    descriptor = os.open(path, flags, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        path.chmod(0o600)
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "ab")

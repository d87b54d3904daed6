"""``copy``: what one store holds, into another."""

import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tyk_endpoint_stats.maintenance.copy import CopyReport

__all__ = ["copy"]

_EVERY_S = 0.2


@click.command(
    epilog="""\b
Example:
  tyk-endpoint-stats copy --from sqlite:///stats.db --to mongodb://localhost/stats"""
)
@click.option("--from", "origin_url", metavar="URL", required=True, help="The store to copy; it is only read.")
@click.option(
    "--to", "target_url", metavar="URL", required=True, help="A new store, or an earlier copy of the same."
)
def copy(origin_url: str, target_url: str) -> None:
    """Copy a store into another, so that nothing has to be ingested again.

    States, names, and how far each source was read: ingests go on in the copy and count nothing twice. Run it
    again after a crash, or when the store has grown, and it brings what is missing. For the last run stop the
    ingests into the store that is copied.
    """
    from tyk_endpoint_stats.cli.opening import plugins_with_warnings, store_to_ask, store_to_fill
    from tyk_endpoint_stats.maintenance.copy import copy as copy_store

    if origin_url == target_url:
        raise click.UsageError("--from and --to name the same store")
    progress = _Progress()
    with store_to_ask(origin_url) as origin, store_to_fill(target_url, plugins_with_warnings()) as target:
        try:
            report = copy_store(origin, target, progress.show)
        finally:
            progress.clear()
    click.echo(
        f"{report.hits_there:,} hits are there; {report.rows:,} rows and the positions of "
        f"{report.sources:,} sources were copied now"
    )


class _Progress:
    """One line on stderr that is written over itself, where that is a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._next = 0.0

    def show(self, report: "CopyReport") -> None:
        """After every day; most calls do nothing."""
        if not self._shown or (now := time.monotonic()) < self._next:
            return
        self._next = now + _EVERY_S
        share = report.hits_there / report.hits if report.hits else 1.0
        sys.stderr.write(f"\r\x1b[2K{report.hits_there:,} of {report.hits:,} hits  {min(1.0, share):.0%}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown and self._next:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

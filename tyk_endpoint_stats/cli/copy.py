"""``copy``: what one store holds, into another."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tyk_endpoint_stats.maintenance.copy import CopyReport

__all__ = ["copy"]


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
    from tyk_endpoint_stats.cli.progress import ProgressLine
    from tyk_endpoint_stats.maintenance.copy import copy as copy_store

    if origin_url == target_url:
        raise click.UsageError("--from and --to name the same store")
    progress = ProgressLine()
    with store_to_ask(origin_url) as origin, store_to_fill(target_url, plugins_with_warnings()) as target:
        try:
            report = copy_store(origin, target, lambda report: progress.show(lambda: _progress_text(report)))
        finally:
            progress.clear()
    click.echo(
        f"{report.hits_there:,} hits are there; {report.rows:,} rows and the positions of "
        f"{report.sources:,} sources were copied now"
    )


def _progress_text(report: "CopyReport") -> str:
    share = report.hits_there / report.hits if report.hits else 1.0
    return f"{report.hits_there:,} of {report.hits:,} hits  {min(1.0, share):.0%}"

"""``prune``: make a store smaller by what is old."""

from datetime import date

import click

from tyk_endpoint_stats.cli.options import day_option, store_option

__all__ = ["prune"]


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats prune --before 2026-07-01
  tyk-endpoint-stats prune --before 90d
  tyk-endpoint-stats prune --before 2024-01-01 --keep nothing"""
)
@store_option
@day_option("--before", "before", "The first day (UTC) that is left as it is:", required=True)
@click.option(
    "--keep",
    type=click.Choice(["days", "nothing"]),
    default="days",
    show_default=True,
    help="What stays of earlier days: their numbers by UTC day, or nothing.",
)
def prune(store_url: str, before: date, keep: str) -> None:
    """Take quarter hours of old days, or old days, out of a store.

    Without quarter hours a day can be asked for as a whole day of UTC, but no more in days of another zone.
    Nothing is asked before it is done, and nothing brings it back: files that were read are not read again.
    """
    from tyk_endpoint_stats.cli.opening import retaining, store_to_change
    from tyk_endpoint_stats.core.instants import DAY_US

    before_us = (before - date(1970, 1, 1)).days * DAY_US
    with store_to_change(store_url) as store:
        if keep == "days":
            pruned = store.prune(before_us)
            gone = f"the quarter hours of {pruned.rows:,} rows"
            if pruned.positions:
                gone += f", and {pruned.positions:,} positions of sources that can't come back"
        else:
            gone = f"{retaining(store).drop(before_us):,} rows and totals"
    click.echo(f"Gone, of days before {before}: {gone}.")

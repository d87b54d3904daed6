"""``verify``: whether a store holds what can't be."""

import click

from tyk_endpoint_stats.cli.options import store_option

__all__ = ["verify"]


@click.command(
    epilog="""\b
Example:
  tyk-endpoint-stats verify --store sqlite:///stats.db"""
)
@store_option
def verify(store_url: str) -> None:
    """Scan all of a store for what can't be.

    The structure of the file; that every record of every source is accounted for (read = counted + skipped +
    malformed); that no state is impossible; that the quarter hours of every row are its sums. Exit code 1
    and what is wrong, if anything is. Writers may go on; a million states take half a minute.
    """
    from tyk_endpoint_stats.cli.escaping import printable
    from tyk_endpoint_stats.cli.opening import store_to_ask
    from tyk_endpoint_stats.maintenance.verify import MAX_PROBLEMS, verify

    with store_to_ask(store_url) as store:
        verdict = verify(store)
    for problem in verdict.problems:
        click.echo(printable(f"{problem.where}: {problem.what}", keep_newlines=False))
    if len(verdict.problems) == MAX_PROBLEMS:
        click.echo("… and the rest was not looked at.")
    looked_at = f"{verdict.sources:,} sources, {verdict.days:,} days, {verdict.rows:,} rows looked at"
    if verdict.days_pruned:
        looked_at += f"; of {verdict.days_pruned:,} days the quarter hours were pruned"
    if not verdict.problems:
        click.echo(f"Nothing is wrong; {looked_at}.")
        return
    click.echo(f"{len(verdict.problems)} wrong; {looked_at}.", err=True)
    raise click.exceptions.Exit(1)

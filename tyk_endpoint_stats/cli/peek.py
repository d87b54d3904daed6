"""``ingest --peek``: what waits in sources that reading would empty."""

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.contract import Peekable, Source

__all__ = ["show_waiting"]


def show_waiting(source: Source) -> bool:
    """Print what waits in a source, and take nothing; all is well with it then.

    Raises:
        SourceError: it can't be looked into.
    """
    if not isinstance(source, Peekable):
        raise SourceError(f"{source.label}: reading it takes nothing away, so there is nothing to peek into")
    waiting = source.peek()
    click.echo(f"{printable(source.label)}: {sum(each.records for each in waiting):,} records wait")
    width = max((len(printable(each.where)) for each in waiting), default=0)
    for each in waiting:
        click.echo(f"  {printable(each.where):{width}}  {each.records:>11,}  {printable(each.note)}".rstrip())
    return True

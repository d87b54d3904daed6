"""``ingest --peek``: what waits in sources that reading would empty."""

from collections.abc import Sequence

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.cli.opening import source_finder
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.plugin_manager import Plugins
from tyk_endpoint_stats.sources.contract import Peekable, Source, Waiting

__all__ = ["show_waiting"]


def show_waiting(names: Sequence[str], plugins: Plugins) -> bool:
    """Print what waits in the sources of these names, and take nothing; whether all could be looked into."""
    find = source_finder(plugins)
    all_well = True
    for name in names:
        try:
            for source in find(name):
                _show(source.label, _waiting(source))
        except SourceError as problem:
            click.echo(f"Error: {printable(str(problem))}", err=True)
            all_well = False
    return all_well


def _waiting(source: Source) -> Sequence[Waiting]:
    if not isinstance(source, Peekable):
        raise SourceError(f"{source.label}: reading it takes nothing away, so there is nothing to peek into")
    return source.peek()


def _show(label: str, waiting: Sequence[Waiting]) -> None:
    click.echo(f"{printable(label)}: {sum(each.records for each in waiting):,} records wait")
    width = max((len(printable(each.where)) for each in waiting), default=0)
    for each in waiting:
        click.echo(f"  {printable(each.where):{width}}  {each.records:>11,}  {printable(each.note)}".rstrip())

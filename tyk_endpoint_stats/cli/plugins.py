"""``plugins``: what is installed, and what can't be used."""

import click

from tyk_endpoint_stats.cli.formats import format_option, write_rows
from tyk_endpoint_stats.cli.tables import Column

__all__ = ["plugins"]

_MEMBERS = ["provides", "scheme", "plugin", "version", "summary", "example"]
_COLUMNS = tuple(Column(name, name) for name in _MEMBERS)


@click.command()
@format_option()
def plugins(form: str) -> None:
    """The kinds of store and of source that are installed, and plugins that failed to load.

    A plugin is a distribution called tyk-endpoint-stats-<name>: pip install it, and it is found.
    """
    from tyk_endpoint_stats.cli.escaping import printable
    from tyk_endpoint_stats.plugin_manager import load_plugins

    found = load_plugins()
    rows = [
        {
            "provides": what,
            "scheme": scheme,
            "plugin": entry.plugin,
            "version": entry.version,
            "summary": entry.type.summary,
            "example": entry.type.example,
        }
        for what, provided in (("store", found.stores), ("source", found.sources))
        for scheme, entry in sorted(provided.items())
    ]
    write_rows(rows, _MEMBERS, _COLUMNS, form)
    for problem in found.problems:
        click.echo(f"Problem: plugin {printable(problem.plugin)} {printable(problem.cause)}", err=True)

"""``ingest --explain``: what files are taken for, and the first record of each as it is read."""

from collections.abc import Iterator, Sequence

import click
from msgspec import json

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.cli.opening import source_finder
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.plugin_manager import Plugins
from tyk_endpoint_stats.sources.explanation import Explanation
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.sources.stdin import StdinSource

__all__ = ["show_explanations"]


def show_explanations(names: Sequence[str], plugins: Plugins) -> bool:
    """Print what the files of these names are taken for; whether a record was found in each."""
    find = source_finder(plugins)
    all_well = True
    for name in names:
        try:
            for source in find(name):
                if not isinstance(source, FileSource | StdinSource):
                    raise SourceError(f"{source.label}: only files and stdin can be explained")
                explanation = source.explain()
                all_well &= explanation.record is not None
                for line in _lines(explanation):
                    click.echo(line)
        except SourceError as problem:
            click.echo(f"Error: {printable(str(problem))}", err=True)
            all_well = False
    return all_well


def _lines(explanation: Explanation) -> Iterator[str]:
    yield printable(explanation.label)
    if explanation.compression:
        yield f"  compression   {explanation.compression}"
    if explanation.form:
        yield f"  form          {explanation.form}"
    if explanation.record is None:
        yield f"  no record     {printable(explanation.looks)}"
        return
    *around, names = explanation.layers
    for layer in around:
        yield f"  around it     {printable(layer)}"
    yield f"  names         {printable(names)}"
    if explanation.passed:
        yield f"  before it     {explanation.passed:,} that are no records"
    yield f"  first record  {printable(json.encode(explanation.record).decode())}"

"""``ingest --explain``: what files are taken for, and the first record of each as it is read."""

from collections.abc import Iterator

import click
from msgspec import json

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.contract import Source
from tyk_endpoint_stats.sources.explanation import Explanation
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.sources.stdin import StdinSource

__all__ = ["show_explanation"]


def show_explanation(source: Source) -> bool:
    """Print what a file is taken for; whether a record was found in it.

    Raises:
        SourceError: it can't be read, or is neither a file nor stdin.
    """
    if not isinstance(source, FileSource | StdinSource):
        raise SourceError(f"{source.label}: only files and stdin can be explained")
    explanation = source.explain()
    for line in _lines(explanation):
        click.echo(line)
    return explanation.record is not None


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

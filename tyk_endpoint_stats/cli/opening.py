"""Stores and plugins as commands open them: with what there is to say about them on stderr."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.core.buckets import ALL_DAYS
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import SourceError, StoreError
from tyk_endpoint_stats.opening import open_readable_store, open_sources, open_store
from tyk_endpoint_stats.plugin_manager import Plugins, load_plugins
from tyk_endpoint_stats.sources.contract import Peekable, Source
from tyk_endpoint_stats.stores.base import ReadableStore, Store
from tyk_endpoint_stats.stores.contract import Retaining

__all__ = [
    "LOG_WARNINGS",
    "can_be_opened",
    "is_new",
    "plugins_with_warnings",
    "retaining",
    "show_each_source",
    "source_finder",
    "store_if_there",
    "store_to_ask",
    "store_to_change",
    "store_to_fill",
    "store_to_serve",
    "warn",
]


LOG_WARNINGS = "tyk_endpoint_stats.log_warnings"
"""In click's ``meta`` of a context: whether warnings go to the log, whose lines have a form of their own."""

_log = logging.getLogger(__name__)


def warn(text: str) -> None:
    """A line on stderr, or in the log."""
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.get(LOG_WARNINGS):
        _log.warning("%s", text)
        return
    click.echo(f"Warning: {printable(text, keep_newlines=False)}", err=True)


def plugins_with_warnings() -> Plugins:
    """What is installed; a line on stderr for each plugin that can't be used."""
    plugins = load_plugins()
    for problem in plugins.problems:
        warn(f"plugin {problem.plugin} {problem.cause}")
    return plugins


def store_to_ask(url: str) -> ReadableStore:
    """A store that is there already, for one question."""
    return open_readable_store(url, existing=True, plugins=plugins_with_warnings())


def store_to_change(url: str) -> Store:
    """A store that is there already, to take something out of it.

    Raises:
        StoreError: it can only be asked.
    """
    store = store_to_ask(url)
    if not isinstance(store, Store):
        store.close()
        raise StoreError("this store can only be asked questions; nothing can be taken out of it")
    return store


def retaining(store: Store) -> Retaining:
    """The same store, as one that drops days and forgets consumers.

    Raises:
        StoreError: it can't.
    """
    if not isinstance(store, Retaining):
        raise StoreError("this store can't drop days or forget consumers")
    return store


def store_to_serve(url: str, plugins: Plugins) -> ReadableStore:
    """A store to serve from, made if it is not there yet; its warnings are shown."""
    return _with_warnings(open_readable_store(url, plugins=plugins))


def store_to_fill(url: str, plugins: Plugins, *, existing: bool = False) -> Store:
    """A store to write to, made if it is not there yet unless it is to be ``existing``; its warnings are shown."""
    store = open_store(url, plugins=plugins, existing=existing)
    _with_warnings(store)
    return store


@contextmanager
def store_if_there(url: str, plugins: Plugins) -> Iterator[Store | None]:
    """A store to write to; ``None`` while there is none that can be opened, whatever may be wrong with it."""
    try:
        store = store_to_fill(url, plugins, existing=True)
    except StoreError:
        yield None
    else:
        with store:
            yield store


def can_be_opened(sources: Iterable[Source], on_problem: Callable[[SourceError], None]) -> bool:
    """Whether one of some sources can be opened, so that it is worth making a store; nothing is taken out of any.

    Args:
        sources: opened one after the other until one can be.
        on_problem: called with what is wrong with the others.
    """
    for source in sources:
        try:
            for part in source.parts():  # of what reading empties asking for its parts is all that may be done
                if not isinstance(source, Peekable):
                    part.open(lambda name: None).close()
        except SourceError as problem:
            on_problem(problem)
        else:
            return True
    return False


def is_new(store: ReadableStore) -> bool:
    """Whether nothing was ever counted in this store, as far as that is quickly told.

    Of a store that only reads what others write it is not: its data may be without an end.
    """
    if not isinstance(store, Store) or store.sources():
        return False
    return not store.read(Selection(ALL_DAYS, distributions=False))


def _with_warnings(store: ReadableStore) -> ReadableStore:
    for text in store.warnings:
        warn(text)
    return store


def show_each_source(names: Iterable[str], plugins: Plugins, show: Callable[[Source], bool]) -> bool:
    """Show something of each source of these names; whether all is well with all of them.

    Args:
        names: of files, globs, URLs.
        plugins: what is installed.
        show: whether all is well with one; a ``SourceError`` of it is shown.
    """
    find = source_finder(plugins)
    all_well = True
    for name in names:
        try:
            for source in find(name):
                all_well &= show(source)
        except SourceError as problem:
            click.echo(f"Error: {printable(str(problem))}", err=True)
            all_well = False
    return all_well


def source_finder(plugins: Plugins) -> Callable[[str], Sequence[Source]]:
    """Gives the sources of a name; the warnings of each are shown when it is found for the first time."""
    warned: set[str] = set()

    def find(name: str) -> Sequence[Source]:
        sources = open_sources(name, plugins=plugins)
        for source in sources:
            if source.label not in warned:
                warned.add(source.label)
                for text in source.warnings:
                    warn(text)
        return sources

    return find

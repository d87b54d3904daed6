"""From a URL to a store or to sources. Only the text before ``://`` is ours; the rest is the plugin's."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from tyk_endpoint_stats.errors import PluginError, UnknownScheme
from tyk_endpoint_stats.hookspecs import StoreType
from tyk_endpoint_stats.plugin_manager import Plugins, Provided, load_plugins
from tyk_endpoint_stats.sources.contract import Source
from tyk_endpoint_stats.stores.base import ReadableStore, Store
from tyk_endpoint_stats.urls import mask_url

__all__ = ["mask_url", "open_readable_store", "open_sources", "open_store"]

_KNOWN_ELSEWHERE = {
    "mongodb": "tyk-endpoint-stats-mongodb",
    "mongodb+srv": "tyk-endpoint-stats-mongodb",
    "postgresql": "tyk-endpoint-stats-postgresql",
    "tyk-pump+mongodb": "tyk-endpoint-stats-mongodb",
    "tyk-pump+mongodb+srv": "tyk-endpoint-stats-mongodb",
    "tyk-raw+mongodb": "tyk-endpoint-stats-mongodb",
    "tyk-raw+mongodb+srv": "tyk-endpoint-stats-mongodb",
    "redis": "tyk-endpoint-stats-redis",
    "rediss": "tyk-endpoint-stats-redis",
    "tyk-pump+postgresql": "tyk-endpoint-stats-postgresql",
    "tyk-raw+postgresql": "tyk-endpoint-stats-postgresql",
    "unix": "tyk-endpoint-stats-redis",
}


def open_store(url: str, *, plugins: Plugins | None = None, **options: Any) -> Store:
    """The store behind a URL, such as ``sqlite:///stats.db``.

    Args:
        url: scheme, ``://``, and what the plugin makes of the rest.
        plugins: what is installed; found anew if not given.
        options: handed to the store as they are.

    Raises:
        UnknownScheme: no plugin provides the scheme.
        PluginError: the URL has no scheme, the plugin is broken, or the store can only be read.
        StoreError: the store can't be opened.
    """
    store = open_readable_store(url, plugins=plugins, **options)
    if not isinstance(store, Store):
        store.close()
        raise PluginError(f"{mask_url(url)} can only be read; nothing can be written to it")
    return store


def open_readable_store(
    url: str, *, existing: bool = False, plugins: Plugins | None = None, **options: Any
) -> ReadableStore:
    """Like ``open_store``, but a store that can only be read will do.

    Args:
        url: as for ``open_store``.
        existing: whether a store that is not there yet is an error; otherwise it is made.
        plugins: as for ``open_store``.
        options: as for ``open_store``.
    """
    provided = _find(url, (plugins or load_plugins()).stores, "store")
    assert isinstance(provided.type, StoreType)
    reference = (provided.type.open_existing if existing else None) or provided.type.open
    store = _imported(reference, provided)(url, **options)
    if not isinstance(store, ReadableStore):
        raise PluginError(f"plugin {provided.plugin!r} opened {mask_url(url)} as {store!r}, which is no store")
    return store


def open_sources(text: str, *, plugins: Plugins | None = None, **options: Any) -> Sequence[Source]:
    """The sources that a URL, a path, a glob or ``-`` (stdin) names, oldest first.

    Raises:
        UnknownScheme: no plugin provides the scheme.
        SourceError: nothing is there, or it can't be read.
    """
    url = text if "://" in text else f"file://{text}"
    provided = _find(url, (plugins or load_plugins()).sources, "source")
    sources: Sequence[Source] = _imported(provided.type.open, provided)(url, **options)
    return sources


def _find(url: str, provided: dict[str, Provided], what: str) -> Provided:
    scheme, separator, _ = url.partition("://")
    if not separator:
        examples = ", ".join(entry.type.example for entry in provided.values())
        message = f"{mask_url(url)!r} is no {what} URL; for example: {examples}"
        if what == "store" and "sqlite" in provided and url:
            message += f". Did you mean 'sqlite:///{mask_url(url)}'?"
        raise PluginError(message)
    if scheme in provided:
        return provided[scheme]
    message = f"scheme {scheme!r} is not known as a {what}; known: {', '.join(sorted(provided))}"
    if scheme in _KNOWN_ELSEWHERE:
        message += f" (pip install {_KNOWN_ELSEWHERE[scheme]})"
    close = get_close_matches(scheme.lower(), {*provided, *_KNOWN_ELSEWHERE}, 1)
    if close and close[0] != scheme:
        package = _KNOWN_ELSEWHERE.get(close[0]) if close[0] not in provided else None
        message += f". Did you mean {close[0]!r}?" + (f" (pip install {package})" if package else "")
    raise UnknownScheme(message)


def _imported(reference: Callable[..., Any] | str, provided: Provided) -> Callable[..., Any]:
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    try:
        function: Callable[..., Any] = getattr(import_module(module), name)
    except Exception as problem:  # whatever a plugin's module does when it is imported
        raise PluginError(
            f"plugin {provided.plugin!r} can't open {provided.type.scheme!r}: {type(problem).__name__}: {problem}; "
            f"is everything it needs installed? (pip install --upgrade {provided.plugin})"
        ) from problem
    return function

"""The plugin hooks. They only introduce things, once, when the plugin manager is built; never in a loop."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import pluggy
from msgspec import Struct

if TYPE_CHECKING:
    from tyk_endpoint_stats.sources.contract import Source
    from tyk_endpoint_stats.stores.base import ReadableStore

__all__ = ["PROJECT", "SourceType", "StoreType", "hookimpl", "hookspec", "provide_sources", "provide_stores"]

PROJECT = "tyk_endpoint_stats"
"""The name of the pluggy project and of the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class StoreType(Struct, frozen=True):
    """A kind of store that a plugin provides.

    Attributes:
        scheme: what stands before ``://`` in its URLs: lower-case letters, digits, ``+ - .``.
        open: called with the whole URL and the caller's keyword options; gives a ``Store`` or, if it only
            reads, a ``ReadableStore``. May be ``"module:function"``, imported when first used, so that no
            driver is loaded before it is needed.
        summary: one line for people.
        example: a URL that shows the form.
        open_existing: like ``open``, but where nothing is there yet it raises instead of making it, so that a
            question to a mistyped URL is an error. Not given: ``open`` serves for both.
    """

    scheme: str
    open: "Callable[..., ReadableStore] | str"
    summary: str
    example: str
    open_existing: "Callable[..., ReadableStore] | str | None" = None


class SourceType(Struct, frozen=True):
    """A kind of source that a plugin provides.

    Attributes:
        scheme: as a store's.
        open: called with the whole URL and the caller's keyword options; gives the sources it names. May be
            ``"module:function"``.
        summary: one line for people.
        example: a URL that shows the form.
    """

    scheme: str
    open: "Callable[..., Sequence[Source]] | str"
    summary: str
    example: str


@hookspec
def provide_stores() -> Iterable[StoreType]:  # type: ignore[empty-body]
    """The kinds of store this plugin provides. Called once, when the plugin manager is built."""


@hookspec
def provide_sources() -> Iterable[SourceType]:  # type: ignore[empty-body]
    """The kinds of source this plugin provides. Called once, when the plugin manager is built."""

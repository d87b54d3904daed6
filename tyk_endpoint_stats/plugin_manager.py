"""Finding plugins: each loaded by itself, so that a broken one is a line in a list and not a crash."""

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

import pluggy
from msgspec import Struct

from tyk_endpoint_stats import builtin, hookspecs
from tyk_endpoint_stats.hookspecs import PROJECT, SourceType, StoreType

__all__ = ["Plugins", "Problem", "Provided", "load_plugins"]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)


class Provided(Struct, frozen=True):
    """A kind of store or source, and who provides it."""

    type: StoreType | SourceType
    plugin: str
    version: str


class Problem(Struct, frozen=True):
    """A plugin, or something of it, that can't be used, and why."""

    plugin: str
    cause: str


class Plugins(Struct, frozen=True):
    """What is installed. Made by ``load_plugins``; there is no global one.

    Attributes:
        stores: by scheme.
        sources: by scheme.
        problems: what failed to load or was refused; everything else works.
    """

    stores: dict[str, Provided]
    sources: dict[str, Provided]
    problems: Sequence[Problem]


def load_plugins(*extra: Any, found: Iterable[EntryPoint] | None = None) -> Plugins:
    """Everything that is installed under the entry-point group ``tyk_endpoint_stats``, and ``extra``.

    Args:
        extra: modules or objects with our hooks, for plugins that are not installed.
        found: the entry points to load; the installed ones by default.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    problems: list[Problem] = []
    versions = {PROJECT: version("tyk-endpoint-stats")}
    manager.register(builtin, PROJECT)
    for plugin in extra:
        _register(manager, plugin, getattr(plugin, "__name__", repr(plugin)), problems)
    # One by one: pluggy's own loader stops at the first broken plugin.
    for point in entry_points(group=PROJECT) if found is None else found:
        name = point.dist.name if point.dist else point.name
        if manager.has_plugin(name):
            name = f"{name} ({point.name})"  # a distribution may have several
        versions[name] = point.dist.version if point.dist else ""
        try:
            plugin = point.load()
        except Exception as problem:
            problems.append(Problem(name, f"did not load: {type(problem).__name__}: {problem}"))
            continue
        _register(manager, plugin, name, problems)
    return Plugins(
        _collect(manager, "provide_stores", StoreType, versions, problems),
        _collect(manager, "provide_sources", SourceType, versions, problems),
        tuple(problems),
    )


def _register(manager: pluggy.PluginManager, plugin: Any, name: str, problems: list[Problem]) -> None:
    is_known = manager.is_registered(plugin)
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except Exception as problem:
        if manager.is_registered(plugin) and not is_known:
            manager.unregister(plugin)
        problems.append(Problem(name, f"was refused: {problem}"))


def _collect(
    manager: pluggy.PluginManager,
    hook: str,
    wanted: type[StoreType] | type[SourceType],
    versions: dict[str, str],
    problems: list[Problem],
) -> dict[str, Provided]:
    provided: dict[str, Provided] = {}
    functions = {each.plugin_name: each.function for each in getattr(manager.hook, hook).get_hookimpls()}
    # In order of registration, whatever a plugin wishes: what is built in comes first and can't be taken over.
    for name, _ in manager.list_name_plugin():
        if name not in functions:
            continue
        try:
            types = list(functions[name]())
        except Exception as problem:
            problems.append(Problem(name, f"{hook} failed: {type(problem).__name__}: {problem}"))
            continue
        for found in types:
            if not isinstance(found, wanted) or not _is_scheme(found.scheme):
                problems.append(
                    Problem(name, f"{hook} gave {found!r}, which is no {wanted.__name__} with a scheme")
                )
            elif found.scheme in provided:
                owner = provided[found.scheme].plugin
                problems.append(
                    Problem(name, f"scheme {found.scheme!r} is provided by {owner!r} already; {name!r} was refused")
                )
            else:
                provided[found.scheme] = Provided(found, name, versions.get(name, ""))
    return provided


def _is_scheme(scheme: Any) -> bool:
    return isinstance(scheme, str) and _SCHEME.fullmatch(scheme) is not None

"""Who may import whom: data goes one way, the core is pure, and plugins get by with what outsiders may import."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tyk_endpoint_stats"

LAYERS = (
    {"errors", "urls"},
    {"core"},
    {"stores.contract", "stores.rules"},
    {"tyk", "demo", "markup"},
    {"sources.contract"},
    {"sources"},
    {"maintenance.copy_mark", "maintenance.contradictions"},
    {"ingest", "questions"},
    {"views"},
    {"stores"},
    {"stores.memory", "stores.sqlite"},
    {"hookspecs"},
    {"builtin"},
    {"plugin_manager"},
    {"opening", "maintenance"},
    {"testing", "web"},
    {""},
    {"cli"},
    {"__main__"},
)
"""From the bottom up: a module imports from rows above its own here, and from its own part of the package.

What stands in one row knows nothing of its neighbours. ``""`` is the package itself, its public face.
"""

PURE = {
    *("abc", "bisect", "collections", "contextlib", "dataclasses", "datetime", "enum", "functools", "gc"),
    *("hashlib", "itertools", "math", "operator", "re", "typing", "zlib", "zoneinfo", "msgspec"),
}
"""What the core may import: nothing that reads a file, a socket, a clock or the environment, and no logging."""


def part_of(module: str) -> str:
    """The row's name for a module; of ``tyk_endpoint_stats.core.stats`` it is ``core``."""
    names = module.removeprefix("tyk_endpoint_stats").removeprefix(".").split(".")
    for part in (".".join(names[:2]), names[0]):
        if any(part in row for row in LAYERS):
            return part
    raise AssertionError(f"{module} stands in no row")


def row_of(part: str) -> int:
    return next(number for number, row in enumerate(LAYERS) if part in row)


@cache  # each module is looked at by several tests
def imports_of(source: str) -> tuple[str, ...]:
    """Every module that is imported: inside of functions too, and for type checkers alone too, as a reader does."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name the whole package"
            assert node.module
            if node.module == "tyk_endpoint_stats":
                found += (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                found.append(node.module)
    return tuple(found)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def wrong_imports(module: str, source: str) -> list[str]:
    own = part_of(module)
    return [
        f"{module} imports {name}"
        for name in imports_of(source)
        if name.split(".")[0] == "tyk_endpoint_stats"
        and part_of(name) != own
        and row_of(part_of(name)) >= row_of(own)
    ]


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_rows_before_its_own(module):
    assert wrong_imports(module, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("tyk_endpoint_stats.core.stats", "from tyk_endpoint_stats.stores.contract import Store"),
        ("tyk_endpoint_stats.stores.contract", "from tyk_endpoint_stats.questions.methods import Questions"),
        ("tyk_endpoint_stats.stores.sqlite.store", "from tyk_endpoint_stats.stores.memory import MemoryStore"),
        ("tyk_endpoint_stats.web.routes", "import tyk_endpoint_stats.cli.program"),
        ("tyk_endpoint_stats.ingest.loop", "def f():\n    from tyk_endpoint_stats import opening"),
    ],
)
def test_an_import_the_other_way_is_found(module, line):
    assert wrong_imports(module, line)


def test_imports_for_type_checkers_are_imports():
    """A circle is one whoever follows it."""
    line = "if TYPE_CHECKING:\n    from tyk_endpoint_stats.stores.base import Store"
    assert wrong_imports("tyk_endpoint_stats.ingest.loop", line)


def test_at_most_ten_modules_stand_at_the_top():
    assert len([path for path in MODULES.values() if path.parent == PACKAGE]) <= 10


def outsiders(module: str) -> set[str]:
    names = {name.split(".")[0] for name in imports_of(MODULES[module].read_text(encoding="utf-8"))}
    return names - {"tyk_endpoint_stats"}


def test_the_core_is_pure():
    for module in MODULES:
        if part_of(module) == "core":
            assert outsiders(module) <= PURE, module


def test_only_the_exams_need_pytest_and_hypothesis():
    for module in MODULES:
        if part_of(module) != "testing":
            assert not outsiders(module) & {"pytest", "hypothesis", "_pytest"}, module


def test_nothing_but_the_distributions_dependencies_is_imported():
    needed = {"click", "jinja2", "markupsafe", "msgspec", "pluggy", "prometheus_client", "sqlite_utils"}
    for_types = {"pandas", "polars", "pyarrow"}  # that none of them is loaded is held by test_public_face
    known = {*sys.stdlib_module_names, *needed, *for_types, "pytest", "hypothesis"}
    for module in MODULES:
        assert outsiders(module) <= known, module


def test_a_store_is_opened_by_its_url_and_never_named_by_the_faces():
    for module, path in MODULES.items():
        if part_of(module) in ("web", "cli", "questions", "ingest"):
            named = {name for name in imports_of(path.read_text(encoding="utf-8")) if ".stores." in name}
            assert named <= {"tyk_endpoint_stats.stores.base", "tyk_endpoint_stats.stores.contract"}, module


FOR_OUTSIDERS = {
    "",
    "errors",
    "urls",
    "core",
    "tyk",
    "hookspecs",
    "sources.contract",
    "stores",
    "stores.contract",
    "stores.rules",
    "testing",
}


def test_stores_that_are_built_in_import_what_an_outsider_may():
    for module, path in MODULES.items():
        if part_of(module) in ("stores.memory", "stores.sqlite"):
            named = {part_of(name) for name in imports_of(path.read_text(encoding="utf-8")) if name[:4] == "tyk_"}
            assert named <= FOR_OUTSIDERS | {part_of(module)}, module


@pytest.mark.parametrize(
    "folder", sorted(ROOT.glob("plugins/*/tyk_endpoint_stats_*")), ids=lambda folder: folder.name
)
def test_a_plugin_imports_what_an_outsider_may(folder):
    for path in folder.rglob("*.py"):
        for name in imports_of(path.read_text(encoding="utf-8")):
            if name.split(".")[0] == "tyk_endpoint_stats":
                assert part_of(name) in FOR_OUTSIDERS, path


def test_files_are_small():
    for path in MODULES.values():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path

"""What is public: exported names, what importing loads, and that documents name every command."""

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tyk_endpoint_stats
from tyk_endpoint_stats.cli.program import COMMANDS

ROOT = Path(__file__).parents[1]
MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(tyk_endpoint_stats.__path__, "tyk_endpoint_stats.")
    if not name.endswith("__main__")
]

DRIVERS = {
    *("sqlite3", "sqlite_utils", "click", "click_default_group", "pymongo", "bson", "redis", "psycopg", "duckdb"),
    *("http.server", "http.client", "socketserver", "ssl", "asyncio", "subprocess", "multiprocessing", "logging"),
    *("pytest", "hypothesis", "tabulate", "yaml", "numpy", "pandas"),
    *("jinja2", "markupsafe"),  # only a page needs them
}


def loaded_by(code):
    """The modules that a fresh interpreter has loaded after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},  # where nothing is hidden
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_no_driver_and_no_server():
    assert not loaded_by("import tyk_endpoint_stats") & DRIVERS
    found = loaded_by("import tyk_endpoint_stats, sqlite3, numpy") & DRIVERS
    assert found == {"sqlite3", "numpy"}, "or nothing would be found"


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("from tyk_endpoint_stats import open_store; open_store('memory://').close()", set()),
        ("from tyk_endpoint_stats import open_sources; open_sources('-')", set()),
        ("from tyk_endpoint_stats.plugin_manager import load_plugins; load_plugins(found=[])", set()),
        ("import tyk_endpoint_stats.web.routes", {"logging"}),
        ("import tyk_endpoint_stats.demo", set()),
        ("import tyk_endpoint_stats.cli.program", {"click"}),
        ("import tyk_endpoint_stats.__main__", {"click"}),
    ],
)
def test_a_driver_is_loaded_when_it_is_needed_and_not_before(code, allowed):
    assert loaded_by(code) & DRIVERS <= allowed


@pytest.mark.parametrize("name", ["tyk_endpoint_stats", *MODULES])
def test_exported_names_are_there_and_in_order(name):
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", None)
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    defined = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    if exported is None:
        assert defined == [], "what is public is exported"
        return
    assert len(set(exported)) == len(exported)
    # Constants, then classes, then functions, each by name: as ruff sorts them.
    in_order = [one for one in exported if one != "__version__"]
    assert in_order == sorted(in_order, key=lambda one: (not one.isupper(), not one[:1].isupper(), one))
    for each in exported:
        assert hasattr(module, each)
        assert not each.startswith("_") or each == "__version__"


def test_everything_exported_by_the_package_is_described():
    for name in tyk_endpoint_stats.__all__:
        assert getattr(tyk_endpoint_stats, name).__doc__, name


def test_the_package_exports_what_its_face_imports():
    tree = ast.parse(Path(tyk_endpoint_stats.__file__).read_text(encoding="utf-8"))
    imported = {
        alias.name: node.module.removeprefix("tyk_endpoint_stats.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("tyk_endpoint_stats.")
        for alias in node.names
    }
    assert imported == tyk_endpoint_stats._HOMES, "type checkers and programs find the same"
    assert set(imported) <= set(dir(tyk_endpoint_stats))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tyk_endpoint_stats.nothing


def test_every_error_has_one_base_and_stands_in_the_tree_that_is_drawn():
    from tyk_endpoint_stats import errors

    for name in errors.__all__:
        error = getattr(errors, name)
        assert issubclass(error, tyk_endpoint_stats.TykEndpointStatsError)
        assert re.search(rf"─ {name}\b", errors.__doc__) or name == "TykEndpointStatsError"


def test_the_package_is_typed():
    assert Path(tyk_endpoint_stats.__file__).with_name("py.typed").exists()


def test_nothing_at_the_top_of_a_module_can_be_changed_by_its_functions():
    for name in MODULES:
        tree = ast.parse(Path(importlib.import_module(name).__file__).read_text(encoding="utf-8"))
        assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)], name


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_names_every_command(command):
    text = ROOT.joinpath("README.md").read_text(encoding="utf-8")
    assert re.search(rf"(?:tyk.endpoint.stats\s|`){command}\b", text), command


@pytest.mark.parametrize(
    "code",
    [
        "from tyk_endpoint_stats import open_store; s = open_store('memory://'); s.ingest([]); s.consumers()",
        "import tyk_endpoint_stats.cli.endpoints, tyk_endpoint_stats.cli.ingest, tyk_endpoint_stats.cli.serve",
    ],
)
def test_templates_are_loaded_when_a_page_is_rendered_and_not_before(code):
    assert not loaded_by(code) & {"jinja2", "markupsafe"}
    page = "from tyk_endpoint_stats.markup.rendering import render; render('login.html', title='', message='', next='')"
    assert "jinja2" in loaded_by(page)

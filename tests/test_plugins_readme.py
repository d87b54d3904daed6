"""The guide for writers of plugins says what is so, and its example is a plugin."""

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tyk_endpoint_stats import hookspecs
from tyk_endpoint_stats.opening import open_store
from tyk_endpoint_stats.plugin_manager import load_plugins
from tyk_endpoint_stats.stores import contract

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
GUIDE = ROOT.joinpath("plugins", "README.md").read_text(encoding="utf-8")


def definitions(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def body_of(name: str, module: ModuleType) -> list[ast.stmt]:
    (found,) = [
        node.body for node in definitions(module).body if isinstance(node, ast.ClassDef) and node.name == name
    ]
    return found


def signature(function: ast.FunctionDef) -> str:
    assert function.returns is not None
    return f"def {function.name}({ast.unparse(function.args)}) -> {ast.unparse(function.returns)}\n"


def is_marked(node: ast.FunctionDef, mark: str) -> bool:
    return any(ast.unparse(decorator) == mark for decorator in node.decorator_list)


def test_every_hook_is_there_with_its_exact_signature():
    hooks = [node for node in definitions(hookspecs).body if isinstance(node, ast.FunctionDef)]
    assert len(hooks) >= 2
    for hook in hooks:
        assert is_marked(hook, "hookspec")
        assert signature(hook) in GUIDE


@pytest.mark.parametrize("name", ["StoreType", "SourceType"])
def test_what_a_hook_gives_is_there_field_by_field(name):
    (described,) = re.findall(rf"class {name}:\n((?:    .*\n)+)", GUIDE)
    (defined,) = [
        node for node in definitions(hookspecs).body if isinstance(node, ast.ClassDef) and node.name == name
    ]
    fields = [node for node in defined.body if isinstance(node, ast.AnnAssign)]
    expected = "".join(f"    {ast.unparse(each.target)}: {ast.unparse(each.annotation)}\n" for each in fields)
    assert described == expected


@pytest.mark.parametrize(
    "name", ["ReadableContract", "StoreContract", "Versioned", "Copyable", "Retaining", "Inspectable"]
)
def test_the_contract_is_there_method_by_method(name):
    (described,) = re.findall(rf"class {name}(?:\(.*\))?:\n((?:    .*\n)+)", GUIDE)
    (defined,) = [
        node for node in definitions(contract).body if isinstance(node, ast.ClassDef) and node.name == name
    ]
    methods = [node for node in defined.body if isinstance(node, ast.FunctionDef)]
    expected = [signature(method) for method in methods if is_marked(method, "abstractmethod")]
    assert described == "".join(f"    {each}" for each in expected)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the example, in a folder that Python imports from."""
    for name, block in re.findall(r"^`([\w.]+)`[^\n]*:\n\n```\w+\n(.*?)```", GUIDE, re.DOTALL | re.MULTILINE):
        tmp_path.joinpath(name).write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_example_is_a_plugin(example: Path) -> None:
    import tomllib

    project = tomllib.loads(example.joinpath("pyproject.toml").read_text())["project"]
    (module,) = project["entry-points"]["tyk_endpoint_stats"].values()
    plugins = load_plugins(__import__(module))
    assert not [problem for problem in plugins.problems if problem.plugin == module]
    with open_store(f"audited://sqlite:///{example}/stats.db", plugins=plugins) as store:
        assert store.position("s") is None
    sys.modules.pop(module)


def test_the_example_passes_the_exam(example: Path) -> None:
    options = ("-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "conftest")  # which looks for plugins once
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", *options, "test_audited.py"],
        cwd=example,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 30

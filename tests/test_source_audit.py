"""What must not stand in the source: read from its syntax trees, the plugins' too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    path
    for folder in (ROOT / "tyk_endpoint_stats", ROOT / "plugins")
    for path in sorted(folder.rglob("*.py"))
    if not {"tests", "testing", ".venv", "build"} & set(path.relative_to(ROOT).parts)
]

MODULES = {"pickle", "cPickle", "dill", "shelve", "marshal", "yaml", "multiprocessing", "telnetlib"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "pty.spawn"}
MONGO_CODE = {"$where", "$function", "$accumulator", "mapReduce", "mapreduce"}
VALUES = {"selection", "batch", "record", "consumer", "endpoint", "series", "group", "request", "source"}
"""Names of what holds text from outside: none of it may become SQL."""

SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|PRAGMA|CREATE TABLE|DROP|ALTER TABLE|WHERE)\b")
FILE_CALLS = {"open", "read_bytes", "read_text", "write_bytes", "write_text", "copy", "copyfile", "copy2"}


def dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def found_in(tree: ast.AST, in_sqlite_store: bool = False) -> Iterator[str]:
    """What is forbidden, with the line it stands in."""
    for node in ast.walk(tree):
        line = f"line {getattr(node, 'lineno', 0)}"
        match node:
            case ast.Import(names=names):
                yield from (f"{line}: imports {a.name}" for a in names if a.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
                yield f"{line}: imports {module}"
            case ast.Constant(value=str(text)) if text in MONGO_CODE:
                yield f"{line}: {text} makes the server run code"
            case ast.JoinedStr(values=values):
                text = "".join(str(part.value) for part in values if isinstance(part, ast.Constant))
                if SQL.search(text):
                    yield from (f"{line}: {name} in SQL" for name in values_in(*values))
            case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod() | ast.Add(), right=right):
                if SQL.search(text):
                    yield from (f"{line}: {name} in SQL" for name in values_in(right))
            case ast.Call(func=function, args=arguments, keywords=keywords):
                name = dotted(function)
                if name in CALLS:
                    yield f"{line}: calls {name}"
                if any(k.arg == "shell" and not is_false(k.value) for k in keywords):
                    yield f"{line}: a shell"
                if (
                    isinstance(function, ast.Attribute)
                    and function.attr == "format"
                    and SQL.search(ast.unparse(function))
                ):
                    given = [*arguments, *(k.value for k in keywords)]
                    yield from (f"{line}: {name} in SQL" for name in values_in(*given))
                last = name.rpartition(".")[2]
                # Closing any descriptor of a database drops this process's locks on it.
                if in_sqlite_store and last in FILE_CALLS and not may_be_opened(node):
                    yield f"{line}: {ast.unparse(node)[:60]} in the SQLite store"


def values_in(*nodes: ast.expr) -> Iterator[str]:
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and dotted(part).split(".")[0] in VALUES:
                yield dotted(part)


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def may_be_opened(call: ast.Call) -> bool:
    """The lock file, a file that did not exist before, and the kernel's table of mounts."""
    text = ast.unparse(call)
    return any(part in text for part in (".lock", "O_EXCL", "/proc/self/mounts"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_forbidden_stands_in_the_source(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert list(found_in(tree, in_sqlite_store="sqlite" in path.parts)) == []


def test_there_is_something_to_audit() -> None:
    assert len(SOURCES) > 80
    assert sum("sqlite" in path.parts for path in SOURCES) >= 6


@pytest.mark.parametrize(
    "bad",
    [
        "import pickle",
        "from yaml import load",
        "import multiprocessing.pool",
        "eval(text)",
        "os.system('ls')",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=maybe)",
        "db.execute(f'SELECT * FROM days WHERE id = {selection.consumer_id!r}')",
        "db.execute(f'PRAGMA x = {batch.source}')",
        "db.execute('DELETE FROM days WHERE path = ' + endpoint.path)",
        "db.execute('SELECT %s' % record.path)",
        "db.execute('SELECT {} FROM days'.format(consumer.id))",
        "states.find({'$where': 'true'})",
        "open(self._path, 'rb')",
        "Path(path).read_bytes()",
        "shutil.copy(path, other)",
    ],
)
def test_the_audit_catches(bad: str) -> None:
    """The broken twins."""
    assert list(found_in(ast.parse(bad), in_sqlite_store=True))


@pytest.mark.parametrize(
    "fine",
    [
        "db.execute('SELECT * FROM days WHERE id = ?', (selection.consumer_id,))",
        "db.execute(f'SELECT * FROM {table}')",
        "raise ValueError(f'{selection.path} is odd')",
        "os.open(f'{path}.lock', os.O_RDWR)",
    ],
)
def test_the_audit_lets_pass(fine: str) -> None:
    assert list(found_in(ast.parse(fine), in_sqlite_store=True)) == []

"""Every block of ``docs/`` that claims to run runs, page by page as a reader would, beside one server a page.

A block that is not run says why, in a comment before it. The README's blocks are run by ``test_readme.py``, those of
the plugins' guide by ``test_plugins_readme.py``, those of the plugins' own READMEs by ``test_readme_servers.py``.
"""

import contextlib
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

import tyk_endpoint_stats
from tests.printed import printed_by
from tyk_endpoint_stats import open_sources, open_store
from tyk_endpoint_stats.cli.program import COMMANDS, program
from tyk_endpoint_stats.demo import Traffic

pytestmark = pytest.mark.slow

TOP = Path(__file__).parents[1]
DOCS = sorted((TOP / "docs").rglob("*.md"))
ELSEWHERE = {
    TOP / "README.md": "test_readme.py",
    TOP / "plugins" / "README.md": "test_plugins_readme.py",
    **dict.fromkeys(sorted(TOP.glob("plugins/*/README.md")), "test_readme_servers.py"),
}
RUN = ("python", "console", "sql")
QUOTED = ("text", "toml", "json", "")
"""What no reader takes for something to run."""

BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>[^>]+) -->\n)?^```(?P<language>\w*)\n(?P<lines>.*?)^```", re.DOTALL | re.MULTILINE
)
TOKEN = "0123456789abcdef0123"
KEY = "7f3c3ca87376cabe"


def blocks(page):
    return [found.groupdict() for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """What the pages take for granted: records, a store of them, tokens, and programs on the PATH."""
    folder = tmp_path_factory.mktemp("documentation")
    lines = [
        f'{{"path":"/get","api_id":"79fc","api_key":"{KEY}","response_code":200,"latency":{{"total":{total},'
        f'"upstream":1}},"timestamp":"2020-10-13T10:00:00Z"}}\n'
        for total in (100, 201)
    ]
    folder.joinpath("analytics.jsonl").write_text("".join(lines))
    folder.joinpath("logs").mkdir()
    with folder.joinpath("logs", "demo.jsonl").open("wb") as out:
        Traffic(records=200, full=False).write(out)
    folder.joinpath("tokens").write_text(f"{TOKEN}\n")
    folder.joinpath("tokens").chmod(0o600)
    with open_store(f"sqlite:///{folder}/stats.db") as store:
        for source in open_sources(str(folder / "analytics.jsonl")):
            store.ingest(source)
    return folder


@pytest.fixture
def folder(prepared, tmp_path, monkeypatch):
    """A copy of it, where one is."""
    folder = shutil.copytree(prepared, tmp_path / "page")
    programs = tmp_path / "programs"
    programs.mkdir()
    if not shutil.which("sqlite3"):
        loop = "for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(*row, sep='|')"
        shell = f"#!{sys.executable}\nimport sqlite3, sys\n{loop}\n"
        programs.joinpath("sqlite3").write_text(shell)
        programs.joinpath("sqlite3").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.chdir(folder)
    return folder


class Reader:
    """Does what a page says, in its order, and keeps what was printed."""

    def __init__(self, folder):
        self.folder = folder
        self.printed = ""
        self._server = None
        self._url = ""

    def read(self, page):
        for block in blocks(page):
            if block["why"] is None and block["language"] == "python":
                self._python(block["lines"])
            elif block["why"] is None and block["language"] == "console":
                for line in block["lines"].splitlines():
                    self._line(line)

    def _line(self, line):
        if " serve " in line:
            self.close()
            self._server = subprocess.Popen(
                ["bash", "-c", f"exec {line} --port 0"], cwd=self.folder, stdout=subprocess.PIPE, text=True
            )
            self._url = re.search("http://[^,]+", self._server.stdout.readline())[0]
        else:
            self.printed += printed_by(self.folder, line.replace("http://127.0.0.1:3000", self._url))

    def _python(self, lines):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(lines, "page", "exec"), {"__name__": "page"})
        self.printed += printed.getvalue()

    def close(self):
        if self._server is not None:
            self._server.terminate()
            self._server.communicate(timeout=30)
            assert self._server.returncode == 0
            self._server = None


def runs(page):
    return any(block["why"] is None and block["language"] in ("python", "console") for block in blocks(page))


SAYS = {
    "tutorial.md": ["mobile app 0", '{"data":[{"id":{"day":0', '"kind":"key"'],
    "how-to/ingest.md": ["analytics.jsonl: 0 read", "Nothing is wrong"],
    "how-to/run.md": ["tyk_endpoint_stats_answers_total", '"status"'],
    "how-to/retention.md": ["Gone"],
    "how-to/numbers.md": ["41c5cb1e"],
    "how-to/embed.md": [KEY, "2 2 0"],
    "how-to/sql-tools.md": [f"2020-10-13|{KEY}|/get|2|150.5", f"{KEY} 2"],
    "reference/routes.md": ['"path":"/get"', '"openapi"'],
    "reference/configuration.md": [KEY, "memory://"],
}
"""What a reader sees at the end, beside no errors."""


@pytest.mark.parametrize("page", [*filter(runs, DOCS)], ids=lambda page: str(page.relative_to(TOP / "docs")))
def test_a_page_does_what_it_says(page, folder):
    reader = Reader(folder)
    try:
        reader.read(page)
    finally:
        reader.close()
    for text in SAYS.get(str(page.relative_to(TOP / "docs")), ()):
        assert text in reader.printed, reader.printed


def test_a_page_that_does_not_run_is_found(folder):
    for text in ("```python\nprint(nothing)\n```\n", "```console\ntyk-endpoint-stats consumers --nothing\n```\n"):
        folder.joinpath("page").write_text(text)
        with pytest.raises((AssertionError, NameError)):
            Reader(folder).read(folder / "page")


@pytest.mark.parametrize("page", [*DOCS, *ELSEWHERE], ids=lambda page: str(page.relative_to(TOP)))
def test_a_block_runs_or_says_why_not(page):
    for block in blocks(page):
        assert block["language"] in (*RUN, *QUOTED) or block["why"], block
    fences = re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(blocks(page)), "every fence is one that is looked at"


DOCUMENTS = [
    TOP / "README.md",
    *DOCS,
    *sorted(TOP.glob("plugins/**/README.md")),
    *sorted((TOP / "deploy").iterdir()),
]


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(TOP)))
def test_commands_and_options_that_are_named_are_there(page):
    """Also in blocks that are not run, and between the lines."""
    context = click.Context(program)
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for name, rest in re.findall(r"tyk-endpoint-stats ([a-z][a-z-]*)\b([^\n`|]*)", text):
        if name not in COMMANDS:
            continue  # the name of the user, of the project, or the like
        command = program.get_command(context, name)
        known = {option for param in command.params for option in param.opts} | {"--help"}
        assert set(re.findall(r"(?<=\s)--[a-z][a-z-]*", rest)) <= known, (name, rest)


def test_the_reference_has_every_name_that_the_package_exports():
    page = TOP.joinpath("docs/reference/python.md").read_text(encoding="utf-8")
    for name, home in tyk_endpoint_stats._HOMES.items():
        assert home == "errors" or re.search(rf"\.{name}\b", page), name


def test_every_page_is_in_the_navigation_of_the_site():
    navigation = TOP.joinpath("mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    for page in DOCS:
        assert str(page.relative_to(TOP / "docs")) in navigation

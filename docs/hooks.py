"""The site beside ``docs/``: other documents of the repository, and what is generated from commands and routes.

Documents link each other as files do, so that links work wherever the repository is read. Here a link to a file
outside of ``docs/`` becomes one to its page.
"""

import importlib
import posixpath
import re
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

TOP = Path(__file__).parents[1]
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_BESIDE = ("README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")
_BELOW = ("plugins/README.md", "plugins/*/README.md", "benchmarks/README.md", "tests/torture/README.md", "deploy/*")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what lies beside ``docs/``."""
    for path in [
        *(TOP / name for name in _BESIDE),
        *(found for glob in _BELOW for found in sorted(TOP.glob(glob))),
    ]:
        here = path.relative_to(TOP).as_posix()
        files.append(File.generated(config, _in_site(here), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as the site has them, and generated parts in their places."""
    for mark, text in (("<!-- commands -->", commands), ("<!-- routes -->", routes)):
        if mark in markdown:
            markdown = markdown.replace(mark, text())
    assert page.file.abs_src_path is not None
    folder = Path(page.file.abs_src_path).parent
    own = posixpath.dirname(page.file.src_uri)

    def moved(found: re.Match[str]) -> str:
        before, target, fragment, after = found.groups()
        place = (folder / target).resolve()
        if ":" in target or not place.is_relative_to(TOP):
            return found[0]
        if place.is_dir():
            place /= "README.md"
        target = posixpath.relpath(_in_site(place.relative_to(TOP).as_posix()), own or ".")
        return f"{before}{target}{fragment or ''}{after}"

    return _LINK.sub(moved, markdown)


def _in_site(path: str) -> str:
    """Where a file of the repository is in the site; the folder's own page is ``docs/index.md``."""
    return "readme.md" if path == "README.md" else path.removeprefix("docs/")


def commands() -> str:
    """What ``--help`` says of each command."""
    from tyk_endpoint_stats.cli.program import COMMANDS, program

    context = click.Context(program, info_name="tyk-endpoint-stats", max_content_width=100, terminal_width=100)
    parts = []
    for name in COMMANDS:
        command = program.get_command(context, name)
        assert command is not None
        with click.Context(command, info_name=name, parent=context) as own:
            parts.append(f"## {name}\n\n```text\n{command.get_help(own)}\n```\n")
    return "\n".join(parts)


def routes() -> str:
    """The table of routes, with what each is asked."""
    table = importlib.import_module("tyk_endpoint_stats.web.table")
    lines = ["| route | says | parameters |", "|---|---|---|"]
    for route in table.ROUTES:
        if route.operation is None:
            continue
        asked = ", ".join(f"`{one.name}`" for one in route.parameters if not one.in_path)
        path = route.path.replace("/{startDay}/{startMonth}/{startYear}/{EndDay}/{EndMonth}/{EndYear}", "/…")
        lines.append(f"| `{path}` | {route.operation.get('summary', '')} | {asked} |")
    return "\n".join(lines)

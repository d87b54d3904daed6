"""Documents hold together: links and their anchors lead somewhere, and nothing cites what is not there."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
GENERATED = {"readme.md"}
"""Pages of the site that have another name than their file."""

TEXT = (".py", ".md", ".toml", ".yml", ".yaml", ".go", ".html", ".js", ".conf", ".service")
PAPERS = re.compile(r"(?<![\w./*-])[\w./*-]*\w\.md\b")
SECTIONS = re.compile(r'\b(docs/[\w/-]+\.md), "([^"]+)"(?: and "([^"]+)")?')
SECTION_SIGNS = re.compile(r"\b[A-Z]{3,}(?: ?§|(?:'s)? [A-Z]\d+\b)")
"""What looks like the section of a paper."""


def tracked():
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    )
    return [TOP / name for name in names.stdout.splitlines() if (TOP / name).is_file()]


FILES = [path for path in tracked() if path.suffix in TEXT and path != Path(__file__)]
DOCUMENTS = [path for path in FILES if path.suffix == ".md"]


@cache  # the long documents are cited by most files
def headings(text):
    """As they stand, outside of fences."""
    return re.findall(
        r"^#+ +(.+?) *$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def missing(path, text):
    """The documents and sections that a text names and that are not there."""
    found = set(SECTION_SIGNS.findall(text))
    for name in PAPERS.findall(text):
        places = (TOP / name.lstrip("/"), path.parent / name, TOP / "docs" / name)
        if "*" not in name and name not in GENERATED and not any(place.exists() for place in places):
            found.add(name)
    for name, *sections in SECTIONS.findall(re.sub(r"\n\s*(?:#:? )?", " ", text)):
        known = headings(TOP.joinpath(name).read_text(encoding="utf-8")) if TOP.joinpath(name).exists() else []
        found |= {f"{name}, {section}" for section in sections if section and section not in known}
    return found


def dead_links(path, text):
    dead = set()
    plain = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", plain):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        place = path.parent / name if name else path
        known = (
            map(anchor, headings(place.read_text(encoding="utf-8"))) if place.is_file() and fragment else [fragment]
        )
        if not place.exists() or fragment not in known:
            dead.add(target)
    return dead


def test_no_document_and_no_section_is_cited_that_is_not_there():
    wrong = {str(path.relative_to(TOP)): missing(path, path.read_text(encoding="utf-8")) for path in FILES}
    assert not {path: names for path, names in wrong.items() if names}


def test_links_lead_somewhere():
    wrong = {str(path.relative_to(TOP)): dead_links(path, path.read_text(encoding="utf-8")) for path in DOCUMENTS}
    assert not {path: names for path, names in wrong.items() if names}


@pytest.mark.parametrize(
    "text",
    [
        "The rules are in RULES.md.",
        "(docs/nothing.md)",
        'As docs/tyk.md, "No such section" has it.',
        'docs/tyk.md, "JSON" and "No such section"',
        "RELIABILITY's F1",
        "TYK §7",
    ],
)
def test_what_is_not_there_is_found(text):
    assert missing(TOP / "tyk_endpoint_stats" / "x.py", text)


@pytest.mark.parametrize("text", ["[a](nothing.md)", "[a](tyk.md#nothing)", "[a](#nothing)", "[a](../nowhere/)"])
def test_a_dead_link_is_found(text):
    assert dead_links(TOP / "docs" / "tyk.md", text)


@pytest.mark.parametrize(
    "text", ["[a](tyk.md#normalised-paths)", "[a](../README.md)", "[a](https://example.com/x)"]
)
def test_a_link_that_leads_somewhere_is_none(text):
    assert not dead_links(TOP / "docs" / "x.md", text)

"""``ingest --peek``, and what a source has to say before it is read."""

from types import SimpleNamespace

import pytest

from tyk_endpoint_stats.cli import opening
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.hookspecs import SourceType, hookimpl
from tyk_endpoint_stats.plugin_manager import load_plugins
from tyk_endpoint_stats.sources.contract import Peekable, Waiting
from tyk_endpoint_stats.sources.in_memory import RecordsSource
from tyk_endpoint_stats.testing import hit

WARNING = "tray://a: what is read here is gone"


class Tray(RecordsSource, Peekable):
    """Records that reading takes away."""

    warnings = (WARNING,)

    def __init__(self, records):
        super().__init__(records, "tray://a")
        self.waiting = len(records)

    def open(self, position):
        self.waiting = 0
        return super().open(position)

    def peek(self):
        if self.waiting > 3:
            raise SourceError("tray://a: can't be counted: it is over\x1b full")
        return [Waiting("left", 1), Waiting("in the middle", self.waiting - 1, "expires in 9 s")]


@pytest.fixture
def tray(monkeypatch):
    found = Tray([hit(), hit(), hit()])
    plugin = SimpleNamespace(
        __name__="tray", provide_sources=hookimpl(lambda: [SourceType("tray", lambda url: [found], "", "tray://a")])
    )
    monkeypatch.setattr(opening, "load_plugins", lambda: load_plugins(plugin, found=()))
    return found


def test_peeking_counts_and_takes_nothing(run, tray, tmp_path):
    result = run("ingest", "--store", "sqlite:///stats.db", "--peek", "tray://a")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "tray://a: 3 records wait",
        "  left                     1",
        "  in the middle            2  expires in 9 s",
    ]
    assert WARNING in result.stderr
    assert tray.waiting == 3
    assert not tmp_path.joinpath("stats.db").exists(), "a store is not needed for looking"


def test_what_can_not_be_peeked_into_is_named_and_the_others_are_shown(run, tray, tmp_path):
    tmp_path.joinpath("a.jsonl").write_text("{}\n")
    result = run("ingest", "--peek", "a.jsonl", "missing", "tray://a")
    assert result.exit_code == 1
    assert "a.jsonl: reading it takes nothing away" in result.stderr
    assert "missing: there is no such file" in result.stderr
    assert "3 records wait" in result.stdout


def test_what_goes_wrong_while_counting_is_an_error_without_control_characters(run, tray):
    tray.waiting = 4
    result = run("ingest", "--peek", "tray://a")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "can't be counted: it is over\\x1b full" in result.stderr


def test_peeking_and_following_do_not_go_together(run, tray):
    result = run("ingest", "--peek", "--follow", "tray://a")
    assert result.exit_code == 2
    assert "--follow" in result.stderr


def test_the_warnings_of_a_source_are_shown_before_it_is_read(run, tray):
    result = run("ingest", "--store", "memory://", "tray://a")
    assert (result.exit_code, tray.waiting) == (0, 0)
    assert result.stderr.splitlines() == [f"Warning: {WARNING}"]


def test_a_followed_source_warns_once(capsys, tray):
    find = opening.source_finder(opening.load_plugins())
    assert find("tray://a") == find("tray://a") == [tray]
    assert capsys.readouterr().err.splitlines() == [f"Warning: {WARNING}"]

"""``prune`` and ``forget``: what goes, what stays, and what they refuse."""

import json

import pytest

from tyk_endpoint_stats import ReadableStore, open_store
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.testing import hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY

DAYS = ("--from", "2020-10-01", "--to", "2020-10-31")


@pytest.fixture
def url(tmp_path, run):
    """Two keys and a client at two endpoints, on the 13th, 14th and 15th of October 2020."""
    with open_store(f"sqlite:///{tmp_path}/s.db") as store:
        store.ingest(
            hit(FIRST_DAY + day, path=path, api_key=key, oauth_id="c" if key == "k1" else "", org_id=f"org-{day}")
            for day in range(3)
            for path in ("/get", "/put")
            for key in ("k1", "k2", "")
        )
    return "sqlite:///s.db"


def hits(url, **filters):
    with open_store(url) as store:
        answer = store.read(Selection((Span(Width.DAY, 0, 10**6),), **filters))
        return sum(stats.hits for _, stats in answer)


def test_prune_takes_quarter_hours_and_status_says_so(run, url):
    result = run("prune", "--store", url, "--before", "2020-10-15")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "Gone, of days before 2020-10-15: the quarter hours of 12 rows.\n"
    assert "quarter hours: before 2020-10-15T00:00:00Z" in run("status", "--store", url).stdout
    assert hits(url) == 18
    assert "the quarter hours of 0 rows" in run("prune", "--store", url, "--before", "2020-10-15").stdout
    refused = run("endpoints", "--store", url, "--key", "k1", *DAYS, "--timezone", "Asia/Kolkata")
    assert refused.exit_code == 1 or "k1" not in refused.stdout
    assert run("verify", "--store", url).exit_code == 0


@pytest.mark.parametrize(("word", "gone"), [("2020-11", 18), ("2020-10", 0), ("yesterday", 18), ("90d", 18)])
def test_a_day_is_said_in_the_words_that_any_time_is(run, url, word, gone):
    assert f"the quarter hours of {gone} rows" in run("prune", "--store", url, "--before", word).stdout


def test_prune_takes_whole_days(run, url):
    result = run("prune", "--store", url, "--before", "2020-10-14", "--keep", "nothing")
    assert (result.exit_code, result.stderr) == (0, "")
    # Six rows of consumers, and totals: three of consumers, two of endpoints, one of everything.
    assert result.stdout == "Gone, of days before 2020-10-14: 12 rows and totals.\n"
    assert (hits(url), hits(url, consumer_id="k2")) == (12, 4)
    told = json.loads(run("status", "--store", url, "--format", "json").stdout)
    assert (told["first_day"], told["pruned_before"]) == ("2020-10-14", "2020-10-14T00:00:00Z")
    assert run("verify", "--store", url).exit_code == 0


@pytest.mark.parametrize(
    ("whom", "gone", "left"),
    [
        (("--key", "k1"), "this key: 9 rows", {"k1": 0, "k2": 6, "c": 6}),
        (("--key", "k1", "--org-id", "org-2"), "this key: 3 rows", {"k1": 4, "k2": 6, "c": 6}),
        (("--oauth-client", "c"), "this OAuth client: 9 rows", {"k1": 6, "k2": 6, "c": 0}),
        (("--key", "nobody"), "this key: 0 rows", {"k1": 6, "k2": 6, "c": 6}),
    ],
)
def test_forget_takes_one_consumer(run, url, whom, gone, left):
    result = run("forget", "--store", url, *whom)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"Gone, of {gone} and totals.\n", "")
    assert {consumer: hits(url, consumer_id=consumer) for consumer in left} == left
    assert hits(url) == 18, "everyone's hits stay"
    assert run("verify", "--store", url).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("prune",), "--before"),
        (("prune", "--before", "all"), "'all' is no day: say 2026-10-13, today, yesterday"),
        (("prune", "--before", "2020-10-14T12:00"), "is no day"),
        (("prune", "--before", "the 14th"), "is no time: say a day (2026-10-13), a month (2026-10), today"),
        (("prune", "--before", "2020-10-14", "--keep", "all"), "is not one of"),
        (("forget",), "say whom to forget"),
        (("forget", "--key", "k1", "--oauth-client", "c"), "say whom to forget"),
    ],
)
def test_wrong_usage_changes_nothing(run, url, arguments, says):
    result = run(arguments[0], "--store", url, *arguments[1:])
    assert result.exit_code == 2
    assert says in result.stderr
    assert hits(url) == 18


@pytest.mark.parametrize("arguments", [("prune", "--before", "2020-10-14"), ("forget", "--key", "k1")])
def test_a_store_that_is_not_there_is_not_made(run, tmp_path, arguments):
    result = run(arguments[0], "--store", "sqlite:///typo.db", *arguments[1:])
    assert result.exit_code == 1
    assert "typo.db does not exist" in result.stderr
    assert not list(tmp_path.iterdir())


def test_stores_that_can_not_do_it_say_so(run, monkeypatch):
    class OnlyRead(ReadableStore):
        def read(self, selection):
            return []

        def close(self):
            pass

    monkeypatch.setattr("tyk_endpoint_stats.cli.opening.open_readable_store", lambda *_, **__: OnlyRead())
    for arguments in (("prune", "--before", "2020-10-14"), ("forget", "--key", "k1")):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "can only be asked questions" in result.stderr


def test_a_store_that_keeps_everything_says_so(run, monkeypatch):
    from tyk_endpoint_stats.stores.base import Store
    from tyk_endpoint_stats.stores.memory import MemoryStore

    class KeepsAll(Store):
        def __init__(self):
            behind = MemoryStore()
            for name in ("merge", "read", "position", "sources", "prune", "close"):
                setattr(self, name, getattr(behind, name))

        merge = read = position = sources = prune = close = lambda self: None

    monkeypatch.setattr("tyk_endpoint_stats.cli.opening.open_readable_store", lambda *_, **__: KeepsAll())
    for arguments in (("prune", "--before", "2020-10-14", "--keep", "nothing"), ("forget", "--key", "k1")):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "can't drop days or forget consumers" in result.stderr
    assert run("prune", "--before", "2020-10-14").exit_code == 0

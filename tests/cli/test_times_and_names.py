"""Times as people say them, and consumers by a piece of what they are called."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from tyk_endpoint_stats import Consumer, Kind, open_store
from tyk_endpoint_stats.cli.hash_key import key_hash


@pytest.fixture
def key(traffic):
    return traffic.busiest(Kind.KEY).id


@pytest.fixture
def hits(run, store, key):
    def hits(*arguments):
        result = run("endpoints", "--store", store, "--key", key, "--format", "json", *arguments)
        assert result.exit_code == 0, result.stderr
        return sum(row["hits"] for row in json.loads(result.stdout))

    return hits


def counted(store, key, first, last, zone="UTC"):
    with open_store(store) as opened:
        return opened.totals(first, last, consumer=Consumer.key(key), zone=zone).hits


@pytest.mark.parametrize(
    ("arguments", "first", "last", "zone"),
    [
        (("--from", "2026-10-13", "--to", "2026-10-14"), date(2026, 10, 13), date(2026, 10, 14), "UTC"),
        (("--from", "2026-10", "--to", "2026-10"), date(2026, 10, 1), date(2026, 10, 31), "UTC"),
        (
            ("--from", "2026-10-13T06:00", "--to", "2026-10-20T18:30", "--timezone", "Asia/Kolkata"),
            datetime(2026, 10, 13, 6),
            datetime(2026, 10, 20, 18, 30),
            "Asia/Kolkata",
        ),
        (("--from", "all"), None, None, "UTC"),
    ],
)
def test_a_time_may_be_a_day_a_month_or_an_instant(hits, store, key, arguments, first, last, zone):
    expected = counted(store, key, first, last, zone)
    assert hits(*arguments) == expected > 0


def test_days_may_be_said_from_today(run, hits, tmp_path, store):
    now = datetime.now(UTC)
    if now.hour == 23 and now.minute > 55:
        pytest.skip("midnight is near")
    hit = {"path": "/now", "api_id": "a", "api_key": "new", "response_code": 200, "latency": {"total": 3}}
    times = [now - timedelta(hours=1), now - timedelta(days=1), now - timedelta(days=29), now - timedelta(days=31)]
    lines = [json.dumps({**hit, "timestamp": f"{time:%Y-%m-%dT%H:%M:%SZ}"}) + "\n" for time in times]
    tmp_path.joinpath("new.jsonl").write_text("".join(lines))
    assert run("ingest", "--store", store, "new.jsonl").exit_code == 0

    def new(*arguments):
        return hits("--key", "new", *arguments)

    today = sum(time.date() == now.date() for time in times)
    yesterday = sum(time.date() == now.date() - timedelta(days=1) for time in times)
    assert new("--from", "today") == today
    assert new("--from", "yesterday", "--to", "yesterday") == yesterday
    assert new("--last", "2h") == 1
    assert new("--last", "30d") == new() == 3, "without a word: the last 30 days"
    assert new("--from", "all") == 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--last", "30d", "--from", "today"), "--last and --from or --to exclude each other"),
        (("--last", "0d"), "0d"),
        (("--last", "soon"), "soon"),
        (("--to", "tomorrow"), "--to"),
        (("--sort", "-hit"), "did you mean hits?"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_what_means_nothing_is_wrong_usage(run, store, key, arguments, says):
    result = run("endpoints", "--store", store, "--key", key, *arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_rows_are_sorted_and_limited_and_the_total_is_that_of_all(run, store, key):
    asked = ("endpoints", "--store", store, "--key", key, "--from", "2026-10", "--sort", "-p95")
    every = json.loads(run(*asked, "--format", "json").stdout)
    assert [row["p95"] for row in every] == sorted((row["p95"] for row in every), reverse=True)
    table = run(*asked, "--limit", 3).stdout.splitlines()
    assert len(table) == 1 + 3 + 1 + 2
    assert [line.rstrip().split("  ")[0] for line in table[1:4]] == [row["api_name"] for row in every[:3]]
    assert table[4].split()[:2] == ["total", f"{sum(row['hits'] for row in every):,}"]
    assert table[6] == f"3 of {len(every)} rows; the total is that of all."


def test_a_consumer_is_found_by_id_prefix_and_alias(run, store, traffic, key):
    rows = json.loads(run("consumers", "--store", store, "--format", "json").stdout)
    aliases = [row["alias"] for row in rows]
    unique = next(row for row in rows if row["alias"] and sum(row["alias"] in one for one in aliases) == 1)

    def found(text):
        return run("endpoints", "--store", store, "--consumer", text, "--from", "all", "--format", "json")

    expected = run("endpoints", "--store", store, "--key", key, "--from", "all", "--format", "json").stdout
    assert json.loads(expected)
    assert found(key).stdout == expected
    assert found(key[:9]).stdout == expected
    by_alias = json.loads(found(unique["alias"].upper()).stdout)
    assert sum(row["hits"] for row in by_alias) == unique["hits"]


def test_several_candidates_are_listed_each_as_it_is_asked_for(run, store):
    rows = json.loads(run("consumers", "--store", store, "--format", "json").stdout)
    fits = [row for row in rows if row["alias"].casefold().startswith("mobile")]
    assert len(fits) > 1
    result = run("endpoints", "--store", store, "--consumer", "MOBILE", "--last", "30d")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"--consumer fits {len(fits)} consumers:" in result.stderr
    for row in fits[:20]:
        option = "--key" if row["kind"] == "key" else "--oauth-client"
        assert f"  {option} {row['id']}  {row['alias']}" in result.stderr


def test_a_text_that_fits_nobody_is_answered_with_the_nearest(run, store, key):
    result = run("endpoints", "--store", store, "--consumer", key[:-2] + "zz")
    assert result.exit_code == 2
    assert f"--consumer fits no id and no alias; the nearest: --key {key}" in result.stderr
    assert "--consumer is empty: say an id" in run("endpoints", "--store", store, "--consumer", "").stderr


@pytest.fixture
def raw_store(run, tmp_path):
    """A key that is recorded by its hash, and an OAuth client."""
    raw = "5e9d9544a1dcd60001d0ed20" + "e7f75f9e03534825b7aef9df749582e5"
    hits = [
        {"api_key": key_hash(raw), "path": "/v1/orders", "timestamp": "2020-10-13T10:00:00Z"},
        {"oauth_id": "portal-client", "path": "/v1/orders", "timestamp": "2020-10-14T10:00:00Z"},
    ]
    lines = [json.dumps({**hit, "api_id": "a1", "org_id": "o1", "response_code": 200}) + "\n" for hit in hits]
    tmp_path.joinpath("raw.jsonl").write_text("".join(lines))
    assert run("ingest", "--store", "sqlite:///raw.db", "raw.jsonl").exit_code == 0
    return raw, "sqlite:///raw.db"


OTHER = "5e9d9544a1dcd60001d0ed20" + "0" * 32


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("endpoints", "--key", "portal-client"), "It is an OAuth client here: --oauth-client portal-client"),
        (("endpoints", "--key", "RAW"), "It is the key itself, which is recorded by its hash: add --raw-key."),
        (("endpoints", "--key", OTHER), "It looks like a key itself"),
        (("endpoints", "--raw-key", "--key", "RAW"), "Seen from 2020-10-13 10:00 to 2020-10-13 10:00"),
        (("endpoints", "--oauth-client", "portal-clint"), "Never seen; the nearest: --oauth-client portal-client"),
        (("endpoints", "--key", "zzz"), "It was never seen: tyk-endpoint-stats consumers"),
        (("endpoints", "--oauth-client", "portal-client", "--api-id", "b"), "Seen in another API than --api-id"),
        (("endpoints", "--oauth-client", "portal-client", "--org-id", "b"), "Seen in another organisation"),
        (("endpoints", "--key", "k", "--from", "2020-02", "--to", "2020-01"), "it ends before it begins"),
        (("callers", "--path", "/v1/order"), "Never seen; the nearest: --path /v1/orders"),
        (("callers", "--path", "/v1/orders"), "Seen from 2020-10-13 10:00 to 2020-10-14 10:00"),
        (("callers", "--path", "@@"), "No path that was called is like it"),
        (("series", "--last", "2h"), "Seen from 2020-10-13 10:00 to 2020-10-14 10:00"),
        (("consumers", "--consumer", "portal-clint"), "the nearest: --oauth-client portal-client"),
    ],
)
def test_where_nothing_is_found_one_hint_says_why(run, raw_store, arguments, says):
    raw, url = raw_store
    command, *rest = [raw if each == "RAW" else each for each in arguments]
    result = run(command, "--store", url, *rest)
    assert result.exit_code == 0
    assert result.stdout == "", "an empty table has no heading"
    assert says in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert raw not in result.stderr


def test_a_key_that_is_typed_as_it_is_is_found_by_its_hash(run, raw_store):
    raw, url = raw_store
    result = run("endpoints", "--store", url, "--consumer", raw, "--from", "all", "--format", "json")
    assert [row["path"] for row in json.loads(result.stdout)] == ["/v1/orders"]
    assert raw not in result.stderr

"""``hash-key`` and ``--raw-key``: people know keys, records know hashes."""

import json
from pathlib import Path

import pytest

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "key_hashes.json").read_text())
TOKENS = {each["token"]: each["hash"] for each in VECTORS["tokens"]}
LEGACY = "5e9d9544a1dcd60001d0ed20e7f75f9e03534825b7aef9df749582e5"


@pytest.mark.parametrize("token", TOKENS)
def test_the_hash_alone_is_printed(run, token):
    assert run("hash-key", token).stdout == f"{TOKENS[token]}\n"
    assert run("hash-key", "-", stdin=f"{token}\r\nmore\n".encode()).stdout == f"{TOKENS[token]}\n"


def test_another_algorithm_or_all_of_them(run):
    assert run("hash-key", "--algorithm", "sha256", "abc").stdout.startswith("ba7816bf8f01cfea")
    lines = run("hash-key", "--algorithm", "all", LEGACY).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["murmur32", "murmur64", "murmur128", "sha256"]
    assert lines[0].split()[1] == "41c5cb1e"


def test_no_token_is_wrong_usage(run):
    result = run("hash-key", "-", stdin=b"")
    assert result.exit_code == 2
    assert "stdin is empty" in result.stderr
    assert run("hash-key").exit_code == 2


def test_endpoints_are_found_by_the_key_itself(run, tmp_path):
    record = {"path": "/a", "api_key": "41c5cb1e", "response_code": 200, "timestamp": "2026-10-13T10:00:00Z"}
    tmp_path.joinpath("a.jsonl").write_text(json.dumps(record) + "\n")
    store = ("--store", "sqlite:///stats.db")
    days = ("--from", "2026-10-13", "--to", "2026-10-13", "--format", "ndjson")
    assert run("ingest", *store, "a.jsonl").exit_code == 0
    by_hash = run("endpoints", *store, "--key", "41c5cb1e", *days).stdout
    assert json.loads(by_hash)["path"] == "/a"
    assert run("endpoints", *store, "--raw-key", "--key", LEGACY, *days).stdout == by_hash
    assert run("endpoints", *store, "--raw-key", "--key", "-", *days, stdin=LEGACY.encode()).stdout == by_hash
    assert run("endpoints", *store, "--key", LEGACY, *days).stdout == ""
    wrong = run("endpoints", *store, "--raw-key", "--oauth-client", "c", *days)
    assert wrong.exit_code == 2
    assert "--raw-key says what --key KEY is" in wrong.stderr

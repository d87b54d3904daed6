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


SESSIONS = json.loads((Path(__file__).parents[1] / "vectors" / "session_tokens.json").read_text())["tokens"]
ORG = "64c1f0aa9b2e4d0001a7c3e5"
DAYS = ("--from", "2020-10-13", "--to", "2020-10-13", "--format", "ndjson")


@pytest.mark.parametrize("known", SESSIONS, ids=lambda each: f"{each['as_sent']} {each['hash_key_function']}")
def test_what_is_recorded_for_imported_keys_users_and_claims_is_printed(run, known):
    function = ("--function", known["hash_key_function"]) if known["hash_key_function"] else ()
    form = {"imported custom key": (), "basic auth user": ("--basic-user",)}.get(known["what"], ("--jwt-claim",))
    printed = run("hash-key", "--org-id", known["org_id"], *function, *form, known["as_sent"])
    assert printed.stdout == f"{known['recorded_api_key']}\n"
    every = run("hash-key", "--org-id", known["org_id"], "--function", "all", *form, known["as_sent"]).stdout
    name = known["hash_key_function"] or "none"
    assert f"{name:<9} {known['recorded_api_key']}\n" in every
    assert len(every.splitlines()) == 5
    from_stdin = run(
        "hash-key", "--org-id", known["org_id"], *function, *form, "-", stdin=known["as_sent"].encode()
    )
    assert from_stdin.stdout == printed.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--basic-user", "alice"), "need --org-id"),
        (("--jwt-claim", "alice"), "need --org-id"),
        (("--function", "sha256", "key"), "need --org-id"),
        (("--org-id", ORG), "one of TOKEN, --basic-user NAME and --jwt-claim VALUE"),
        (("--org-id", ORG, "--basic-user", "alice", "key"), "one of TOKEN"),
        (("--org-id", ORG, "--algorithm", "sha256", "key"), "--function says how tokens are made"),
    ],
)
def test_half_a_question_is_wrong_usage(run, arguments, says):
    result = run("hash-key", *arguments)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())


def ingested(run, tmp_path, *keys, **members):
    lines = [
        json.dumps(
            {"path": "/a", "org_id": ORG, "api_key": key, "response_code": 200, "timestamp": "2020-10-13T08:00:00Z"}
            | members
        )
        for key in keys
    ]
    tmp_path.joinpath("a.jsonl").write_text("\n".join(lines) + "\n")
    assert run("ingest", "--store", "sqlite:///stats.db", "a.jsonl").exit_code == 0

    def ask(key, *more):
        return run("endpoints", "--store", "sqlite:///stats.db", "--raw-key", "--key", key, *DAYS, *more)

    return ask


@pytest.mark.parametrize("known", SESSIONS, ids=lambda each: f"{each['as_sent']} {each['hash_key_function']}")
def test_endpoints_find_what_the_store_knows_and_say_what_it_was(run, tmp_path, known):
    ask = ingested(run, tmp_path, known["recorded_api_key"], "00000000")
    assert ask(known["as_sent"]).stdout == "", "the bare text's hash: whoever asks so gets nothing"
    result = ask(known["as_sent"], "--org-id", ORG)
    assert json.loads(result.stdout)["hits"] == 1
    assert result.stderr.startswith(f"Recorded as {known['recorded_api_key']}: ")
    assert (known["hash_key_function"] or "no hash_key_function") in result.stderr


def test_a_key_that_is_recorded_as_it_is_shows_in_no_message(run, tmp_path):
    ask = ingested(run, tmp_path, f"{ORG}partner-acme")
    result = ask("partner-acme", "--org-id", ORG)
    assert json.loads(result.stdout)["hits"] == 1
    assert "not hashed" in result.stderr
    assert "partner" not in result.stderr


def test_a_key_that_is_recorded_under_several_ids_is_refused_with_their_names(run, tmp_path):
    """A gateway whose function was changed, with a fall back to the old one: neither half is the whole."""
    ask = ingested(run, tmp_path, "f0a050cc", "8e95e36652e28ecc")
    result = ask("partner-acme", "--org-id", ORG)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "recorded under 2 ids" in result.stderr
    assert "f0a050cc  imported key or basic-auth user, no hash_key_function" in result.stderr
    assert "8e95e36652e28ecc  imported key or basic-auth user, hash_key_function murmur64" in result.stderr


def test_a_key_that_is_not_known_gets_nobodys_hits(run, tmp_path):
    """``abc`` hashes to the id of all keyless traffic."""
    ask = ingested(run, tmp_path, "00000000")
    result = ask("abc", "--org-id", ORG)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "None of the 21 ids" in result.stderr

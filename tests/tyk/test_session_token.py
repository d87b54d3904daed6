"""The token that the gateway makes of what people hold, and the id under which it records it."""

import json
from hashlib import md5
from pathlib import Path

import pytest

from tyk_endpoint_stats.tyk.key_hash import ALGORITHMS, key_hash
from tyk_endpoint_stats.tyk.session_token import claim_token, recorded_keys, session_token

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "session_tokens.json").read_text())["tokens"]
ORG = "64c1f0aa9b2e4d0001a7c3e5"


def made(known):
    make = claim_token if known["what"].startswith("JWT") else session_token
    return make(known["org_id"], known["as_sent"], known["hash_key_function"] or None)


def named(known):
    return f"{known['as_sent']} {known['hash_key_function']}"


@pytest.mark.parametrize("known", VECTORS, ids=named)
def test_tokens_and_hashes_are_the_gateways(known):
    assert made(known) == known["token_in_session"]
    assert key_hash(made(known)) == known["recorded_api_key"]


@pytest.mark.parametrize("known", VECTORS, ids=named)
def test_what_is_recorded_is_among_the_candidates_with_and_without_hashing(known):
    ids = {each.id: each for each in recorded_keys(known["org_id"], known["as_sent"])}
    assert ids[known["recorded_api_key"]].is_hash
    assert not ids[known["token_in_session"]].is_hash


def test_a_key_that_the_gateway_made_is_its_own_token():
    legacy = ORG + "e7f75f9e03534825b7aef9df749582e5"
    new = session_token(ORG, "34f3e66b7d1a4d5b9c9b2c2f8a1d0e7c", "murmur64")
    for key in (legacy, new):
        assert session_token(ORG, key, "sha256") == key
        assert next(iter(recorded_keys(ORG, key))).id == key_hash(key)
        assert not any("imported" in each.what for each in recorded_keys(ORG, key))
        # One of another organisation is what somebody imported.
        assert session_token("5e9d9544a1dcd60001d0ed20", key) == "5e9d9544a1dcd60001d0ed20" + key
    assert session_token(ORG, ORG) == ORG + ORG, "an id of an organisation alone is no token"
    assert session_token(ORG, "partner-acme-with-a-long-name") == ORG + "partner-acme-with-a-long-name"


def test_a_claim_is_never_taken_for_a_token():
    claim = ORG + "abc"
    assert claim_token(ORG, claim) == ORG + md5(claim.encode()).hexdigest()


@pytest.mark.parametrize("key", ["", "abc", "partner-acme", ORG])
def test_nobodys_traffic_is_never_a_candidate(key):
    """The hash of the empty token is that of all keyless traffic, and a short text has it too.

    The broken twin is ``key_hash`` alone, by which somebody with a short key is billed for all of it.
    """
    assert key_hash("abc") == "00000000"
    found = list(recorded_keys(ORG, key))
    assert not {"", "00000000"} & {each.id for each in found}
    assert len({each.id for each in found}) == len(found)


def test_what_a_candidate_is_says_the_function():
    found = {each.id: each.what for each in recorded_keys(ORG, "partner-acme")}
    assert found["f0a050cc"] == "imported key or basic-auth user, no hash_key_function"
    for function in ALGORITHMS:
        token = session_token(ORG, "partner-acme", function)
        assert found[key_hash(token)] == f"imported key or basic-auth user, hash_key_function {function}"
    assert found["a3446dd5"] == "key of the gateway's own"


def test_bytes_of_a_command_line_that_are_not_utf_8_stay_the_bytes_they_are():
    assert session_token(ORG, b"caf\xe9".decode("utf-8", "surrogateescape"), "sha256").endswith("=")
    assert claim_token(ORG, "\ud800")

"""The name under which Tyk records a key."""

import json
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.tyk.key_hash import ALGORITHMS, algorithm_of, hash_token, key_hash

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "key_hashes.json").read_text())


@pytest.mark.parametrize("known", VECTORS["functions"], ids=lambda each: f"{each['algorithm']} {each['token']}")
def test_the_functions_are_tyks(known):
    assert hash_token(known["token"], known["algorithm"]) == known["hash"]
    assert known["hash"] != known.get("standard_murmur3_32")


@pytest.mark.parametrize("known", VECTORS["tokens"], ids=lambda each: each["why"])
def test_the_token_says_which_algorithm(known):
    assert algorithm_of(known["token"]) == known["algorithm"]
    assert key_hash(known["token"]) == known["hash"]


def test_a_token_that_names_an_unknown_algorithm_is_hashed_as_a_legacy_one():
    for members in ({"h": "md5"}, {"h": 7}, {"h": None}, {"h": ["sha256"]}):
        token = b64encode(json.dumps({"org": "o", "id": "i"} | members).encode()).decode()
        assert token.startswith("ey")
        assert algorithm_of(token) == "murmur32"
    assert algorithm_of("ey" + "W1tb" * 20_000) == "murmur32"


@given(st.text() | st.text(alphabet="eyJ=ABCw09").map("ey".__add__))
def test_every_text_has_a_hash(token):
    lengths = dict(zip(ALGORITHMS, (8, 16, 32, 64), strict=True))
    for algorithm, length in lengths.items():
        found = hash_token(token, algorithm)
        assert len(found) == length
        assert set(found) <= set("0123456789abcdef")
    assert key_hash(token) == hash_token(token, algorithm_of(token))
    assert hash_token(token, "murmur128").startswith(hash_token(token, "murmur64"))


@pytest.mark.parametrize("length", range(1, 34))
def test_every_byte_counts_but_the_tail_of_murmur32(length):
    """Lengths around the blocks: a tail that is read wrong gives equal hashes."""
    token = "k" * length
    others = [token[:at] + "x" + token[at + 1 :] for at in range(length)]
    for algorithm in ("murmur64", "murmur128", "sha256"):
        assert len({hash_token(each, algorithm) for each in [token, *others]}) == length + 1
    assert len({hash_token(each, "murmur32") for each in [token, *others]}) == length // 4 * 4 + 1

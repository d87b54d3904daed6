import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.batch import Endpoint
from tyk_endpoint_stats.tyk.endpoint_key import decode_api_endpoint_key, decode_endpoint_key, encode_endpoint_key

STORES = json.loads((Path(__file__).parent.parent / "vectors" / "stores.json").read_bytes())


@pytest.mark.parametrize("known", STORES["endpoint_keys"], ids=lambda known: known["path"])
def test_the_keys_that_pump_writes_are_read_and_written(known):
    endpoint = Endpoint(known["api_id"], known["path"])
    assert decode_endpoint_key(known["endpoint_key"]) == endpoint
    assert encode_endpoint_key(endpoint) == known["endpoint_key"]


def test_the_rows_of_pumps_table_split_into_their_owners_and_endpoints():
    rows = [row for case in STORES["pump_store_outputs"] for row in case["sql"]]
    assert any("." in row["owner"] for row in rows)
    for row in rows:
        owner, _, key = row["dimension_value"].rpartition(".")
        assert (owner, decode_endpoint_key(key)) == (row["owner"], Endpoint(row["api_id"], row["path"]))


@given(st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"])), st.text(), st.text())
def test_any_endpoint_comes_back_beside_any_owner(api_id, path, owner):
    path = path.encode("utf-8", "replace").decode()
    endpoint = Endpoint(api_id, path)
    found, _, key = f"{owner}.{encode_endpoint_key(endpoint)}".rpartition(".")
    assert (found, decode_endpoint_key(key)) == (owner, endpoint)


def test_bytes_that_are_not_utf8_are_replaced_as_in_records():
    assert decode_endpoint_key("YTovY2Fm6Q") == Endpoint("a", "/caf\ufffd")


@pytest.mark.parametrize("key", ["YT", "Y", "YTov\n", "YTo-", "ü", "bm8gY29sb24", "a-key-as-it-was-sent"])
def test_what_is_no_key_is_an_error_that_does_not_show_it(key):
    with pytest.raises(ValueError, match=r"^~[0-9a-f]{8} is no endpoint key: ") as problem:
        decode_endpoint_key(key)
    assert key not in str(problem.value).partition(" is no endpoint key")[0]
    assert "as-it-was-sent" not in str(problem.value)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (b"a:Default:/get", Endpoint("a", "/get")),
        (b"a::/get", Endpoint("a", "/get")),
        (b"::", Endpoint("", "")),
        (b"a:v1:/x:/y:", Endpoint("a", "/x:/y:")),
        (b"a:v1:/caf\xe9", Endpoint("a", "/caf\ufffd")),
    ],
)
def test_keys_over_all_owners_have_the_version_between(text, endpoint):
    assert decode_api_endpoint_key(text.hex()) == endpoint


@pytest.mark.parametrize("key", ["6", "zz", "", b"a:/get".hex(), "a-key-as-it-was-sent"])
def test_what_is_no_key_over_all_owners_is_an_error_that_does_not_show_it(key):
    with pytest.raises(ValueError, match=r"^~[0-9a-f]{8} is no endpoint key: ") as problem:
        decode_api_endpoint_key(key)
    assert "as-it-was-sent" not in str(problem.value)

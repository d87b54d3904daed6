"""Paths without their ids: Tyk's rules, patterns of one's own, and what they come to in states."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats import Aggregator, Record, Rules
from tyk_endpoint_stats.core.limits import cut_path
from tyk_endpoint_stats.core.normalise import NORMALISATIONS, path_normaliser
from tyk_endpoint_stats.errors import InvalidRule

UUID = "9F1c2d3e-0a1b-4c5d-8e9f-0123456789ab"
ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
PATHS = st.lists(
    st.sampled_from(["/", "a", "user", UUID, UUID.replace("-", ""), ULID, ULID.lower(), "/7", "/2fa", "{id}", "é"])
).map("".join)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/user/{UUID}/x", "/user/{uuid}/x"),
        (f"/user/{UUID.replace('-', '')}", "/user/{uuid}"),
        (f"/u{UUID}{UUID}", "/u{uuid}{uuid}"),
        (f"/user/{ULID}", "/user/{ulid}"),
        (f"/user/{ULID.lower()}/1", "/user/{ulid}/{id}"),
        ("/user/81ARZ3NDEKTSV4RRFFQ69G5FAV", "/user/{id}ARZ3NDEKTSV4RRFFQ69G5FAV"),
        ("/user/01ARZ3NDEKTSV4RRFFQ69G5FAI", "/user/{id}ARZ3NDEKTSV4RRFFQ69G5FAI"),
        ("/2fa", "/{id}fa"),
        ("/v1/user/12/13", "/v1/user/{id}/{id}"),
        ("/user-12", "/user-12"),
        ("/\u0661\u0662", "/\u0661\u0662"),
        ("", ""),
    ],
)
def test_tyks_rules(path, expected):
    assert path_normaliser(NORMALISATIONS)(path) == expected


def test_only_the_rules_that_are_named_apply_in_tyks_order():
    assert path_normaliser({"number"})(f"/1/{UUID}") == "/{id}/{id}F1c2d3e-0a1b-4c5d-8e9f-0123456789ab"
    assert path_normaliser(["number", "uuid"])(f"/1/{UUID}") == "/{id}/{uuid}"


def test_own_patterns_go_last_in_their_order():
    normalised = path_normaliser({"number"}, [r"(?<=/user/)[^/]+", "x+"])
    assert normalised("/user/anna/xx/7") == "/user/{var}/{var}/{id}"
    assert normalised("/user/7") == "/user/{var}"


def test_without_rules_a_path_is_only_cut():
    assert path_normaliser() is cut_path


def test_a_path_over_the_cap_is_cut_and_not_searched():
    path = "/1" + "a" * 3000
    assert path_normaliser(NORMALISATIONS, ["a"])(path) == cut_path(path)


@pytest.mark.parametrize(
    "pattern", ["(", "[a", "a{2,1}", "(?P<n>a)(?P<n>b)", "*", "(" * 5000 + ")" * 5000, "a*", "", "x?|"]
)
def test_a_pattern_that_can_not_work_is_refused_with_its_cause(pattern):
    with pytest.raises(InvalidRule, match=r"no regular expression|matches the empty text") as problem:
        path_normaliser((), [pattern])
    assert repr(pattern) in str(problem.value)
    assert isinstance(problem.value, ValueError)


def test_a_name_that_is_not_known_is_refused():
    with pytest.raises(InvalidRule, match="guid: paths can be normalised by uuid, ulid, number"):
        Aggregator(Rules(normalise=frozenset({"guid", "uuid"})))


@given(PATHS)
def test_what_is_normalised_stays_as_it_is(path):
    normalised = path_normaliser(NORMALISATIONS)
    once = normalised(path)
    assert normalised(once) == once
    assert not re.search(UUID, once)


@given(st.lists(PATHS, max_size=30))
def test_states_are_those_of_records_that_came_with_the_normalised_path(paths):
    rules = Rules(normalise=frozenset(NORMALISATIONS), patterns=("user",))
    normalised = path_normaliser(rules.normalise, rules.patterns)

    def record(path, number):
        at = f"2026-10-13T{number % 24:02d}:00:00Z"
        return Record(path=path, api_key="k", timestamp=at, response_code=200 + number * 30, request_time=number)

    aggregator, plain = Aggregator(rules), Aggregator()
    aggregator.add([record(path, number) for number, path in enumerate(paths)])
    plain.add([record(normalised(path), number) for number, path in enumerate(paths)])
    assert aggregator.close() == plain.close()


def test_rules_travel_to_other_processes():
    rules = Rules(normalise=frozenset({"uuid"}), patterns=("a|b",))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(rules), type=Rules) == rules

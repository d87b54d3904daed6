"""A token bound to an organisation: every answer equals that of a store which holds nothing else."""

import itertools
import random

import pytest

from tyk_endpoint_stats.web.tokens import Token, Tokens

TOKENS = Tokens([Token("token-of-one", "one"), Token("token-of-two", "two"), Token("token-of-none", ""), "all"])
DAYS = "13/10/2020/14/10/2020"
TARGETS = [
    f"/api/activity/{route}/{consumer}/{DAYS}{query}"
    for route, consumer, query in itertools.product(
        ["keys/endpoint", "keys", "oauthid/endpoint", "oauthid"],
        ["same", "only-in-one"],
        ["", "?p=1", "?p=2", "?p=-1", "?api_id=a", "?api_id=", "?api_id=only-two&p=1", "?org_id="],
    )
]


OTHER_TARGETS = [
    *(f"/api/{route}/{DAYS}?res={res}" for route in ("usage", "activity/keys/same") for res in ("", "day", "hour")),
    *(f"/api/{route}/{DAYS}" for route in ("usage/apis", "usage/apis/a", "activity/keys")),
    f"/api/activity/keys/aggregate/same,only-in-one,/{DAYS}",
    *(
        f"/v1/{resource}?from=2020-10-13&to=2020-10-14"
        for resource in ("endpoints", "consumers", "apis", "pairs", "series", "totals")
    ),
    "/v1/series?by=api&from=2020-10-13&to=2020-10-14",
    "/v1/consumers?q=only&from=all&format=csv",
]


@pytest.fixture(scope="module")
def records(make_record):
    chosen = random.Random(9)
    found = [
        make_record(
            org_id=chosen.choice(["one", "two", ""]),
            api_key="same",
            oauth_id="same",
            api_id=chosen.choice(["a", "", "only-two"]),
            path=f"/{chosen.randrange(15)}",
            ms=chosen.randrange(1000),
        )
        for _ in range(200)
    ]
    return [r for r in found if r["org_id"] == "two" or r["api_id"] != "only-two"] + [
        make_record(org_id="one", api_key="only-in-one", oauth_id="only-in-one")
    ]


@pytest.mark.parametrize(
    ("token", "org_id"), [("token-of-one", "one"), ("token-of-two", "two"), ("token-of-none", "")]
)
def test_a_bound_token_sees_its_own_organisation_only(records, make_store, ask, token, org_id):
    everything = make_store(records)
    its_own = make_store([record for record in records if record["org_id"] == org_id])
    differ = 0
    for target in [*TARGETS, *OTHER_TARGETS]:
        bound = ask(everything, target, authorization=token, tokens=TOKENS)
        alone = ask(its_own, target, authorization="all", tokens=TOKENS)
        assert (bound.status, bound.body) == (alone.status, alone.body), target
        assert bound.status == 200
        differ += bound != ask(everything, target, authorization="all", tokens=TOKENS)
    assert differ > 10  # the broken twin, a token that is not bound, would be caught


def test_an_unbound_token_sees_one_row_an_endpoint_over_all_organisations(make_store, make_record, ask):
    store = make_store([make_record(org_id=org) for org in ("one", "two", "")])
    body = ask(store, f"/api/activity/keys/k/{DAYS}", authorization="all", tokens=TOKENS).body
    assert b'"hits":3,' in body
    assert body.count(b'"hits"') == 1

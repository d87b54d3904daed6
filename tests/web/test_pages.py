"""How much of an answer is given: pages, and the most that a server gives."""

import json

import pytest

from tests.web.envelopes import message, rows

K = "/api/activity/keys/endpoint"
DAYS = "13/10/2020/14/10/2020"


@pytest.fixture(scope="module")
def paged(make_store, make_record):
    """25 endpoints: ``/00`` has 1 hit, ``/24`` has 25."""
    return make_store([make_record(path=f"/{n:02d}") for n in range(25) for _ in range(n + 1)])


def test_without_p_all_rows_come_on_one_page(paged, ask):
    answer = json.loads(ask(paged, f"{K}/k/{DAYS}").body)
    assert (len(answer["data"]), answer["pages"]) == (25, 1)


@pytest.mark.parametrize(
    ("p", "paths", "pages"),
    [
        ("1", [f"/{n:02d}" for n in range(24, 14, -1)], 3),
        ("3", ["/04", "/03", "/02", "/01", "/00"], 3),
        ("4", [], 3),
        ("999999999999999999", [], 3),
        ("0", [f"/{n:02d}" for n in range(24, -1, -1)], 0),
        ("-1", [f"/{n:02d}" for n in range(24, -1, -1)], 0),
        ("%31", [f"/{n:02d}" for n in range(24, 14, -1)], 3),
        ("01", [f"/{n:02d}" for n in range(24, 14, -1)], 3),
    ],
)
def test_p_asks_for_a_page(paged, ask, p, paths, pages):
    answer = json.loads(ask(paged, f"{K}/k/{DAYS}?p={p}").body)
    assert [row["id"]["path"] for row in answer["data"]] == paths
    assert answer["pages"] == pages


def test_pages_of_nothing(store, ask):
    for p, pages in ((1, 1), (2, 1), (0, 0), (-5, 0)):
        assert json.loads(ask(store, f"{K}/nobody/{DAYS}?p={p}").body) == {"data": [], "pages": pages}


def test_page_size_is_a_setting(paged, ask):
    answer = json.loads(ask(paged, f"{K}/k/{DAYS}?p=2", page_size=24).body)
    assert (len(answer["data"]), answer["pages"]) == (1, 2)


@pytest.mark.parametrize("query", ["", "?p=-1", "?p=0", "?api_id=api-1"])
def test_an_answer_of_more_rows_than_the_server_gives_is_refused(paged, ask, query):
    assert message(ask(paged, f"{K}/k/{DAYS}{query}", max_rows=24), 400) == (
        "The answer has more than 24 rows, which is as much as this server gives: ask for fewer days, for one "
        "API by ?api_id=, or for a page at a time"
    )
    answer = ask(paged, f"{K}/k/{DAYS}{query}", max_rows=25)
    assert answer == ask(paged, f"{K}/k/{DAYS}{query}", max_rows=None)
    assert answer.status == 200


def test_a_page_is_given_however_many_rows_there_are_in_all(paged, ask):
    for page in (1, 2, 3, 4):
        query = f"{K}/k/{DAYS}?p={page}"
        assert ask(paged, query, max_rows=1) == ask(paged, query, max_rows=None)
    assert len(rows(ask(paged, f"{K}/k/{DAYS}?p=1", max_rows=1))) == 10


def test_rows_with_paths_of_extreme_length_are_refused_before_there_are_so_many(make_store, make_record, ask):
    store = make_store([make_record(path=f"/{number}/" + "é" * 1_000) for number in range(500)])
    assert message(ask(store, f"{K}/k/{DAYS}", max_rows=1_000), 400).startswith("The answer has more than 1 MB, ")
    assert len(rows(ask(store, f"{K}/k/{DAYS}?p=1", max_rows=1_000, page_size=250))) == 250
    assert len(rows(ask(store, f"{K}/k/{DAYS}", max_rows=2_000))) == 500


def test_fewer_rows_of_one_api_are_given(make_store, make_record, ask):
    store = make_store([make_record(api_id=api_id, path=f"/{n}") for n, api_id in enumerate("aaab")])
    assert ask(store, f"{K}/k/{DAYS}", max_rows=3).status == 400
    assert len(rows(ask(store, f"{K}/k/{DAYS}?api_id=a", max_rows=3))) == 3


@pytest.mark.parametrize(
    "query", ["p=", "p=x", "p=1.0", "p=+1", "p=%31x", "p=%ff", "p=%zz", "p=1&p=1", "p=1&p=", "p", "p=" + "1" * 19]
)
def test_p_that_is_no_number_or_comes_twice_is_refused(paged, ask, query):
    assert message(ask(paged, f"{K}/k/{DAYS}?{query}"), 400).startswith("p ")

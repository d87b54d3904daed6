"""Rows: lists, and what is made of them; members by every way the same."""

import csv
import io
import json
import sys
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats import Consumer, open_store
from tyk_endpoint_stats.core.batch import EVERYONE
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import AnswerTooLarge, InvalidQuestion
from tyk_endpoint_stats.questions.group_rows import EndpointRow
from tyk_endpoint_stats.questions.measures import DISTRIBUTED, MEASURES
from tyk_endpoint_stats.questions.rows import Rows
from tyk_endpoint_stats.testing import batch_of, hit, plain_hits, records
from tyk_endpoint_stats.testing.generators import FIRST_DAY
from tyk_endpoint_stats.testing.plain import plain_state

DAY = date(2020, 10, 13)


def store_of(*some):
    store = open_store("memory://")
    store.merge(batch_of(some))
    return store


@pytest.fixture
def store():
    return store_of(
        *[hit(path="/a", latency_ms=100)] * 3,
        hit(path="/a", code=503, latency_ms=5),
        hit(path="/b", code=404, latency_ms=33, second=80_000),
        hit(FIRST_DAY - 1, path="/b", latency_ms=10),
        hit(FIRST_DAY - 1, path="/old"),
    )


def test_members_are_flat_and_a_repr_is_one_line(store):
    first, second = store.endpoints(Consumer.key("k1"), DAY, DAY)
    assert (first.hits, first.success, first.error, first.error_rate) == (4, 3, 1, 0.25)
    assert (first.codes, first.c2xx, first.c3xx, first.c4xx, first.c5xx) == ({200: 3, 503: 1}, 3, 0, 0, 1)
    assert (first.min_latency, first.max_latency, first.latency) == (100, 100, 76.25)
    assert second.first_hit == second.last_hit == datetime(2020, 10, 13, 22, 13, 20, tzinfo=UTC)
    assert (second.p50, second.p95, second.p99) == (33, 33, 33)
    assert repr(second) == (
        "EndpointRow(api_id='api-1', path='/b', hits=1, success=0, error=1, p95=33, "
        "last_hit=2020-10-13 22:13:20+00:00)"
    )


@given(st.lists(records(), max_size=12), st.booleans())
def test_a_dict_has_what_the_members_have(some, distributions):
    for row in store_of(*some).endpoints(Consumer.key("k1"), distributions=distributions):
        plain = row.to_dict()
        assert list(plain) == ["api_id", "path", "api_name", *MEASURES]
        assert json.loads(json.dumps(plain)) == plain
        for name, value in plain.items():
            member = getattr(row, name)
            if isinstance(member, datetime):
                assert datetime.fromisoformat(value) == member
            elif name == "codes" and member is not None:
                assert {int(code): count for code, count in value.items()} == member
                assert list(member) == sorted(member)
            else:
                assert (type(value), value) == (type(member), member)
        if not distributions:
            assert {name for name, value in plain.items() if value is None} >= DISTRIBUTED


@given(st.lists(records(), max_size=15))
def test_the_total_is_the_merge_of_all_rows_also_beyond_a_limit(some):
    store = store_of(*some)
    for rows in (store.pairs(distributions=True), store.pairs(limit=2, distributions=True)):
        hits = [one for one in plain_hits(some) if one.kind != EVERYONE]
        assert rows.total == (plain_state(hits) if hits else EndpointStats())
        assert rows.total_rows == len({(one.kind, one.consumer_id, one.api_id, one.path) for one in hits})
        assert rows.total == rows.total, "and reading it changes nothing"
    assert len(rows) <= 2


def test_compared_rows_have_the_row_before_and_those_that_are_gone_come_with_none(store):
    rows = store.endpoints(first=DAY, last=DAY, compare="previous")
    assert [(row.path, row.hits, row.before and row.before.hits, row.gone) for row in rows] == [
        ("/a", 4, None, False),
        ("/b", 1, 1, False),
        ("/old", 0, 1, True),
    ]
    assert rows[2].last_hit is None
    assert rows[1].to_dict()["before"] == {
        "hits": 1,
        "success": 1,
        "error": 0,
        "c4xx": 0,
        "c5xx": 0,
        "latency": 10,
        "p50": 10,
        "p95": 10,
        "last_hit": "2020-10-12T07:52:20Z",
    }
    assert "before" not in rows[0].to_dict()
    again = store.endpoints(first=DAY, last=DAY, compare=(date(2020, 10, 12), date(2020, 10, 12)))
    assert again == rows
    with pytest.raises(InvalidQuestion):
        store.endpoints(first=DAY, last=DAY, compare="before")


def test_a_pandas_frame(store):
    import pandas

    frame = store.endpoints(first=DAY, last=DAY, compare="previous").to_pandas()
    assert list(frame["path"]) == ["/a", "/b", "/old"]
    assert frame["hits"].sum() == 5
    assert list(frame["codes"]) == ["200:3 503:1", "404:1", ""]
    assert frame["last_hit"].max() == pandas.Timestamp("2020-10-13 22:13:20Z")
    assert frame["before_hits"].sum() == 2
    assert list(store.endpoints(first=date(1999, 1, 1), last=date(1999, 1, 1)).to_pandas().columns) == [
        *("api_id", "path", "api_name"),
        *MEASURES,
    ]


def test_a_polars_frame_and_an_arrow_table(store):
    import polars
    import pyarrow

    rows = store.endpoints(first=DAY, last=DAY)
    frame = rows.to_polars()
    assert isinstance(frame, polars.DataFrame)
    assert frame["hits"].to_list() == [4, 1]
    table = rows.to_arrow()
    assert isinstance(table, pyarrow.Table)
    assert table.column("p95").to_pylist() == [row.p95 for row in rows]
    assert store.series(DAY, DAY, interval="1h").to_arrow().num_rows == 24


@pytest.mark.parametrize(("method", "library"), [("pandas", "pandas"), ("polars", "polars"), ("arrow", "pyarrow")])
def test_a_library_that_is_missing_is_named(store, monkeypatch, method, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"this needs {library}, which is not installed: pip install {library}"):
        getattr(store.endpoints(), f"to_{method}")()


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_csv_comes_back_and_no_text_is_a_formula(text):
    row = EndpointRow(api_id="a", path=text, api_name="=1+1", stats=EndpointStats(hits=3, codes={200: 3}))
    file = io.StringIO(newline="")
    Rows([row]).to_csv(file)
    (cells,) = csv.DictReader(io.StringIO(file.getvalue(), newline=""))
    assert cells["path"].removeprefix("'") == text.removeprefix("'")
    assert cells["path"][:1] not in ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
    assert (cells["api_name"], cells["hits"], cells["codes"]) == ("'=1+1", "3", "200:3")
    assert cells["p95"] == ""


def test_rows_come_in_any_order_and_as_many_as_are_wanted(store):
    rows = store.endpoints(sort="path", limit=2)
    assert ([row.path for row in rows], rows.total_rows, rows.has_more) == (["/a", "/b"], 3, True)
    assert [row.path for row in store.endpoints(sort="-path")] == ["/old", "/b", "/a"]
    assert [row.path for row in store.endpoints(sort="-p95")] == ["/a", "/b", "/old"]
    with pytest.raises(InvalidQuestion, match="did you mean hits"):
        store.endpoints(sort="hit")


def test_a_part_of_rows_is_rows(store):
    rows = store.endpoints(first=DAY, last=DAY, compare="previous")
    some = rows[:2]
    assert some == list(rows)[:2]
    assert some.columns == rows.columns
    assert (some.total.hits, some.total_rows, some[-1].path) == (5, 2, "/b")
    assert len(some.to_pandas()) == 2


def test_text_is_looked_for_in_ids_and_names_and_in_nothing_else(store):
    assert [row.path for row in store.endpoints(q="/B")] == ["/b"]
    assert len(store.endpoints(q="API-")) == 3
    assert store.consumers(q="key") == [], "what kind a consumer is, is no name of it"
    assert store.apis(q="3") == [], "nor is how many endpoints there are"
    assert [row.id for row in store.consumers(q="K1")] == ["k1"]


def test_more_rows_than_are_allowed_are_an_error_and_a_limit_is_none(store):
    with pytest.raises(AnswerTooLarge, match="more than 2 rows"):
        store.endpoints(max_rows=2)
    assert len(store.endpoints(max_rows=2, limit=2)) == 2
    assert len(store.endpoints(max_rows=2, q="/b")) == 1
    assert len(store.apis(max_rows=2)) == 1, "three endpoints are one API"
    with pytest.raises(AnswerTooLarge):
        store.series(DAY, DAY, interval="1h", max_rows=23)


def test_questions_that_have_no_rows_to_choose_from_say_so(store):
    from tyk_endpoint_stats.questions.filters import Filter
    from tyk_endpoint_stats.questions.period import Period
    from tyk_endpoint_stats.questions.totals import totals

    with pytest.raises(InvalidQuestion, match="q chooses among rows"):
        totals(store, Period.of(), Filter(q="x"))
    for status in ("5x", "xx", "5xxx", "-1", "５xx"):
        with pytest.raises(InvalidQuestion, match="status must be"):
            Filter(status=status)


def test_one_read_a_question():
    class Watched:
        def __init__(self, store):
            self.store, self.reads = store, 0

        def read(self, selection):
            self.reads += 1
            return self.store.read(selection)

    from tyk_endpoint_stats.questions.methods import Questions

    class Asked(Watched, Questions):
        pass

    one = Asked(store_of(hit()))
    for ask, reads in (
        (lambda: one.endpoints(first=DAY, last=DAY), 1),
        (lambda: one.consumers(DAY, DAY), 1),
        (lambda: one.apis(DAY, DAY), 1),
        (lambda: one.pairs(DAY, DAY), 1),
        (lambda: one.series(DAY, DAY, zone="Asia/Kolkata"), 1),
        (lambda: one.totals(DAY, DAY), 1),
        (lambda: one.meta(), 1),
        (lambda: one.series(), 2),
        (lambda: one.pairs(DAY, DAY, compare="previous"), 2),
    ):
        one.reads = 0
        assert ask() is not None
        assert one.reads == reads

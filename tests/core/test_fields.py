"""One table of fields: every loop that is unrolled for speed, every packed value and every column beside it."""

import random
import sqlite3
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core import entries as entries_module
from tyk_endpoint_stats.core.day_row import DayRow, merged_rows, plain_of, state_of_row
from tyk_endpoint_stats.core.fields import FIELDS, MAXIMA, MINIMA, NAMES, SUMS, Merge
from tyk_endpoint_stats.core.packed import StatePiece
from tyk_endpoint_stats.core.running_batch import NO_MINIMUM
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.sqlite import SQLiteStore
from tyk_endpoint_stats.testing import batch_of, hit, records

MERGED = {Merge.SUM: sum, Merge.MAX: max, Merge.MIN: min}


def by_the_table(states):
    """The merge of the plain members of some states, as the table says."""
    merged = {}
    for field in FIELDS:
        known = [value for state in states if (value := getattr(state, field.name)) is not None]
        merged[field.name] = MERGED[field.merge](known) if known else None
    return merged


def plain_members(state):
    return {name: getattr(state, name) for name in NAMES}


def test_the_table_is_in_order_and_complete():
    assert tuple(field.name for field in FIELDS) == NAMES
    assert len(set(NAMES)) == len(NAMES)
    assert sorted(SUMS + MAXIMA + MINIMA) == sorted(NAMES)
    assert all(field.meaning for field in FIELDS)


def test_members_of_states_rows_and_pieces_are_those_of_the_table():
    assert EndpointStats.__struct_fields__ == (*NAMES, "codes", "histogram")
    assert DayRow._fields == ("day", "consumer", "endpoint", *NAMES, "distribution", "quarter_hours")
    assert StatePiece.__struct_fields__ == ("quarter_hour", *NAMES, "cells", "codes", "histogram")


def test_columns_are_those_of_the_table(tmp_path):
    SQLiteStore(tmp_path / "s.db").close()
    with sqlite3.connect(tmp_path / "s.db") as connection:
        for table, first in (("days", []), ("totals", ["kind"])):
            columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
            names = [column[1] for column in columns]
            row = ["day", "consumer", "endpoint", *NAMES, "packed"]
            assert names == first + row
            may_lack = {name for _, name, kind, not_null, *_ in columns if kind == "INTEGER" and not not_null}
            assert may_lack == {field.name for field in FIELDS if field.optional}
    connection.close()


VALUES = st.none() | st.integers(-5, 5)


@st.composite
def states(draw):
    return EndpointStats(
        **{field.name: draw(st.integers(0, 9) if field.merge is Merge.SUM else VALUES) for field in FIELDS}
    )


def wrongly_merged(merge, one, other):
    """The fields that a merge got wrong."""
    expected = by_the_table([one, other])
    got = merge(one, other)
    return [name for name in NAMES if got[name] != expected[name]]


def merged_states(one, other):
    whole = one.copy()
    whole.merge(other)
    return plain_members(whole)


@given(states(), states())
def test_the_merge_of_states_is_the_tables(one, other):
    assert wrongly_merged(merged_states, one, other) == []


def all_states():
    """Each optional member missing or there on either side, greater or less."""
    for mine, theirs in product((None, 1, 2), repeat=2):
        yield tuple(
            EndpointStats(**{field.name: 3 if field.merge is Merge.SUM else value for field in FIELDS})
            for value in (mine, theirs)
        )


@pytest.mark.parametrize("name", NAMES)
def test_that_test_catches_each_member_that_is_left_out(name):
    """The broken twin forgets one member."""

    def forgetful(one, other):
        return merged_states(one, other) | {name: getattr(one, name)}

    assert any(name in wrongly_merged(forgetful, one, other) for one, other in all_states())


# --- the flush: entries are states as tuples


@given(st.lists(records(days=1).filter(lambda record: record.response_code != -1), min_size=1, max_size=12))
def test_the_merges_of_entries_and_of_rows_are_the_tables(some):
    """By columns, two by two, and row by row; of all kinds of hits."""
    rows = [batch_of([record]).totals[0] for record in some]
    expected = by_the_table([state_of_row(row) for row in rows])
    assert dict(zip(NAMES, plain_of(merged_rows(rows)), strict=True)) == expected
    entries = [entry_of(row) for row in rows]
    two_by_two = entries[0]
    for entry in entries[1:]:
        two_by_two = entries_module._merged_two(two_by_two, entry)
    by_columns = merged_by_columns(entries)
    for merged in (two_by_two, by_columns, entries_module.merged(entries)):
        assert dict(zip(NAMES, entries_module.plain_of(merged), strict=True)) == expected


def merged_by_columns(entries, monkeypatch=pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(entries_module, "_FEW", 0)
        return entries_module.merged(entries)


def entry_of(row):
    """An entry with the members of a row."""
    missing = {Merge.MAX: -1, Merge.MIN: NO_MINIMUM}
    plain = [
        missing[field.merge] if value is None else value for field, value in zip(FIELDS, plain_of(row), strict=True)
    ]
    return (row.first_hit_us // 900_000_000, *plain, [(200 << 11) + 1], {}, ())


def test_where_members_stand_in_an_entry():
    names = ("number", *NAMES, "cells", "counted", "piece")
    places = {
        "NUMBER": "number",
        "HITS": "hits",
        "_TIMED": "timed_hits",
        "_MAXIMUM": "max_latency_ms",
        "_NON_ERROR": "min_latency_non_error_ms",
        "_FIRST": "first_hit_us",
        "LAST": "last_hit_us",
        "CELLS": "cells",
        "_COUNTED": "counted",
        "_PIECE": "piece",
    }
    assert {name: names[getattr(entries_module, name)] for name in places} == places


def test_a_state_of_an_entry_has_the_pieces_members():
    random.seed(1)
    (row,) = batch_of([hit(second=s, latency_ms=random.randrange(99)) for s in range(9)]).rows
    state = StatePiece(*entries_module._state_piece(entry_of(row)))
    assert {name: getattr(state, name) for name in NAMES if not name.endswith("_us")} == {
        name: getattr(row, name) for name in NAMES if not name.endswith("_us")
    }
    assert state.last_hit_us - state.first_hit_us == row.last_hit_us - row.first_hit_us

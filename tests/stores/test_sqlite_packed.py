"""The table of packed values beside the rows."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from tyk_endpoint_stats import Consumer
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.packed import count_pieces
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.stores.rules import MAX_PIECES
from tyk_endpoint_stats.stores.sqlite import SQLiteStore
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS, ALL_QUARTER_HOURS
from tyk_endpoint_stats.testing.generators import FIRST_DAY


def test_packed_values_go_with_their_rows(tmp_path: Path) -> None:
    """Or a file would hold what was to be forgotten."""
    path = tmp_path / "s.db"

    def beside() -> int:
        """How many there are, after making sure that each is of one row."""
        with closing(sqlite3.connect(path)) as other:
            numbers = other.execute("SELECT number FROM packed ORDER BY number").fetchall()
            rows = "SELECT packed FROM days UNION ALL SELECT packed FROM totals ORDER BY packed"
            assert numbers == other.execute(rows).fetchall()
        return len(numbers)

    with SQLiteStore(path) as store:
        for _ in range(2):
            store.merge(batch_of([hit(day, api_key=key) for key in "kl" for day in (FIRST_DAY, FIRST_DAY + 1)]))
        assert beside() == 12
        store.forget(Consumer.key("l"))
        assert beside() == 8
        store.drop((FIRST_DAY + 1) * DAY_US)
        assert beside() == 4


def test_packed_values_of_many_merges_are_written_back_in_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with SQLiteStore(path) as store:
        seen = []
        for _ in range(MAX_PIECES + 2):
            store.merge(batch_of([hit()]))
            with store._reading() as connection:
                rows = connection.execute(
                    "SELECT pieces, distribution FROM packed JOIN days ON packed = number"
                ).fetchall()
            seen += [pieces for pieces, _ in rows]
            assert [count_pieces(packed) for _, packed in rows] == [pieces for pieces, _ in rows]
        assert seen == [*range(1, MAX_PIECES + 1), 1, 2]
        ((_, stats),) = store.read(Selection(ALL_DAYS, consumer_id="k1"))
        assert stats.codes == {200: MAX_PIECES + 2}


def test_an_answer_that_needs_lost_values_is_refused_and_no_other(tmp_path: Path) -> None:
    """A join that left the row out instead would count too little without a word."""
    path = tmp_path / "s.db"
    with SQLiteStore(path) as store:
        store.merge(batch_of([hit(), hit(FIRST_DAY + 1)]))
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DELETE FROM packed WHERE number = (SELECT min(packed) FROM days)")
        asked = Selection(ALL_DAYS, frozenset({Dimension.ENDPOINT}), consumer_id="k1", distributions=False)
        ((_, stats),) = store.read(asked)
        assert stats.hits == 2
        for needs in (replace(asked, distributions=True), replace(asked, spans=ALL_QUARTER_HOURS)):
            with pytest.raises(StoreError, match=r"a row is damaged: .*; run verify"):
                store.read(needs)

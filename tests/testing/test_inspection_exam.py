"""The exam of inspection catches stores that see too little of themselves, or too much."""

import sqlite3
import time
from contextlib import closing

import pytest
from msgspec.structs import replace

from tyk_endpoint_stats.stores.sqlite import SQLiteStore
from tyk_endpoint_stats.testing import Damage, InspectableConformance
from tyk_endpoint_stats.testing.exam import NewPlace


class LooksAtNothing(SQLiteStore):
    """Finds its pages, rows and references in order, whatever is in them."""

    def damage(self):
        return []


class GivesOutWhatFits(SQLiteStore):
    """Its rows are given out without what does not fit."""

    def day(self, number):
        batch = super().day(number)
        for rows in (batch.rows, batch.totals):
            rows[:] = [row for row in rows if row.first_hit_us <= row.last_hit_us]
        return batch


class GivesOutNoTotals(SQLiteStore):
    def day(self, number):
        return replace(super().day(number), totals=[])


class GivesOutNoDays(SQLiteStore):
    """Says that it has no day, so nobody looks at one."""

    def outline(self):
        return replace(super().outline(), days=[])


class PrunedItAll(SQLiteStore):
    """Says that all quarter hours were pruned, so that they are not compared."""

    def outline(self):
        return replace(super().outline(), pruned_before=10**17)


class LooksTwice(SQLiteStore):
    """Takes what was merged meanwhile for damage."""

    def damage(self):
        before = self.facts()
        time.sleep(0.02)
        return super().damage() or ([] if self.facts() == before else ["there are not as many rows as there were"])


class CountsHits(SQLiteStore):
    def facts(self):
        facts = super().facts()
        return replace(facts, total_rows=(facts.total_rows or 0) + 1)


class ForgetsPruning(SQLiteStore):
    def facts(self):
        return replace(super().facts(), pruned_before=None)


_ONE = "WHERE endpoint = 1 AND consumer = 2"
_OF_ONE = f"WHERE number = (SELECT packed FROM days {_ONE})"
STATEMENTS = {
    Damage.CHANGED_ROW: f"UPDATE days SET hits = hits + 1 {_ONE}",
    Damage.LOST_ROW: f"DELETE FROM days {_ONE}",
    Damage.IMPOSSIBLE_STATE: f"UPDATE days SET last_hit_us = first_hit_us - 1 {_ONE}",
    Damage.LOST_QUARTER_HOURS: f"UPDATE packed SET quarter_hours = x'' {_OF_ONE}",
    Damage.NO_KIND: "UPDATE consumers SET kind = 'lamp' WHERE number = 2",
}


@pytest.mark.parametrize(
    ("twin", "test", "arguments"),
    [
        (LooksAtNothing, "test_damage_is_named", (Damage.NO_KIND,)),
        (GivesOutWhatFits, "test_damage_is_named", (Damage.IMPOSSIBLE_STATE,)),
        (GivesOutNoDays, "test_damage_is_named", (Damage.CHANGED_ROW,)),
        (PrunedItAll, "test_damage_is_named", (Damage.LOST_QUARTER_HOURS,)),
        (GivesOutNoTotals, "test_damage_is_named", (Damage.LOST_ROW,)),
        (GivesOutNoTotals, "test_whatever_was_merged_is_sound", ()),
        (LooksTwice, "test_a_store_that_is_written_to_is_not_damaged", ()),
        (CountsHits, "test_facts_are_so", ()),
        (ForgetsPruning, "test_facts_are_so", ()),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_the_exam_catches(new_place: NewPlace, twin, test, arguments) -> None:
    class Exam(InspectableConformance):
        def open_store(self, place):
            return twin(place / "s.db")

        def plant(self, place, damage):
            with closing(sqlite3.connect(place / "s.db", isolation_level=None)) as connection:
                connection.execute(STATEMENTS[damage])

    with pytest.raises((AssertionError, ValueError)):
        getattr(Exam(), test)(new_place, *arguments)

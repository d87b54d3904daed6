"""The exam of inspection catches stores that see too little of themselves, or too much."""

import sqlite3
import time
from contextlib import closing

import pytest
from msgspec.structs import replace

from tyk_endpoint_stats.stores.contract import LookedThrough
from tyk_endpoint_stats.stores.sqlite import SQLiteStore
from tyk_endpoint_stats.testing import Damage, InspectableConformance
from tyk_endpoint_stats.testing.exam import NewPlace


class LooksAtNothing(SQLiteStore):
    """Finds its pages, rows and references in order, whatever is in them."""

    def damage(self):
        return []


class TrustsItsDays(SQLiteStore):
    """Says that it has looked through its days."""

    def look_through(self):
        looked = super().look_through()
        return LookedThrough(looked.days, looked.pruned, set())


class SuspectsAllDays(SQLiteStore):
    def look_through(self):
        looked = super().look_through()
        return LookedThrough(looked.days, looked.pruned, set(looked.days))


class LooksTwice(SQLiteStore):
    """Takes what was merged meanwhile for damage."""

    def damage(self):
        before = self.facts()
        time.sleep(0.02)
        return super().damage() or ([] if self.facts() == before else ["there are not as many rows as there were"])


class CountsHits(SQLiteStore):
    def facts(self):
        facts = super().facts()
        return replace(facts, quarter_states=facts.day_states * 2)


class ForgetsPruning(SQLiteStore):
    def facts(self):
        return replace(super().facts(), pruned_before=None)


STATEMENTS = {
    Damage.CHANGED_DAY: "UPDATE days SET hits = hits + 1",
    Damage.LOST_DAY: "DELETE FROM days WHERE consumer = 1",
    Damage.IMPOSSIBLE_STATE: "UPDATE days SET last_hit_us = first_hit_us - 1",
    Damage.NO_CODES: "UPDATE days SET codes = '[]'",
    Damage.NO_KIND: "UPDATE consumers SET kind = 'lamp' WHERE number = 1",
}


@pytest.mark.parametrize(
    ("twin", "test", "arguments"),
    [
        (TrustsItsDays, "test_damage_is_named", (Damage.NO_CODES,)),
        (LooksAtNothing, "test_damage_is_named", (Damage.NO_KIND,)),
        (TrustsItsDays, "test_damage_is_named", (Damage.CHANGED_DAY,)),
        (TrustsItsDays, "test_damage_is_named", (Damage.LOST_DAY,)),
        (TrustsItsDays, "test_damage_is_named", (Damage.IMPOSSIBLE_STATE,)),
        (SuspectsAllDays, "test_whatever_was_merged_is_sound", ()),
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

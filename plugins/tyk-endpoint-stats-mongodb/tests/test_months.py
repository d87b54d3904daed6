"""Where nothing is atomic but a document: months take in each batch once, whoever finishes it, and however late."""

from typing import Any

import pytest
from tyk_endpoint_stats_mongodb import months as months_module
from tyk_endpoint_stats_mongodb.layout import Documents
from tyk_endpoint_stats_mongodb.months import documents_of, known_months, merge_fenced
from tyk_endpoint_stats_mongodb.store import open_mongodb

from tyk_endpoint_stats.core.months import Grown, Month

pytestmark = pytest.mark.parametrize("server", ["standalone"], indirect=True)

LATE_US = 10**15
BROUGHT = documents_of({0: Month(0, {3: Grown(5, LATE_US)})})


def hits(months: Documents) -> int:
    return known_months(months)[0].grown[3].hits


def test_a_batch_that_is_finished_twice_is_taken_in_once(url: str) -> None:
    with open_mongodb(url) as store:
        months = store._layout.months
        for lane, seq, hits_then in (
            (2, 7, 5),
            (2, 7, 5),
            (2, 6, 5),
            (3, 1, 10),
            (2, 7, 10),
            (2, 8, 15),
            (3, 1, 15),
        ):
            merge_fenced(months, BROUGHT, lane, seq)
            assert hits(months) == hits_then, (lane, seq)


class Overtaken:
    """A collection in which another lane is faster, once, between the look and the write."""

    def __init__(self, months: Documents) -> None:
        self._months, self._left = months, 1

    def find_one(self, which: Any) -> Any:
        found = self._months.find_one(which)
        while self._left:
            self._left -= 1
            merge_fenced(self._months, BROUGHT, 5, 1)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._months, name)


@pytest.mark.parametrize("known", [True, False])
def test_lanes_that_meet_in_a_month_lose_nothing(url: str, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its broken twin writes over what it has not seen."""
    with open_mongodb(url) as store:
        months = store._layout.months

        def meet() -> int:
            months.delete_many({})
            if known:
                merge_fenced(months, BROUGHT, 1, 1)
            merge_fenced(Overtaken(months), BROUGHT, 2, 1)  # type: ignore[arg-type]
            return hits(months) - 5 * known

        assert meet() == 10
        fenced = months_module._is_merged
        monkeypatch.setattr(months_module, "_is_merged", lambda *arguments: fenced(*arguments) or True)
        assert meet() == 5

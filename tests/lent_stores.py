"""Exams of stores that lie on a server: in places that were emptied, as to make one takes longer than most tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tyk_endpoint_stats.testing.durability import DurabilityExam
from tyk_endpoint_stats.testing.exam import NewPlace, StoreExam

__all__ = ["LentStores"]


class LentStores(StoreExam):
    """An exam whose ``open_store`` asks ``name_of`` where the store is.

    Attributes:
        server: that lends the places.
        are_new: whether nothing was there ever.
    """

    server: Server
    are_new = False

    @pytest.fixture(autouse=True)
    def _names(self) -> Iterator[None]:
        self.names: dict[str, str] = {}
        yield
        self.server.give_back(*self.names.values())

    def name_of(self, place: Path) -> str:
        """The database or schema for a place of the exam."""
        if place.name not in self.names:
            self.names[place.name] = place.name if self.are_new else self.server.take()
        return self.names[place.name]

    def test_eight_that_open_a_new_store_at_once(self, new_place: NewPlace) -> None:
        """Where nothing was: tables, collections and indexes too are made by whoever comes first."""
        self.are_new = True
        DurabilityExam.test_eight_that_open_a_new_store_at_once(self, new_place)  # type: ignore[arg-type]

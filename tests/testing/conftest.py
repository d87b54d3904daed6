"""What the tests of the exams share: places for the twins, and no more examples than it takes to find them."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tyk_endpoint_stats.testing.exam import NewPlace, StoreExam


@pytest.fixture
def new_place(tmp_path: Path) -> NewPlace:
    """A new directory at every call."""
    numbers = count()

    def make() -> Path:
        place = tmp_path / str(next(numbers))
        place.mkdir()
        return place

    return make


@pytest.fixture(autouse=True)
def find_no_smallest_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks for a failure does not need the smallest one."""
    thorough: Callable[[StoreExam], settings] = StoreExam.settings.fget  # type: ignore[attr-defined]
    quick = property(
        lambda exam: settings(thorough(exam), phases=[Phase.generate], report_multiple_bugs=False),
    )
    monkeypatch.setattr(StoreExam, "settings", quick)

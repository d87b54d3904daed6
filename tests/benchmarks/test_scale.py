"""The arithmetic of ``benchmarks/scale.py``, on cases that can be done by hand."""

import re
from pathlib import Path

import pytest

from benchmarks.scale import Costs, day_of, main, rows_of, shards_needed

COSTS = Costs(us_per_record=100, bytes_per_row=200, cores=2, utilisation=0.5)
"""10,000 records a second."""


def test_even_traffic_takes_records_by_rate():
    assert COSTS.records_per_s == pytest.approx(10_000)
    assert shards_needed(10_000 * 86_400 * 3, COSTS, peak=1.0) == 3
    assert shards_needed(10_000 * 86_400 * 3 + 86_400, COSTS, peak=1.0) == 4


def test_a_peak_takes_more_or_waits():
    records = 10_000 * 86_400 * 3
    never = shards_needed(records, COSTS, peak=2.0)
    assert never == 6
    assert day_of(records, never, COSTS, 2.0).max_waiting == 0
    late = shards_needed(records, COSTS, peak=2.0, max_lag_s=6 * 3600)
    assert 3 < late < never
    day = day_of(records, late, COSTS, 2.0)
    assert 0 < day.max_lag_s <= 6 * 3600
    assert day.max_lag_s == pytest.approx(day.max_waiting / (late * 10_000))


def test_too_few_shards_never_get_done():
    assert day_of(10_000 * 86_400 * 3, 2, COSTS, 1.0).waiting > 0


def test_rows_are_pairs_or_records_whichever_is_less():
    assert rows_of(1e12, 1_000, 10) == pytest.approx(10_000)
    assert rows_of(100, 1e9, 1_000) == pytest.approx(100)
    assert rows_of(10_000, 1_000, 10) == pytest.approx(10_000 * 0.632, rel=0.001)


SAID = re.findall(
    r"^python -m benchmarks.scale ([^\n]*)\n```\n\n```text\n(.*?)```",
    Path(__file__).parents[2].joinpath("docs", "scale.md").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)


@pytest.mark.parametrize(("arguments", "printed"), SAID, ids=range(len(SAID)))
def test_it_prints_what_the_document_says(arguments, printed, capsys):
    main(arguments.split())
    assert capsys.readouterr().out == printed


def test_both_of_the_document_are_looked_at():
    assert len(SAID) == 2

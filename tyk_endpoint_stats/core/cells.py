"""A cell: a response code and a latency bin in one number, which is how a batch keeps both of a hit.

The distributions of some hits are their cells as long as they are few, and counts by code and by bin from then on;
most states see few hits, and a list of numbers costs a fraction of two dicts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from tyk_endpoint_stats.core.counts import add_counts

__all__ = ["BIN_BITS", "BIN_MASK", "MAX_CELLS", "Cells", "cells_of", "counts_in", "fold_cells"]

BIN_BITS = 11  # bin_of(10**12) is 1277
BIN_MASK = (1 << BIN_BITS) - 1

MAX_CELLS = 32
"""More are counted: a count takes as much as four cells."""

Cells: TypeAlias = Any
"""Of one hit its cell, of few hits a list of theirs, of many ``(codes, histogram)``: hits by response code and by
latency bin. (A type for that costs a check at each use.)"""


def cells_of(cells: list[int], counted: Mapping[int, int] | None = None) -> Cells:
    """What some hits come to.

    Args:
        cells: of some hits.
        counted: how many other hits have which cell.
    """
    if counted is None and len(cells) <= MAX_CELLS:
        return cells
    codes, histogram = _counts_of(cells)
    for cell, count in (counted or {}).items():
        code, latency_bin = cell >> BIN_BITS, cell & BIN_MASK
        codes[code] = codes.get(code, 0) + count
        histogram[latency_bin] = histogram.get(latency_bin, 0) + count
    return codes, histogram


def fold_cells(parts: Sequence[Cells]) -> Cells:
    """What several come to."""
    if len(parts) <= MAX_CELLS and all([type(part) is int for part in parts]):  # noqa: C419 - half as long
        return list(parts)
    cells: list[int] = []
    counted = []
    for part in parts:
        if type(part) is int:
            cells.append(part)
        elif type(part[0]) is int:
            cells += part
        else:
            counted.append(part)
    if not counted:
        return cells_of(cells)
    codes, histogram = _counts_of(cells)
    for its_codes, its_histogram in counted:
        add_counts(codes, its_codes)
        add_counts(histogram, its_histogram)
    return codes, histogram


def counts_in(cells: Cells) -> tuple[dict[int, int], dict[int, int]]:
    """Hits by code and by latency bin."""
    if type(cells) is int:
        return {cells >> BIN_BITS: 1}, {cells & BIN_MASK: 1}
    return _counts_of(cells) if type(cells[0]) is int else cells


def _counts_of(cells: Iterable[int]) -> tuple[dict[int, int], dict[int, int]]:
    codes: dict[int, int] = {}
    histogram: dict[int, int] = {}
    # A loop of its own: as pairs with a count of 1, to share that of counted cells, two took 1.7 times as long.
    for cell in cells:
        code, latency_bin = cell >> BIN_BITS, cell & BIN_MASK
        codes[code] = codes.get(code, 0) + 1
        histogram[latency_bin] = histogram.get(latency_bin, 0) + 1
    return codes, histogram

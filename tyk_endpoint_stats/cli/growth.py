"""Months that grew, in words: at the end of an ingest those that it made grow, in ``status`` all."""

from collections.abc import Iterator, Sequence

from tyk_endpoint_stats.questions.growth import GrownMonth

__all__ = ["growth_texts"]

_NAMED = 5
"""Months, and days of each."""


def growth_texts(grown: Sequence[GrownMonth]) -> Iterator[str]:
    """A text for each of the latest months, and one for those before them."""
    for month in grown[:_NAMED]:
        days = [f"{one.day} by {one.hits:,}" for one in month.days[-_NAMED:]]
        if len(month.days) > _NAMED:
            days.insert(0, f"{len(month.days) - _NAMED:,} earlier days")
        yield f"{month.month:%Y-%m} by {month.hits:,} hits, last on {month.last:%Y-%m-%d}: {', '.join(days)}"
    if rest := grown[_NAMED:]:
        months = f"{rest[-1].month:%Y-%m} to {rest[0].month:%Y-%m}"
        yield f"{len(rest):,} earlier months, {months}, by {sum(month.hits for month in rest):,} hits"

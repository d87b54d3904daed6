"""All that was asked for as one number each."""

from tyk_endpoint_stats.core.selection import Readable
from tyk_endpoint_stats.core.stats import EndpointStats, merged
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.measures import Measures
from tyk_endpoint_stats.questions.period import Period

__all__ = ["TotalRow", "totals"]


class TotalRow(Measures, frozen=True, kw_only=True):
    """One row for everything."""


def totals(
    store: Readable,
    period: Period,
    where: Filter = Filter(),  # noqa: B008 - frozen
    *,
    before: Period | None = None,
    distributions: bool = True,
) -> TotalRow:
    """The sums over a period: without a consumer and a kind every hit counts once.

    Args:
        store: what is asked.
        period: when.
        where: which hits.
        before: a period to compare with.
        distributions: whether status codes and percentiles are wanted.

    Raises:
        InvalidQuestion: ``where`` chooses rows.
        QuarterHoursPruned: an edge of a period needs quarter hours that were pruned.
        EdgeInsideBucket: an edge lies inside of what the store holds as one number.
        StoreError: the store can't answer.
    """
    where.refuse_choosing_rows("a total")
    earlier = None
    if before is not None:
        earlier = TotalRow(stats=_total(store, before, where, distributions), zone=before.zone)
    return TotalRow(stats=_total(store, period, where, distributions), zone=period.zone, before=earlier)


def _total(store: Readable, period: Period, where: Filter, distributions: bool) -> EndpointStats:
    selection = where.selection(period.spans, (), distributions)
    return merged([stats for _, stats in store.read(selection)] if selection else [])

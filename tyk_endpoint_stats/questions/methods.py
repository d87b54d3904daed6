"""The questions as methods: what every store that can be read has."""

from datetime import UTC, date, tzinfo
from typing import Literal, TypeAlias, TypeVar

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.core.selection import Readable
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.questions import series as series_question
from tyk_endpoint_stats.questions import totals as totals_question
from tyk_endpoint_stats.questions.answer import answer
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.group_rows import ApiRow, ConsumerRow, EndpointRow, GroupRow, PairRow
from tyk_endpoint_stats.questions.meta import Meta, meta
from tyk_endpoint_stats.questions.order import DEFAULT_ORDER
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.pieces import Interval
from tyk_endpoint_stats.questions.rows import Rows
from tyk_endpoint_stats.questions.series import SeriesRow
from tyk_endpoint_stats.questions.totals import TotalRow

__all__ = ["Compare", "Questions"]

Compare: TypeAlias = Literal["previous", "year"] | tuple[date, date] | Period | None
"""What to compare with: the period before, the same a year earlier, two days or instants, a period, or nothing."""


Row = TypeVar("Row", bound=GroupRow)


class Questions:
    """Questions over anything that has a store's ``read``.

    ``first`` and ``last`` are days, both inclusive, midnight to midnight in ``zone``; or instants (a ``datetime``),
    ``last`` exclusive, taken outward to the quarter hour. ``None`` is since ever, and without an end.

    Common arguments:
        zone: an IANA name or a ``tzinfo``: whose days, and in which times are.
        org_id: only that organisation; ``None``: all of them.
        consumer, kind, api_id, path: only hits of these.
        q: only rows with this text in an id, an alias, a path or an API's name, in upper or lower case.
        status: only rows with a hit of this code (``"429"``) or class (``"5xx"``).
        compare: a period whose row each row has in ``before``.
        sort: a member's name, ``-`` before it for the largest first.
        limit: so many rows at most.
        distributions: whether status codes and percentiles are wanted: without them it is several times faster.
        max_rows: more of them are an error, before they are all in memory.

    All of them raise ``InvalidQuestion`` where something can't be asked for, ``QuarterHoursPruned`` and
    ``EdgeInsideBucket`` where an edge can't be answered exactly, ``AnswerTooLarge`` beyond ``max_rows`` and
    ``StoreError`` where the store can't answer.
    """

    def endpoints(
        self: Readable,
        consumer: Consumer | None = None,
        first: date | None = None,
        last: date | None = None,
        *,
        zone: str | tzinfo = UTC,
        org_id: str | None = None,
        api_id: str | None = None,
        path: str | None = None,
        kind: Kind | None = None,
        q: str | None = None,
        status: str | None = None,
        compare: Compare = None,
        sort: str = DEFAULT_ORDER,
        limit: int | None = None,
        distributions: bool = True,
        max_rows: int | None = None,
    ) -> Rows[EndpointRow]:
        """Which endpoints a consumer called, or anybody (``None``): busiest first."""
        where = Filter(org_id=org_id, consumer=consumer, kind=kind, api_id=api_id, path=path, q=q, status=status)
        period = Period.of(first, last, zone)
        return _rows(self, EndpointRow, period, where, compare, sort, limit, distributions, max_rows)

    def consumers(
        self: Readable,
        first: date | None = None,
        last: date | None = None,
        *,
        zone: str | tzinfo = UTC,
        org_id: str | None = None,
        kind: Kind | None = None,
        api_id: str | None = None,
        path: str | None = None,
        q: str | None = None,
        status: str | None = None,
        compare: Compare = None,
        sort: str = DEFAULT_ORDER,
        limit: int | None = None,
        distributions: bool = False,
        max_rows: int | None = None,
    ) -> Rows[ConsumerRow]:
        """Who called: anything, one API (``api_id``), one endpoint (``api_id`` and ``path``); busiest first."""
        where = Filter(org_id=org_id, kind=kind, api_id=api_id, path=path, q=q, status=status)
        period = Period.of(first, last, zone)
        return _rows(self, ConsumerRow, period, where, compare, sort, limit, distributions, max_rows)

    def apis(
        self: Readable,
        first: date | None = None,
        last: date | None = None,
        *,
        zone: str | tzinfo = UTC,
        org_id: str | None = None,
        consumer: Consumer | None = None,
        kind: Kind | None = None,
        api_id: str | None = None,
        q: str | None = None,
        status: str | None = None,
        compare: Compare = None,
        sort: str = DEFAULT_ORDER,
        limit: int | None = None,
        distributions: bool = False,
        max_rows: int | None = None,
    ) -> Rows[ApiRow]:
        """Which APIs were called, busiest first."""
        where = Filter(org_id=org_id, consumer=consumer, kind=kind, api_id=api_id, q=q, status=status)
        period = Period.of(first, last, zone)
        return _rows(self, ApiRow, period, where, compare, sort, limit, distributions, max_rows)

    def pairs(
        self: Readable,
        first: date | None = None,
        last: date | None = None,
        *,
        zone: str | tzinfo = UTC,
        org_id: str | None = None,
        consumer: Consumer | None = None,
        kind: Kind | None = None,
        api_id: str | None = None,
        path: str | None = None,
        q: str | None = None,
        status: str | None = None,
        compare: Compare = None,
        sort: str = DEFAULT_ORDER,
        limit: int | None = None,
        distributions: bool = False,
        max_rows: int | None = None,
    ) -> Rows[PairRow]:
        """Who called what: a row for each consumer and endpoint, busiest first."""
        where = Filter(org_id=org_id, consumer=consumer, kind=kind, api_id=api_id, path=path, q=q, status=status)
        period = Period.of(first, last, zone)
        return _rows(self, PairRow, period, where, compare, sort, limit, distributions, max_rows)

    def series(
        self: Readable,
        first: date | None = None,
        last: date | None = None,
        *,
        interval: Interval | str = Interval.DAY,
        zone: str | tzinfo = UTC,
        org_id: str | None = None,
        consumer: Consumer | None = None,
        kind: Kind | None = None,
        api_id: str | None = None,
        path: str | None = None,
        compare: Compare = None,
        distributions: bool = True,
        max_rows: int | None = None,
    ) -> Rows[SeriesRow]:
        """Hits over time: a row for each ``15m``, ``1h``, ``1d``, ``1w`` or ``1mo``, hits or none."""
        period = Period.of(first, last, zone)
        return series_question.series(
            self,
            period,
            Interval.parse(interval),
            Filter(org_id=org_id, consumer=consumer, kind=kind, api_id=api_id, path=path),
            before=_before(period, compare),
            distributions=distributions,
            max_rows=max_rows,
        )

    def totals(
        self: Readable,
        first: date | None = None,
        last: date | None = None,
        *,
        zone: str | tzinfo = UTC,
        org_id: str | None = None,
        consumer: Consumer | None = None,
        kind: Kind | None = None,
        api_id: str | None = None,
        path: str | None = None,
        compare: Compare = None,
        distributions: bool = True,
    ) -> TotalRow:
        """The sums: without a consumer and a kind every hit counts once."""
        period = Period.of(first, last, zone)
        return totals_question.totals(
            self,
            period,
            Filter(org_id=org_id, consumer=consumer, kind=kind, api_id=api_id, path=path),
            before=_before(period, compare),
            distributions=distributions,
        )

    def meta(self: Readable, *, zone: str | tzinfo = UTC, org_id: str | None = None) -> Meta:
        """What can be asked for: from when to when, how finely, of which organisations; which months grew."""
        return meta(self, zone=zone, org_id=org_id)


def _rows(
    store: Readable,
    row_type: type[Row],
    period: Period,
    where: Filter,
    compare: Compare,
    sort: str,
    limit: int | None,
    distributions: bool,
    max_rows: int | None,
) -> Rows[Row]:
    return answer(
        store,
        row_type,
        period,
        where,
        before=_before(period, compare),
        sort=sort,
        limit=limit,
        distributions=distributions,
        max_rows=max_rows,
    )


def _before(period: Period, compare: Compare) -> Period | None:
    if compare is None or isinstance(compare, Period):
        return compare
    if compare == "previous":
        return period.previous()
    if compare == "year":
        return period.year_before()
    if isinstance(compare, str):
        raise InvalidQuestion(f"compare with previous, year or two days, not {compare!r}")
    first, last = compare
    return Period.of(first, last, period.zone)

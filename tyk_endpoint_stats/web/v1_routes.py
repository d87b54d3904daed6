"""``/v1``: a resource is what a row is, the query is the filter. One function of the questions for each."""

from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any
from urllib.parse import urlencode

from tyk_endpoint_stats.core.selection import Readable
from tyk_endpoint_stats.errors import AnswerTooLarge, InvalidQuestion
from tyk_endpoint_stats.questions.answer import answer
from tyk_endpoint_stats.questions.csv_text import write_csv
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.group_rows import ApiRow, ConsumerRow, EndpointRow, GroupRow, PairRow
from tyk_endpoint_stats.questions.measures import BEFORE_MEMBERS, MEASURES, Measures
from tyk_endpoint_stats.questions.meta import meta
from tyk_endpoint_stats.questions.order import Order
from tyk_endpoint_stats.questions.period import EVER, Period
from tyk_endpoint_stats.questions.rows import Rows, flat
from tyk_endpoint_stats.questions.series import GroupedSeriesRow, SeriesRow, series, series_by
from tyk_endpoint_stats.questions.times import rfc3339
from tyk_endpoint_stats.questions.totals import TotalRow, totals
from tyk_endpoint_stats.web.messages import Headers, Response
from tyk_endpoint_stats.web.problems import problem_response
from tyk_endpoint_stats.web.representations import (
    FORMATS,
    accepts_gzip,
    entity_tag,
    is_current,
    not_modified,
    package_version,
    represented,
)
from tyk_endpoint_stats.web.route import Call, Parameter, Route
from tyk_endpoint_stats.web.targets import BadTarget, query_pairs
from tyk_endpoint_stats.web.tyk_json import ascii_json
from tyk_endpoint_stats.web.v1_document import meta_operation, v1_operation
from tyk_endpoint_stats.web.v1_parameters import (
    META_PARAMETERS,
    row_parameters,
    series_parameters,
    total_parameters,
)
from tyk_endpoint_stats.web.v1_query import V1Query, cursor_of, read_v1_query, read_values, read_zone

__all__ = ["V1_ROUTES"]

Ask = Callable[[Readable, V1Query, int | None], Rows[Any]]


def _rows_of(row_type: type[GroupRow]) -> Ask:
    def ask(store: Readable, query: V1Query, max_rows: int | None) -> Rows[Any]:
        return answer(
            store,
            row_type,
            query.period,
            query.where,
            before=query.before,
            sort=query.sort,
            limit=query.limit,
            after=query.after,
            distributions=query.distributions,
            max_rows=max_rows,
        )

    return ask


def _series(store: Readable, query: V1Query, max_rows: int | None) -> Rows[Any]:
    if query.by is not None:
        return series_by(
            store,
            query.period,
            query.by,
            query.interval,
            query.where,
            top=query.top,
            distributions=query.distributions,
            max_rows=max_rows,
        )
    return series(
        store,
        query.period,
        query.interval,
        query.where,
        before=query.before,
        distributions=query.distributions,
        max_rows=max_rows,
    )


def _totals(store: Readable, query: V1Query, max_rows: int | None) -> Rows[Any]:
    row = totals(store, query.period, query.where, before=query.before, distributions=query.distributions)
    return Rows([row], TotalRow, compared=query.before is not None)


def _answer_of(name: str, row_type: type[Measures], ask: Ask) -> Callable[[Call], Response]:
    """What answers a resource."""

    def respond(call: Call) -> Response:
        query = read_v1_query(call, row_type)
        tag = _tag(call, query.format, query.period, query.before)
        if tag is not None and is_current(call.request, tag):
            return not_modified(tag)
        try:
            rows = ask(call.store, query, call.settings.max_rows)
        except InvalidQuestion as problem:
            if query.after is None:
                raise
            raise BadTarget(f"cursor: {problem}", "cursor") from None
        extra: Headers = ()
        if query.format == "json":
            following = _next(call, query, rows)
            body = _json(call, query, rows, following)
            if following is not None:
                extra = (("Link", f'<{following}>; rel="next"'),)
        else:
            body = _lines(query, rows)
        max_bytes = call.settings.max_bytes
        if max_bytes is not None and len(body) > max_bytes:
            raise AnswerTooLarge(f"{max_bytes // 10**6:,} MB")
        if query.format == "csv":
            period = query.period
            file = f"{name}-{period.first_day}-{period.last_day}.csv"
            extra = (("Content-Disposition", f'attachment; filename="{file}"'),)
        return represented(call.request, FORMATS[query.format], body, tag, extra)

    return respond


def _meta(call: Call) -> Response:
    zone = read_zone(read_values(call), call.settings)
    tag = _tag(call, "json", Period(0, 0, zone))
    if tag is not None and is_current(call.request, tag):
        return not_modified(tag)
    found = meta(call.store, zone=zone, org_id=call.org_id).to_dict()
    body = ascii_json({"data": {**found, "version": package_version()}})
    return represented(call.request, FORMATS["json"], body, tag)


def _tag(call: Call, form: str, *periods: Period | None) -> str | None:
    """Of a period that moves with the clock the tag moves, too."""
    when = [period and (period.start, period.end, str(period.zone)) for period in periods]
    gzip = accepts_gzip(call.request)
    return entity_tag(call.store, call.org_id, call.request.target, form, gzip, when)


def _json(call: Call, query: V1Query, rows: Rows[Any], following: str | None) -> bytes:
    measures = tuple(name for name in MEASURES if query.fields is None or name in query.fields)
    total = TotalRow(stats=rows.total, zone=query.period.zone).to_dict(measures)
    return ascii_json(
        {
            "data": [row.to_dict(query.fields) for row in rows],
            "total": {"rows": rows.total_rows, **total},
            "next": following,
            "asked": {
                **_edges(query.period),
                "zone": str(query.period.zone),
                "before": None if query.before is None else _edges(query.before),
            },
            "counted_to": _counted_to(call, query.period),
        }
    )


def _lines(query: V1Query, rows: Rows[Any]) -> bytes:
    """All rows, a line each, without an envelope."""
    if query.format == "ndjson":
        return b"".join(ascii_json(row.to_dict(query.fields)) + b"\n" for row in rows)
    columns: Sequence[str] = rows.columns
    if query.fields is not None:
        columns = [*query.fields, *(f"before_{name}" for name in BEFORE_MEMBERS if rows.compared)]
    text = StringIO()
    write_csv(text, columns, ([flat(row, column) for column in columns] for row in rows))
    return text.getvalue().encode("utf-8", "replace")


def _next(call: Call, query: V1Query, rows: Rows[Any]) -> str | None:
    """The target of the rows behind these, relative so that it holds below any prefix; ``None``: there are none."""
    if not rows.has_more:
        return None
    last = Order.parse(query.sort, type(rows[-1])).position(rows[-1])
    kept = [(name, value) for name, value in query_pairs(call.query) if name != "cursor"]
    return "?" + urlencode([*kept, ("cursor", cursor_of(query.sort, last))])


def _edges(period: Period) -> dict[str, str]:
    return {"from": rfc3339(period.local(period.start)), "to": rfc3339(period.local(period.end))}


def _counted_to(call: Call, period: Period) -> str | None:
    ever = Period(*EVER, period.zone)
    last_hit = totals(call.store, ever, Filter(org_id=call.org_id), distributions=False).last_hit
    return None if last_hit is None else rfc3339(last_hit)


def _route(name: str, summary: str, row_type: type[Measures], ask: Ask, parameters: tuple[Parameter, ...]) -> Route:
    return Route(
        path=f"/v1/{name}",
        answer=_answer_of(name, row_type, ask),
        operation=v1_operation(name, summary),
        parameters=parameters,
        error=problem_response,
    )


def _resource(name: str, summary: str, row_type: type[GroupRow]) -> Route:
    return _route(name, summary, row_type, _rows_of(row_type), row_parameters(row_type))


V1_ROUTES: tuple[Route, ...] = (
    _resource("endpoints", "Which endpoints were called: by one consumer, or by anybody.", EndpointRow),
    _resource("consumers", "Who called: anything, one API, or one endpoint.", ConsumerRow),
    _resource("apis", "Which APIs were called.", ApiRow),
    _resource("pairs", "Who called what: every consumer with every endpoint.", PairRow),
    _route(
        "series",
        "Hits over time, a row for each piece of time, also for those without a hit.",
        GroupedSeriesRow,
        _series,
        series_parameters(SeriesRow),
    ),
    _route("totals", "All that was asked for in one row.", TotalRow, _totals, total_parameters(TotalRow)),
    Route(
        path="/v1/meta",
        answer=_meta,
        operation=meta_operation(),
        parameters=META_PARAMETERS,
        error=problem_response,
    ),
)

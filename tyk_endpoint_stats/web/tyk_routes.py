"""The routes of Tyk's Dashboard: its two on endpoints, and their siblings that its clients call."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import TypeVar

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import AnswerTooLarge
from tyk_endpoint_stats.questions.answer import answer
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.grid import grid
from tyk_endpoint_stats.questions.group_rows import ApiRow, ConsumerRow, EndpointRow, GroupRow
from tyk_endpoint_stats.questions.measures import Measures
from tyk_endpoint_stats.questions.order import Order, page_of
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.pieces import Pieces
from tyk_endpoint_stats.questions.series import SeriesRow
from tyk_endpoint_stats.questions.totals import totals
from tyk_endpoint_stats.web import tyk_json
from tyk_endpoint_stats.web.messages import Response, json_response
from tyk_endpoint_stats.web.route import Call, Parameter, Route
from tyk_endpoint_stats.web.targets import DATE_PARTS, day_range
from tyk_endpoint_stats.web.tyk_document import PATH_PARAMETERS, tyk_operation
from tyk_endpoint_stats.web.tyk_query import API_ID, BY, PAGE, RES, SORT, TykQuery, read_tyk_query

__all__ = ["TYK_ROUTES"]

Row = TypeVar("Row", bound=Measures)
Item = TypeVar("Item")
Grouped = TypeVar("Grouped", bound=GroupRow)

_DAYS = "/".join(f"{{{part}}}" for part in DATE_PARTS)
_EMPTY = frozenset({""})
_NO_KEYS = frozenset({"", "endpoint", "aggregate"})
"""What stands in the place of a key where it was forgotten: the answer would be an empty one, and no error."""


def _activity_of(
    make: Callable[[str], Consumer], name: str, unit: Callable[[EndpointRow], tyk_json.Unit]
) -> Callable[[Call], Response]:
    """The endpoints of a consumer; with ``res``, where the route has it, a series."""

    def respond(call: Call) -> Response:
        query, period = _asked(call)
        where = Filter(org_id=call.org_id, consumer=make(call.segments[name]), api_id=query.api_id)
        if query.interval is not None:
            return _series(call, query, period, [where])
        return _page(call, query, _rows(call, query, period, EndpointRow, where), unit)

    return respond


def _keys(call: Call) -> Response:
    query, period = _asked(call)
    where = Filter(org_id=call.org_id, kind=Kind.KEY, api_id=query.api_id)
    return _page(call, query, _rows(call, query, period, ConsumerRow, where), tyk_json.key_unit)


def _aggregate(call: Call) -> Response:
    """Several keys' hits together. A hit has one key, so none counts twice.

    A read for each of them: a store is asked for one consumer, by a seek, or for all, who may be a hundred thousand.
    """
    query, period = _asked(call)
    keys = dict.fromkeys(key for key in call.segments["keyHashes"].split(",") if key)
    wheres = [Filter(org_id=call.org_id, consumer=Consumer.key(key), api_id=query.api_id) for key in keys]
    if query.interval is not None:
        return _series(call, query, period, wheres)
    merged: dict[tuple[str, str], EndpointRow] = {}
    for where in wheres:
        for row in _rows(call, query, period, EndpointRow, where):
            known = merged.setdefault((row.api_id, row.path), row)
            if known is not row:
                known.stats.merge(row.stats)
    rows = Order.parse(query.order, EndpointRow).arranged(list(merged.values()))
    return _page(call, query, rows, tyk_json.named_endpoint_unit)


def _usage(call: Call) -> Response:
    """Every hit of the organisation once, also those without a key."""
    query, period = _asked(call)
    where = Filter(org_id=call.org_id, api_id=query.api_id)
    if query.interval is not None:
        return _series(call, query, period, [where])
    row = totals(call.store, period, where, distributions=False)
    return _page(call, query, [row] if row.hits else [], tyk_json.total_unit)


def _usage_of_apis(call: Call) -> Response:
    query, period = _asked(call)
    where = Filter(org_id=call.org_id, api_id=query.api_id)
    return _page(call, query, _rows(call, query, period, ApiRow, where), tyk_json.api_unit)


def _usage_of_api(call: Call) -> Response:
    query, period = _asked(call)
    where = Filter(org_id=call.org_id, api_id=call.segments["apiID"])
    return _page(call, query, _rows(call, query, period, EndpointRow, where), tyk_json.named_endpoint_unit)


def _asked(call: Call) -> tuple[TykQuery, Period]:
    first, last = day_range([call.segments[part] for part in DATE_PARTS])
    query = read_tyk_query(call.query, call.route.parameters)
    if call.settings.end_date_exclusive:
        # No day comes before 0001-01-01, and a range that ends with it excluded is empty anyway.
        first, last = (first, last - timedelta(days=1)) if last > date.min else (date.max, date.min)
    return query, Period.of(first, last, call.settings.zone)


def _max_rows(call: Call, query: TykQuery) -> int | None:
    """A page is answered however many rows there are in all: the bound is for what is sent."""
    return None if query.page is not None and query.page > 0 else call.settings.max_rows


def _rows(call: Call, query: TykQuery, period: Period, row_type: type[Grouped], where: Filter) -> Sequence[Grouped]:
    bound = _max_rows(call, query)
    return answer(call.store, row_type, period, where, sort=query.order, distributions=False, max_rows=bound)


def _series(call: Call, query: TykQuery, period: Period, wheres: Sequence[Filter]) -> Response:
    """One row a piece of the range, in order, also for those without a hit."""
    assert query.interval is not None
    pieces = Pieces(period, query.interval)
    page, pages = _page_of(call, query, pieces)
    page = page[:]
    states = [EndpointStats() for _ in page]
    for where in wheres:
        for state, found in zip(states, grid(call.store, page, where, distributions=False).by_piece(), strict=True):
            state.merge(found)
    rows = [
        SeriesRow(start=period.local(start), end=period.local(end), stats=stats, zone=period.zone)
        for (start, end), stats in zip(page, states, strict=True)
    ]
    return _answer(call, rows, tyk_json.series_unit(query.interval), pages)


def _page(call: Call, query: TykQuery, rows: Sequence[Row], unit: Callable[[Row], tyk_json.Unit]) -> Response:
    page, pages = _page_of(call, query, rows)
    return _answer(call, page, unit, pages)


def _page_of(call: Call, query: TykQuery, rows: Sequence[Item]) -> tuple[Sequence[Item], int]:
    page, pages = page_of(rows, query.page, call.settings.page_size)
    bound = _max_rows(call, query)
    if bound is not None and len(page) > bound:
        raise AnswerTooLarge(f"{bound:,} rows")
    return page, pages


def _answer(call: Call, rows: Sequence[Row], unit: Callable[[Row], tyk_json.Unit], pages: int) -> Response:
    body = tyk_json.data_body(rows, unit, pages, max_bytes=call.settings.max_bytes)
    return json_response(200, body)


def _routes() -> Iterator[Route]:
    kinds = (("keys", "keyHash", Consumer.key), ("oauthid", "OAuthClientID", Consumer.oauth_client))
    for folder, name, make in kinds:
        yield _route(
            f"/api/activity/{folder}/endpoint/{{{name}}}",
            f"{folder}_endpoint",
            _activity_of(make, name, tyk_json.endpoint_unit),
            f"The endpoints that a consumer ({name}) called from one day to another.",
            (PAGE, API_ID),
        )
    for folder, name, make in kinds:
        # Tyk's Go SDK escapes segments, so it can't reach the routes above, and calls these.
        yield _route(
            f"/api/activity/{folder}/{{{name}}}",
            folder,
            _activity_of(make, name, tyk_json.named_endpoint_unit),
            f"The endpoints that a consumer ({name}) called, or its hits over time.",
            (PAGE, API_ID, RES),
            reserved=_NO_KEYS,
        )
    yield _route("/api/activity/keys", "keys_list", _keys, "The keys that were seen.", (PAGE, API_ID))
    yield _route(
        "/api/activity/keys/aggregate/{keyHashes}",
        "keys_aggregate",
        _aggregate,
        "The endpoints that several keys called, or their hits over time, all together.",
        (PAGE, API_ID, RES),
    )
    yield _route("/api/usage", "usage", _usage, "All hits, or all hits over time.", (PAGE, API_ID, RES))
    yield _route(
        "/api/usage/apis", "usage_apis", _usage_of_apis, "The APIs that were called.", (PAGE, API_ID, BY, SORT)
    )
    yield _route(
        "/api/usage/apis/{apiID}", "usage_api", _usage_of_api, "The endpoints of an API.", (PAGE, BY, SORT)
    )


def _route(
    prefix: str,
    name: str,
    answer: Callable[[Call], Response],
    summary: str,
    parameters: tuple[Parameter, ...],
    reserved: frozenset[str] = _EMPTY,
) -> Route:
    path = f"{prefix}/{_DAYS}"
    named = tuple(PATH_PARAMETERS[part[1:-1]] for part in path.split("/") if part[:1] == "{")
    return Route(
        path=path,
        answer=answer,
        operation=tyk_operation(name, summary, with_names="endpoint" not in prefix.split("/")),
        parameters=(*named, *parameters),
        reserved={part[1:-1]: reserved for part in prefix.split("/") if part[:1] == "{"},
    )


TYK_ROUTES: tuple[Route, ...] = tuple(_routes())
"""In the order in which they stand in the document."""

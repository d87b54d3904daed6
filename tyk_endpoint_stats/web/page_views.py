"""The pages themselves: from a question to a page as values. One function a page, one or two reads each."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from tyk_endpoint_stats.core.batch import Consumer, Endpoint, Kind
from tyk_endpoint_stats.core.selection import Dimension, Group
from tyk_endpoint_stats.markup.tables import Cell
from tyk_endpoint_stats.markup.texts import count_text, duration_text
from tyk_endpoint_stats.questions.group_rows import ConsumerRow, EndpointRow
from tyk_endpoint_stats.questions.measures import Measures
from tyk_endpoint_stats.questions.rows import Rows
from tyk_endpoint_stats.views.lines import Folded, Line, consumer_of, endpoint_of
from tyk_endpoint_stats.views.page import Page
from tyk_endpoint_stats.views.periods import moment_text, period_phrase
from tyk_endpoint_stats.views.summary import Breadth, Part, figures, plural, sentence
from tyk_endpoint_stats.views.timeline import Timeline
from tyk_endpoint_stats.web.page_parts import (
    change_lists,
    chart_of,
    code_lines,
    latency_box,
    worst_of,
)
from tyk_endpoint_stats.web.page_query import PageQuery, is_credential, shown_id
from tyk_endpoint_stats.web.page_reading import (
    Asked,
    alias_of,
    busiest_of,
    callers_of,
    everything,
    find_consumer,
    gather,
    gather_lines,
    lines_of,
)
from tyk_endpoint_stats.web.page_states import framed, never_seen, nothing_found, unseen_endpoint
from tyk_endpoint_stats.web.page_tables import (
    TOP,
    consumer_parameters,
    cut,
    lines_box,
    rows_of,
    short_box,
)

__all__ = ["Answer", "consumer_page", "consumers_page", "endpoint_page", "endpoints_page", "overview_page"]

ENDPOINTS, CONSUMERS = frozenset({Dimension.ENDPOINT}), frozenset({Dimension.CONSUMER})
_BOTH = ENDPOINTS | CONSUMERS

Key = TypeVar("Key", Consumer, Endpoint)


class Answer(Struct, frozen=True):
    """A page, and the rows that its table stands for.

    Attributes:
        rows: ``None``: it has no table.
        is_cut: there are more rows than a file may have, and these are the first.
    """

    page: Page
    rows: Rows[Any] | None = None
    is_cut: bool = False


def _to_consumer(query: PageQuery, **more: str | None) -> Callable[[Line[Consumer]], str]:
    return lambda line: query.link("consumer", **consumer_parameters(line.key), **more)


def _to_endpoint(query: PageQuery, **more: str | None) -> Callable[[Line[Endpoint]], str]:
    return lambda line: query.link("endpoint", api_id=line.key.api_id, path=line.key.path, **more)


def overview_page(asked: Asked) -> Answer:
    """Everything: totals, what needs attention, the busiest consumers and endpoints."""
    query, where = asked.query, asked.where()
    total, timeline, warnings = gather(asked, where, frozenset(), everything)
    called = busiest_of(asked, where, ENDPOINTS, endpoint_of, timeline, TOP)
    callers = busiest_of(asked, where, CONSUMERS, consumer_of, timeline, TOP)
    warnings += _cut_note(called, "endpoints", " (ingest --normalise folds ids in paths, from the next store on)")
    warnings += _cut_note(callers, "consumers")
    page = Page(section="Overview", title="Everything", warnings=warnings)
    framed(asked, page, "overview")
    if not total.now.hits:
        page.state = nothing_found(asked, where, "./", "No requests")
        return Answer(page, rows_of(query, EndpointRow, []))
    endpoints, consumers = _breadth("Endpoints", called), _breadth("Consumers", callers)
    subject = f"from {plural(consumers.now, 'consumer')} to {plural(endpoints.now, 'endpoint')}"
    subject += f" of {plural(len(_apis(called)), 'API')}" if called.counted is None else ""
    _fill(page, query, "./", total, timeline, subject, endpoints, consumers)
    page.changes = [
        *change_lists(query, "Endpoints that changed", called, _to_endpoint(query)),
        *change_lists(query, "Consumers that changed", callers, _to_consumer(query)),
    ]
    page.tables = [
        short_box(query, "consumers", "Consumers", callers.seen, _to_consumer(query)),
        short_box(query, "endpoints", "Endpoints", called.seen, _to_endpoint(query)),
    ]
    return Answer(page, rows_of(query, EndpointRow, called.seen), is_cut=called.counted is not None)


def consumers_page(asked: Asked) -> Answer:
    """All consumers of the period, or those that are gone."""
    folded, _, warnings = gather_lines(asked, asked.where(), CONSUMERS, consumer_of)
    page, chosen = _list_page(asked, "consumer", folded, warnings, _to_consumer(asked.query), "of anyone")
    return Answer(page, rows_of(asked.query, ConsumerRow, chosen))


def endpoints_page(asked: Asked) -> Answer:
    """All endpoints of the period, with how many consumers called each; or those that are gone."""
    folded, timeline, warnings = gather_lines(asked, asked.where(), ENDPOINTS, endpoint_of)
    counts = callers_of(asked, timeline.period)
    for line in folded.seen if counts is not None else ():
        line.callers = (counts or {}).get(line.key, 0)
    apis = _apis(folded)
    page, chosen = _list_page(asked, "endpoint", folded, warnings, _to_endpoint(asked.query), "to anything", apis)
    return Answer(page, rows_of(asked.query, EndpointRow, chosen))


def _list_page(
    asked: Asked,
    one: str,
    folded: Folded[Key],
    warnings: list[str],
    link: Callable[[Line[Key]], str],
    nobody: str,
    apis: Sequence[tuple[str, str]] = (),
) -> tuple[Page, list[Line[Key]]]:
    """A page of all lines, and those that its filters let through."""
    query, name, title = asked.query, f"{one}s", f"{one.capitalize()}s"
    gone = query.given.get("gone") == "1"
    lines = [line for line in folded.lines if bool(line.now.hits) is not gone]
    page = Page(section=title, title=title, warnings=warnings)
    framed(asked, page, name)
    box, chosen = lines_box(query, name, f"{title} that are gone" if gone else title, lines, link, apis=apis)
    if folded.now.hits or gone:
        page.tables = [box]
        _list_sentence(page, query, folded, one, name, gone)
    else:
        page.state = nothing_found(asked, asked.where(), name, f"No requests {nobody}")
    return page, chosen


def consumer_page(asked: Asked) -> Answer:
    """One consumer: what it called, and what changed."""
    query = asked.query
    consumer = find_consumer(asked)
    if consumer is None:
        return Answer(never_seen(asked, None))
    where = asked.where(consumer=consumer)
    aliases: set[str] = set()
    folded, timeline, warnings = gather(asked, where, _BOTH, _endpoint_and_alias(aliases))
    parameters = consumer_parameters(consumer)
    alias = max(aliases, default="") if folded.lines else alias_of(asked, consumer)
    page = _consumer_head(asked, consumer, alias, folded, warnings)
    if not folded.now.hits and not folded.before.hits:
        page.state = nothing_found(asked, where, "consumer", f"No requests of this {_noun(consumer)}")
        return Answer(page if page.state is not None else never_seen(asked, consumer))
    link = _to_endpoint(query, **parameters)
    if folded.now.hits:
        subject = f"to {plural(len(folded.seen), 'endpoint')} of {plural(len(_apis(folded)), 'API')}"
        _fill(page, query, "consumer", folded, timeline, subject, _breadth("Endpoints", folded), linked=True)
        page.changes = change_lists(query, _changed_since(query), folded, link)
    else:
        page.state = nothing_found(asked, where, "consumer", f"No requests of this {_noun(consumer)}")
    box, chosen = lines_box(
        query, "consumer", "Endpoints", folded.seen, link, total=(folded.now, folded.before), apis=_apis(folded)
    )
    page.tables = [box]
    return Answer(page, rows_of(query, EndpointRow, chosen))


def endpoint_page(asked: Asked) -> Answer:
    """One endpoint: who calls it; or of one consumer, where the address names one."""
    query = asked.query
    given = query.given
    if "path" not in given:
        return Answer(unseen_endpoint(asked))
    endpoint = Endpoint(given.get("api_id", ""), given["path"])
    if given.get("id") or given.get("ref"):
        return _pair_page(asked, endpoint)
    where = asked.where(api_id=endpoint.api_id, path=endpoint.path)
    everyone, timeline, warnings = gather(asked, where, ENDPOINTS, endpoint_of)
    callers = lines_of(asked, where, CONSUMERS, consumer_of, timeline, sparks=True)
    page = _endpoint_head(asked, endpoint, everyone, warnings)
    if not everyone.now.hits:
        page.state = nothing_found(asked, where, "endpoint", "Not called by anyone")
        return Answer(page if page.state is not None or everyone.before.hits else unseen_endpoint(asked))
    link: Callable[[Line[Consumer]], str] = lambda line: query.link(  # noqa: E731
        "endpoint", api_id=endpoint.api_id, path=endpoint.path, **consumer_parameters(line.key)
    )
    _fill(page, query, "endpoint", everyone, timeline, "", _breadth("Consumers", callers), linked=True)
    page.parts = _callers_sentence(query, callers, page.parts)
    page.changes = change_lists(query, _changed_since(query), callers, link)
    box, chosen = lines_box(
        query,
        "endpoint",
        "Consumers",
        callers.seen,
        link,
        total=(everyone.now, everyone.before),
        total_text="All requests, each once",
    )
    page.tables = [box]
    return Answer(page, rows_of(query, ConsumerRow, chosen))


def _pair_page(asked: Asked, endpoint: Endpoint) -> Answer:
    query = asked.query
    consumer = find_consumer(asked)
    if consumer is None:
        return Answer(never_seen(asked, None))
    where = asked.where(consumer=consumer, api_id=endpoint.api_id, path=endpoint.path)
    aliases: set[str] = set()
    folded, timeline, warnings = gather(asked, where, _BOTH, _endpoint_and_alias(aliases))
    page = _endpoint_head(asked, endpoint, folded, warnings)
    parameters = consumer_parameters(consumer)
    name = cut(max(aliases, default="") or shown_id(consumer))
    mine = query.link("consumer", **parameters)
    everyone = query.link("endpoint", api_id=endpoint.api_id, path=endpoint.path)
    page.crumbs = [Cell("Consumers", query.link("consumers")), Cell(name, mine)]
    page.badge = _noun(consumer)
    page.subtitle = f"as called by {name}"
    if not folded.now.hits:
        page.state = nothing_found(asked, where, "endpoint", f"Not called by this {_noun(consumer)}")
        return Answer(page if page.state is not None else never_seen(asked, consumer))
    _fill(page, query, "endpoint", folded, timeline, "")
    page.facts_title, page.facts = "In figures", _facts(query, folded)
    page.leads = [Cell(f"All endpoints of {name}", mine), Cell("Everybody who calls this endpoint", everyone)]
    return Answer(page, rows_of(query, EndpointRow, folded.seen))


def _facts(query: PageQuery, folded: Folded[Endpoint]) -> list[tuple[str, str]]:
    now, today = folded.now, query.today
    row = Measures(stats=now, zone=query.period.zone)

    def spread(least: float | None, mean: float | None, largest: float | None) -> str:
        return f"{duration_text(least)} / {duration_text(mean)} / {duration_text(largest)}"

    return [
        ("First request", moment_text(now.first_hit_us, query.period, today)),
        ("Last request", moment_text(now.last_hit_us, query.period, today)),
        ("Latency: least, mean, most", spread(row.min_latency, row.latency, row.max_latency)),
        (
            "Of it the upstream’s",
            spread(row.min_upstream_latency, row.upstream_latency, row.max_upstream_latency),
        ),
        ("Latency p50, p95, p99", spread(row.p50, row.p95, row.p99)),
        ("Successful (2xx)", count_text(now.success)),
        ("Errors (4xx and 5xx)", count_text(now.error)),
    ]


def _endpoint_and_alias(aliases: set[str]) -> Callable[[Group], tuple[Endpoint, str]]:
    """For ``fold``: lines are endpoints; the consumer's alias is taken on the way: no second read for a name."""

    def key_of(group: Group) -> tuple[Endpoint, str]:
        aliases.add(group.alias)
        return endpoint_of(group)

    return key_of


def _consumer_head(
    asked: Asked, consumer: Consumer, alias: str, folded: Folded[Endpoint], warnings: list[str]
) -> Page:
    query = asked.query
    last = moment_text(folded.now.last_hit_us or folded.before.last_hit_us, query.period, query.today)
    page = Page(
        section="Consumers",
        title=alias or shown_id(consumer),
        crumbs=[Cell("Consumers", query.link("consumers"))],
        badge=_noun(consumer),
        ident=shown_id(consumer) if alias or is_credential(consumer) else "",
        ident_full=consumer.id,
        subtitle=f"last request {last}" if last != "–" else "",
        warnings=warnings,
    )
    framed(asked, page, "consumer")
    return page


def _endpoint_head(asked: Asked, endpoint: Endpoint, folded: Folded[Endpoint], warnings: list[str]) -> Page:
    query = asked.query
    api = next((line.name for line in folded.lines if line.name), "") or endpoint.api_id
    page = Page(
        section="Endpoints",
        title=endpoint.path or "(no path)",
        is_path=True,
        crumbs=[
            Cell("Endpoints", query.link("endpoints")),
            Cell(cut(api), query.link("endpoints", api_id=endpoint.api_id)),
        ],
        badge=cut(api),
        warnings=warnings,
    )
    framed(asked, page, "endpoint")
    return page


def _fill(
    page: Page,
    query: PageQuery,
    name: str,
    folded: Folded[Any],
    timeline: Timeline,
    subject: str,
    *breadths: Breadth,
    linked: bool = False,
) -> None:
    """What a page says of its time; ``linked``: it has rows that its status codes choose from."""
    before = folded.before if query.compared is not None else None
    when = query.compared.when if query.compared is not None else ""
    phrase = period_phrase(query.period, query.today)
    page.parts = sentence(subject, phrase, folded.now, before, when, worst_of(query, folded, timeline))
    page.figures = figures(folded.now, before, *breadths)
    page.chart = chart_of(query, name, folded, timeline)
    page.codes = code_lines(query, name if linked else "", folded.now)
    page.latency = latency_box(folded.now)


def _callers_sentence(query: PageQuery, callers: Folded[Consumer], parts: Sequence[Part]) -> list[Part]:
    now = len(callers.seen)
    text = f"{plural(now, 'consumer')} called it"
    if query.compared is not None and callers.before.hits:
        before = sum(bool(line.before.hits) for line in callers.lines)
        if now != before:
            text += f", {abs(now - before)} {'more' if now > before else 'fewer'} than {query.compared.when}"
    last = moment_text(callers.now.last_hit_us, query.period, query.today)
    return [Part(f"{text}; the last request was {last}. "), *parts]


def _cut_note(folded: Folded[Any], name: str, remedy: str = "") -> list[str]:
    if folded.counted is None:
        return []
    return [f"These are too many {name} to look at each{remedy}: what changed among them is not said."]


def _breadth(name: str, folded: Folded[Any]) -> Breadth:
    if folded.counted is not None:
        return Breadth(name, folded.counted)
    new = sum(not line.before.hits for line in folded.lines)
    gone = sum(not line.now.hits for line in folded.lines)
    return Breadth(name, len(folded.lines) - gone, len(folded.lines) - new, new, gone)


def _list_sentence(page: Page, query: PageQuery, folded: Folded[Any], one: str, name: str, gone: bool) -> None:
    breadth = _breadth(name, folded)
    text = f"{plural(breadth.now, one)} {period_phrase(query.period, query.today)}"
    if query.compared is not None and folded.before.hits and folded.now.hits:
        changed = [
            f"{count_text(count)} {how}" for count, how in ((breadth.new, "new"), (breadth.gone, "gone")) if count
        ]
        text += f"; {' and '.join(changed)} since {query.compared.name}" if changed else ""
        other = query.again(name, gone=None if gone else "1", limit=None)
        shown = f"Those of the period ({breadth.now})" if gone else f"Those that are gone ({breadth.gone})"
        page.foot_links = [Cell(shown, other), *page.foot_links] if breadth.gone or gone else page.foot_links
    page.parts = [Part(f"{text}.")]


def _changed_since(query: PageQuery) -> str:
    return f"What changed since {query.compared.name}" if query.compared is not None else ""


def _apis(folded: Folded[Endpoint]) -> list[tuple[str, str]]:
    names = {line.key.api_id: line.name or line.key.api_id for line in folded.seen}
    return sorted(names.items(), key=lambda item: (item[1].casefold(), item[0]))


def _noun(consumer: Consumer) -> str:
    return "OAuth client" if consumer.kind is Kind.OAUTH else "API key"

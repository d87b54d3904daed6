"""Finding a consumer, an endpoint or an API by a piece of its name, a raw key by its hash; and what is counted."""

from collections.abc import Callable, Sequence
from typing import Any

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.selection import Dimension, Group
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.markup.tables import Cell, Column, Table
from tyk_endpoint_stats.markup.texts import count_text
from tyk_endpoint_stats.questions.meta import meta
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.tyk.key_hash import ALGORITHMS, hash_token
from tyk_endpoint_stats.views.lines import consumer_of, endpoint_of
from tyk_endpoint_stats.views.page import Page, State, TableBox
from tyk_endpoint_stats.views.periods import zone_name
from tyk_endpoint_stats.views.summary import Part, plural
from tyk_endpoint_stats.web.page_query import shown_id
from tyk_endpoint_stats.web.page_reading import Asked, ever
from tyk_endpoint_stats.web.page_states import framed
from tyk_endpoint_stats.web.page_tables import consumer_parameters, cut, path_text
from tyk_endpoint_stats.web.representations import package_version

__all__ = ["about_page", "find_page"]

_MAX_FOUND = 10
_LEAST_KEY = 8
_COUNTED = (
    "Every request that the gateway recorded counts once, with its status, its latency and the quarter hour "
    "it ended in. Errors are statuses from 400 on, server errors those from 500 on. A request with both a key "
    "and an OAuth client counts for both of them, and once in totals. Latency is what the gateway measured from "
    "the request’s arrival to the answer; percentiles are good for about 1 %. A share is called changed where "
    "it moved by a point at least, and by more than chance does once in 700 times."
)
_Found = tuple[Cell, EndpointStats]


def find_page(asked: Asked) -> Page | str:
    """What fits a text; where only one thing does, its address."""
    query = asked.query
    text = query.given.get("q", "").strip()
    page = Page(section="", title="Find")
    framed(asked, page, "find")
    page.foot_links = page.foot_links[-2:]
    if not text:
        page.state = State(
            "What are you looking for?", ["A key, its hash, an alias, a path: a piece of it will do."]
        )
        return page
    consumers = [(*consumer_of(group), stats) for group, stats in _busiest_first(asked, Dimension.CONSUMER)]
    endpoints = [(*endpoint_of(group), stats) for group, stats in _busiest_first(asked, Dimension.ENDPOINT)]
    hashes = {hash_token(text, each) for each in ALGORITHMS} if len(text) >= _LEAST_KEY else set()
    of_key = [(_consumer_cell(asked, one, alias), stats) for one, alias, stats in consumers if one.id in hashes]
    if of_key:
        page.parts = [Part("What you typed is a key: this is what was recorded under its hash.")]
        page.tables = [_box("Consumers", of_key)]
        return page
    wanted = text.casefold()

    def fits(*words: str) -> bool:
        return any(wanted in word.casefold() for word in words)

    found_consumers = [
        (_consumer_cell(asked, one, alias), stats) for one, alias, stats in consumers if fits(one.id, alias)
    ]
    found_endpoints = [(_endpoint_cell(asked, one, api), stats) for one, api, stats in endpoints if fits(one.path)]
    apis = _apis(asked, endpoints, fits)
    every = [*found_consumers, *found_endpoints, *apis]
    exact = [(one, alias) for one, alias, _ in consumers if wanted in (one.id.casefold(), alias.casefold())]
    if len(exact) == 1:
        return _consumer_cell(asked, *exact[0]).href
    if len(every) == 1:
        return every[0][0].href
    # What turns writing round ends with what was typed.
    page.title = f"Find “\u2068{text}\u2069”" if not hashes or every else "Find"
    boxes = (("Consumers", found_consumers), ("Endpoints", found_endpoints), ("APIs", apis))
    page.tables = [_box(title, found) for title, found in boxes if found]
    if not every:
        page.state = State(
            "Nothing fits.",
            [
                "It is no piece of an alias, an id, a path or an API's name, and no key whose hash was recorded.",
                "A key may belong to another organisation than your token, or to an API that records no requests.",
            ],
            [Cell("All consumers", query.link("consumers")), Cell("All endpoints", query.link("endpoints"))],
        )
    return page


def _busiest_first(asked: Asked, by: Dimension) -> list[tuple[Group, EndpointStats]]:
    return sorted(ever(asked, asked.where(), by), key=lambda item: -item[1].hits)


def _consumer_cell(asked: Asked, consumer: Consumer, alias: str) -> Cell:
    href = asked.query.link("consumer", **consumer_parameters(consumer))
    return Cell(cut(alias or shown_id(consumer)), href, cut(shown_id(consumer)) if alias else "")


def _endpoint_cell(asked: Asked, endpoint: Endpoint, api_name: str) -> Cell:
    href = asked.query.link("endpoint", api_id=endpoint.api_id, path=endpoint.path)
    return Cell(path_text(endpoint.path), href, cut(api_name or endpoint.api_id))


def _apis(
    asked: Asked, endpoints: Sequence[tuple[Endpoint, str, EndpointStats]], fits: Callable[..., bool]
) -> list[_Found]:
    merged: dict[str, tuple[str, EndpointStats]] = {}
    for endpoint, name, stats in endpoints:
        if fits(name, endpoint.api_id):
            merged.setdefault(endpoint.api_id, (name, EndpointStats()))[1].merge(stats)
    return [
        (
            Cell(cut(name or api_id), asked.query.link("endpoints", api_id=api_id), cut(api_id) if name else ""),
            stats,
        )
        for api_id, (name, stats) in merged.items()
    ]


def _box(title: str, found: Sequence[_Found]) -> TableBox:
    shown = found[:_MAX_FOUND]
    rows: list[list[Cell]] = [[cell, Cell(count_text(stats.hits))] for cell, stats in shown]
    kind = "path" if title == "Endpoints" else "name"
    table = Table(
        title=title,
        columns=[Column(title.removesuffix("s"), kind), Column("Requests ever")],
        rows=rows,
        note=f"{count_text(len(found))} fit; these are the busiest." if len(found) > len(shown) else "",
    )
    return TableBox(table=table)


def about_page(asked: Asked) -> Page:
    """What is counted and how, how far, and from what."""
    query = asked.query
    page = Page(section="", title="What is counted", facts_title="This server")
    framed(asked, page, "about")
    page.foot_links = page.foot_links[-2:-1]
    known = meta(asked.store, zone=query.period.zone, org_id=asked.org_id)
    facts: list[tuple[str, Any]] = [
        ("Version", package_version()),
        ("Zone", f"{zone_name(asked.settings.zone)}: whose days are meant where an address names none"),
        ("Your token sees", "all organisations" if asked.org_id is None else f"organisation {asked.org_id}"),
        ("First request", "–" if known.first_hit is None else f"{known.first_hit:%Y-%m-%d %H:%M}"),
        ("Counted up to", "–" if known.counted_to is None else f"{known.counted_to:%Y-%m-%d %H:%M}"),
    ]
    if known.pruned_before is not None:
        pruned = f"{known.pruned_before:%Y-%m-%d}: of earlier time only whole UTC days are kept"
        facts.append(("Quarter hours from", pruned))
    for month in (known.grown or [])[:_MAX_FOUND]:
        grown = f"{plural(month.hits, 'request')} that came late, the last of them on {month.last:%Y-%m-%d}"
        facts.append((f"{month.month:%Y-%m} grew by", grown))
    if isinstance(asked.store, Store) and asked.org_id is None:
        facts += [(f"Source {number}", text) for number, text in enumerate(_sources(asked.store), 1)]
    page.facts = [(name, str(text)) for name, text in facts]
    page.parts = [Part(_COUNTED)]
    return page


def _sources(store: Store) -> list[str]:
    try:
        sources = store.sources()
    except StoreError:
        return []
    return [f"{one.source}: {plural(one.counts.counted, 'request')} counted" for one in sources[:_MAX_FOUND]]

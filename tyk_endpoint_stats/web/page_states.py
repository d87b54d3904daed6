"""What a page says where there is nothing to see, and what stands at the foot of each."""

from difflib import SequenceMatcher

from tyk_endpoint_stats.core.batch import Consumer
from tyk_endpoint_stats.core.instants import QUARTER_HOUR_US, to_datetime
from tyk_endpoint_stats.core.selection import Dimension
from tyk_endpoint_stats.markup.tables import Cell
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.views.page import Page, State
from tyk_endpoint_stats.views.periods import day_text, moment_text, period_name, period_phrase, zone_name
from tyk_endpoint_stats.web.page_parts import period_form
from tyk_endpoint_stats.web.page_query import shown_id
from tyk_endpoint_stats.web.page_reading import Asked, counted_to, ever, last_seen
from tyk_endpoint_stats.web.page_tables import consumer_parameters, cut

__all__ = ["framed", "never_seen", "nothing_found", "unseen_endpoint"]

_LAGS_US = 2 * QUARTER_HOUR_US
_NEAREST = 3
_MAX_COMPARED = 5_000
_MIN_LIKENESS = 0.6


def framed(asked: Asked, page: Page, name: str) -> None:
    """Put at the head the choice of the period, if it is about one; at the foot how far was counted, and links."""
    query = asked.query
    address = "./" if name == "overview" else name
    if page.section:
        page.form = period_form(asked, address)
    today = query.today
    newest = counted_to(asked)
    page.foot = f"Days are {zone_name(query.period.zone)}."
    if newest is not None:
        page.foot += f" Counted up to {moment_text(newest, query.period, today)}."
        # Told by quarter hours: what moved by the minute could not be kept by a browser.
        began = query.quarter_hour * QUARTER_HOUR_US
        if began - newest > _LAGS_US and query.period.end > began:
            minutes = (began - newest) // 60_000_000
            ago = f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
            told = f"Counted up to {moment_text(newest, query.period, today)}, at least {ago} ago."
            page.warnings = [*page.warnings, told]
    links = [Cell("As one HTML file", query.again(f"{name}.html"))]
    if "from" not in query.given:
        links.append(Cell("A link that stays", query.again(address)))
    links += [Cell("API", "../openapi.json"), Cell("What is counted", query.link("about"))]
    page.foot_links = links


def nothing_found(asked: Asked, where: Filter, page: str, what: str) -> State | None:
    """Why a period is empty: when it was seen last; ``None``: never."""
    query = asked.query
    seen = last_seen(asked, where)
    title = f"{what} {period_phrase(query.period, query.today)}."
    if seen is None:
        if page in ("./", "consumers", "endpoints"):
            return State(
                title,
                [
                    "The store has no requests at all yet, or this token's organisation has none.",
                    "Records are read by “ingest”, or while serving by “serve --ingest SOURCE”.",
                ],
            )
        return None
    last = to_datetime(seen, query.period.zone)
    month = Period.parse(f"{last:%Y-%m}", query.now, query.period.zone)
    name = period_name(month, query.today)
    return State(
        title,
        [f"The last one was on {day_text(last.date(), query.today)} at {last:%H:%M}."],
        [Cell(f"Show {name}", query.at(page, month))],
    )


def never_seen(asked: Asked, consumer: Consumer | None) -> Page:
    """Of a consumer that has no request at all: why that may be, and which ids are like it."""
    query = asked.query
    page = Page(
        section="Consumers",
        title=shown_id(consumer) if consumer is not None else "A consumer",
        crumbs=[Cell("Consumers", query.link("consumers"))],
    )
    framed(asked, page, "consumer")
    lines = [
        "The gateway may hash its keys: then records hold the hash. Put the key into the field at the top: "
        "its hash is looked for.",
        "It may belong to another organisation than your token.",
        "Its API may not record requests (do_not_track).",
    ]
    links = []
    if consumer is not None:
        nearest = _nearest(asked, consumer.id)
        links = [
            Cell(f"Did you mean {cut(name)}?", query.link("consumer", **consumer_parameters(one)))
            for one, name in nearest
        ]
    page.state = State("It was never seen.", lines, links)
    return page


def _nearest(asked: Asked, text: str) -> list[tuple[Consumer, str]]:
    wanted, found = text.casefold(), []
    matcher = SequenceMatcher(b=wanted)
    for group, _ in ever(asked, asked.where(), Dimension.CONSUMER)[:_MAX_COMPARED]:
        assert group.consumer is not None
        names = [name.casefold() for name in (group.consumer.id, group.alias)]
        likeness = max(_likeness(matcher, name) for name in names)
        if any(name.startswith(wanted) for name in names):
            likeness += 1
        if likeness:
            found.append((likeness, group.consumer, group.alias or shown_id(group.consumer)))
    found.sort(key=lambda item: (-item[0], item[1]))
    return [(consumer, name) for _, consumer, name in found[:_NEAREST]]


def _likeness(matcher: SequenceMatcher[str], name: str) -> float:
    """How like a name is, from 0 to 1; 0 where it is not very like, which shows in a fiftieth of the time."""
    matcher.set_seq1(name)
    for ratio in (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio):
        likeness = ratio()
        if likeness <= _MIN_LIKENESS:
            return 0
    return likeness


def unseen_endpoint(asked: Asked) -> Page:
    """Of an endpoint that nobody ever called."""
    query = asked.query
    page = Page(
        section="Endpoints",
        title=query.given.get("path", "") or "An endpoint",
        is_path=True,
        crumbs=[Cell("Endpoints", query.link("endpoints"))],
    )
    framed(asked, page, "endpoint")
    lines = [
        "Not called by anyone, as far as records reach.",
        "Paths are counted as the gateway records them: one with ids in it is many endpoints, unless they were "
        "folded when they were read.",
    ]
    page.state = State("It was never seen.", lines, [Cell("All endpoints", query.link("endpoints"))])
    return page

"""The parts that pages share: the choice of the period, the chart, what changed, status codes, latency."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import TypeVar

from msgspec import structs

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.instants import from_datetime
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.markup.charts import Point
from tyk_endpoint_stats.markup.tables import Cell, Column, Table
from tyk_endpoint_stats.markup.texts import count_text, duration_text, growth_text, share_text
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.pieces import Interval
from tyk_endpoint_stats.views.changes import MAX_SHOWN, Change, Tag, changes_of
from tyk_endpoint_stats.views.lines import Classes, Folded, Line, classes_of
from tyk_endpoint_stats.views.page import ChangeItem, ChangeList, Chart, CodeLine, LatencyBox, PeriodForm
from tyk_endpoint_stats.views.periods import (
    PRESETS,
    day_text,
    moment_text,
    month_of,
    next_period,
    period_name,
    period_query,
    previous_period,
    short_name,
    zone_name,
)
from tyk_endpoint_stats.views.summary import plural, worst_column
from tyk_endpoint_stats.views.timeline import Timeline
from tyk_endpoint_stats.web.page_query import PageQuery
from tyk_endpoint_stats.web.page_reading import Asked
from tyk_endpoint_stats.web.page_tables import consumer_text, cut, path_text

__all__ = [
    "change_lists",
    "chart_of",
    "code_lines",
    "latency_box",
    "period_form",
    "worst_of",
]

Key = TypeVar("Key", Consumer, Endpoint)

_FEW_COLUMNS = 8

_TITLES = {
    Interval.QUARTER_HOUR: ("Quarter hour by quarter hour", "quarter hour", "its status codes and latencies"),
    Interval.HOUR: ("Hour by hour", "hour", "its quarter hours"),
    Interval.DAY: ("Day by day", "day", "its quarter hours"),
    Interval.WEEK: ("Week by week", "week", "its hours"),
    Interval.MONTH: ("Month by month", "month", "its days"),
}


def period_form(asked: Asked, page: str) -> PeriodForm:
    """The choice of the period: presets with absolute links, the ones before and after, and fields."""
    query = asked.query
    period, today = query.period, query.today
    presets = []
    for name, text in PRESETS:
        preset = Period.latest(name, query.now, period.zone)
        presets.append(Cell(text, query.at(page, preset), tone="on" if preset == period else ""))
    this_month = Period.parse(f"{today:%Y-%m}", query.now, period.zone)
    if month_of(period) is None:
        presets.append(Cell(period_name(this_month, today), query.at(page, this_month)))
    before, after = previous_period(period), next_period(period)
    whole = period.is_whole_days
    start, end = period.local(period.start), period.local(period.end)
    form = "%Y-%m-%dT%H:%M"
    own = zone_name(asked.settings.zone)
    absolute = period_query(period)
    compare = query.given.get("compare", "") or "previous"
    named = query.compared.name if query.compared is not None and compare == "previous" else "the time before"
    compares = [("previous", named), ("year", "the year before"), ("none", "nothing")]
    if ".." in compare:
        compares.append((compare, compare.replace("..", " to ")))
    told = f"{period_name(period, today)}, days of {absolute['zone']}"
    if query.compared is not None:
        told += f", compared with {query.compared.name}"
    return PeriodForm(
        action=page,
        presets=presets,
        name=short_name(period, today),
        previous=query.at(page, before) if before else "",
        next=query.at(page, after) if after and after.start <= from_datetime(query.now) else "",
        hidden=query.hidden("from", "to", "zone", "compare"),
        input_type="date" if whole else "datetime-local",
        from_value=period.first_day.isoformat() if whole else f"{start:{form}}",
        to_value=period.last_day.isoformat() if whole else f"{end:{form}}",
        from_text=absolute["from"],
        to_text=absolute["to"],
        zone=absolute["zone"],
        zones=sorted({"UTC", own, absolute["zone"]}),
        compare=compare,
        compares=compares,
        told=told,
    )


def _column_texts(piece: tuple[int, int], timeline: Timeline, today: date) -> tuple[str, str]:
    """A column's name in a sentence, and at the axis."""
    period = timeline.period
    start, end = period.local(piece[0]), period.local(piece[1])
    short = f"{start.day} {start:%b}"
    match timeline.interval:
        case Interval.QUARTER_HOUR | Interval.HOUR:
            # Of many columns full hours are named, or midnights: steps of 21 hours say nothing to anybody.
            tick = f"{start:%H:%M}"
            if len(timeline.columns) > _FEW_COLUMNS:
                is_hour = timeline.interval is Interval.HOUR
                tick = ("" if start.hour else short) if is_hour else ("" if start.minute else tick)
            return f"{day_text(start.date(), today)}, {start:%H:%M}–{end:%H:%M}", tick
        case Interval.DAY:
            return f"{start:%A} {day_text(start.date(), today)}", short
        case Interval.WEEK:
            last = (end - timedelta(seconds=1)).date()
            return f"{day_text(start.date(), last)} – {day_text(last, today)}", short
        case _:
            return f"{start:%B %Y}", f"{start:%b} {start:%y}"


def chart_of(query: PageQuery, page: str, folded: Folded[Key], timeline: Timeline) -> Chart:
    """The three strips of a page, each column a link to the same page about that column."""
    today = query.today
    title, noun, finer = _TITLES[timeline.interval]
    points, rows = [], []
    leads = len(timeline.columns) > 1
    unders = folded.under if any(stats.hits for stats in folded.under) else []
    for number, (piece, stats) in enumerate(zip(timeline.columns, folded.columns, strict=True)):
        name, tick = _column_texts(piece, timeline, today)
        classes = classes_of(stats)
        p50, p95 = stats.latency_percentile_ms(50), stats.latency_percentile_ms(95)
        href = query.at(page, Period(*piece, timeline.period.zone)) if leads else ""
        under = unders[number] if unders else None
        under_classes = classes_of(under) if under else Classes()
        told = f"{name}: {plural(stats.hits, 'request')}"
        if stats.hits:
            told += (
                f", {share_text(classes.c5xx, stats.hits)} server errors, "
                f"{share_text(classes.c4xx, stats.hits)} client errors, p95 {duration_text(p95)}"
            )
        points.append(
            Point(
                label=name,
                tick=tick,
                **structs.asdict(classes),
                p50_ms=p50,
                p95_ms=p95,
                before_hits=under.hits if under else None,
                before_c4xx=under_classes.c4xx,
                before_c5xx=under_classes.c5xx,
                before_p95_ms=under.latency_percentile_ms(95) if under else None,
                told=told,
                href=href,
            )
        )
        counts: list[int] = [stats.hits, classes.c2xx, classes.c3xx, classes.c4xx, classes.c5xx]
        rows.append(
            [
                Cell(name, href),
                *(Cell(count_text(count)) for count in counts),
                Cell(duration_text(p50)),
                Cell(duration_text(p95)),
            ]
        )
    columns = [Column(noun.capitalize(), "name")]
    columns += [Column(text) for text in ("Requests", "2xx", "3xx", "4xx", "5xx", "p50", "p95")]
    failed = classes_of(folded.now).c5xx
    label = (
        f"{title}: {plural(folded.now.hits, 'request')}, {share_text(failed, folded.now.hits)} server errors, "
        f"95 of 100 within {duration_text(folded.now.latency_percentile_ms(95))}. The same as a table follows."
    )
    hint = f"Click a {noun} to see {finer}, drag to choose a range." if leads else ""
    return Chart(
        title=title,
        label=label,
        points=points,
        before=_under_text(timeline) if unders else "",
        hint=hint,
        table=Table(title=title, columns=columns, rows=rows),
    )


def _under_text(timeline: Timeline) -> str:
    compared = timeline.compared
    assert compared is not None
    weeks, rest = divmod(compared.shift_days or 1, 7)
    return compared.name if rest else f"{plural(weeks, 'week')} before"


def worst_of(query: PageQuery, folded: Folded[Key], timeline: Timeline) -> tuple[str, str] | None:
    """The column in which most failed, named in a sentence, and its share; ``None``: none stands out."""
    number = worst_column(folded.columns) if len(folded.columns) > 1 else None
    if number is None:
        return None
    start = timeline.period.local(timeline.columns[number][0])
    noun = _TITLES[timeline.interval][1]
    when = day_text(start.date(), query.today)
    if timeline.interval in (Interval.QUARTER_HOUR, Interval.HOUR):
        when = f"that from {start:%H:%M} on {when}"
    elif timeline.interval is Interval.WEEK:
        when = f"that from {when} on"
    elif timeline.interval is Interval.MONTH:
        when = f"{start:%B %Y}"
    stats = folded.columns[number]
    return f"the worst {noun} was {when}", share_text(classes_of(stats).c5xx, stats.hits)


def change_lists(
    query: PageQuery, title: str, folded: Folded[Key], link: Callable[[Line[Key]], str]
) -> list[ChangeList]:
    """What changed, in words; none where there is nothing to compare with, or too many lines to look at each."""
    compared = query.compared
    if compared is None or folded.counted is not None:
        return []
    found = [_item(query, change, link) for change in changes_of(folded)]
    empty = f"Nothing that stands out, against {compared.name}."
    if not folded.before.hits:
        empty = f"No requests {compared.when}: there is nothing to compare with."
    rest = found[MAX_SHOWN:]
    return [
        ChangeList(title=title, items=found[:MAX_SHOWN], rest=rest, rest_title=f"{len(rest)} more", empty=empty)
    ]


def _item(query: PageQuery, change: Change[Key], link: Callable[[Line[Key]], str]) -> ChangeItem:
    line = change.line
    is_path = isinstance(line.key, Endpoint)
    if isinstance(line.key, Endpoint):
        name, detail = path_text(line.key.path), cut(line.name or line.key.api_id)
    else:
        name, detail = consumer_text(line), "OAuth client" if line.key.kind == "oauth" else ""
    return ChangeItem(
        tag=str(change.tag), name=name, href=link(line), detail=detail, text=_text(query, change), is_path=is_path
    )


def _text(query: PageQuery, change: Change[Key]) -> str:
    now, before = change.line.now, change.line.before
    classes, classes_before = classes_of(now), classes_of(before)
    period, today = query.period, query.today
    hits = f"{count_text(before.hits)} → {plural(now.hits, 'request')}"
    match change.tag:
        case Tag.FAILING:
            shares = f"{share_text(classes_before.c5xx, before.hits)} → {share_text(classes.c5xx, now.hits)}"
            return f"{shares} server errors, {plural(classes.c5xx, 'request')}"
        case Tag.NEW:
            first = moment_text(now.first_hit_us, period, today)
            failed = f"; {share_text(classes.c5xx, now.hits)} server errors" if classes.c5xx else ""
            return f"{plural(now.hits, 'request')}, the first {first}{failed}"
        case Tag.GONE:
            last = moment_text(before.last_hit_us, period, today)
            return f"{plural(before.hits, 'request')} before, the last {last}"
        case Tag.SLOWER:
            p95, was = now.latency_percentile_ms(95), before.latency_percentile_ms(95)
            return f"95 of 100 within {duration_text(was)} → {duration_text(p95)}"
        case Tag.REFUSED:
            shares = f"{share_text(classes_before.c4xx, before.hits)} → {share_text(classes.c4xx, now.hits)}"
            return f"{shares} client errors, most of them more: {change.code or 0} {_phrase(change.code or 0)}".rstrip()
        case _:
            # Whether it stopped: what was called until the middle of the period is not gone.
            last = f", the last {moment_text(now.last_hit_us, period, today)}" if change.tag is Tag.FEWER else ""
            return f"{hits} ({growth_text(now.hits, before.hits)}; all: {growth_text(change.growth, 1)}){last}"


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""


def code_lines(query: PageQuery, page: str, stats: EndpointStats) -> list[CodeLine]:
    """Hits by status code, most frequent first; each a link to the rows that have it, where there is such a page."""
    tones = {2: "c2", 3: "c3", 4: "c4", 5: "c5"}
    largest = max(stats.codes.values(), default=0)
    lines = []
    for code, hits in sorted(stats.codes.items(), key=lambda item: (-item[1], item[0])):
        href = query.again(page, status=str(code), limit=None) if page else ""
        text, tone = _phrase(code), tones.get(code // 100, "c3")
        lines.append(
            CodeLine(code=str(code), text=text, href=href, tone=tone, hits=hits, largest=largest, all=stats.hits)
        )
    return lines


def latency_box(stats: EndpointStats) -> LatencyBox | None:
    """How long requests took; ``None``: nothing was timed."""
    marks: Sequence[tuple[str, float | None]] = [
        (f"p{percent}", stats.latency_percentile_ms(percent)) for percent in (50, 95, 99)
    ]
    percentiles = [(name, ms) for name, ms in marks if ms is not None]
    if not stats.histogram or len(percentiles) < len(marks):
        return None
    label = "Histogram of latencies: " + ", ".join(f"{name} {duration_text(ms)}" for name, ms in percentiles)
    note = "Percentiles are good for about 1 %."
    if stats.latency_ms is not None and stats.upstream_latency_ms is not None:
        own = stats.latency_ms - stats.upstream_latency_ms
        note += (
            f" Of {duration_text(stats.latency_ms)} on average the upstream took "
            f"{duration_text(stats.upstream_latency_ms)}, the gateway {duration_text(own)}."
        )
    return LatencyBox(bins=stats.histogram, percentiles=percentiles, label=label, note=note)

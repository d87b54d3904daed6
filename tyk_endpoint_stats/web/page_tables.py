"""The tables of pages: lines of consumers or endpoints, filtered, sorted, cut; and the same as rows to export."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from msgspec import structs

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.stats import EndpointStats, merged
from tyk_endpoint_stats.markup.tables import Cell, Column, Table
from tyk_endpoint_stats.markup.texts import count_text, duration_text, growth_text, share_text
from tyk_endpoint_stats.questions.group_rows import ConsumerRow, EndpointRow
from tyk_endpoint_stats.questions.rows import Rows
from tyk_endpoint_stats.views.evidence import share_rose
from tyk_endpoint_stats.views.lines import Line, classes_of
from tyk_endpoint_stats.views.page import Filters, Select, TableBox
from tyk_endpoint_stats.views.periods import moment_text
from tyk_endpoint_stats.views.summary import plural
from tyk_endpoint_stats.web.page_query import PageQuery, consumer_ref, is_credential, shown_id

__all__ = [
    "ROWS",
    "TOP",
    "consumer_parameters",
    "consumer_text",
    "cut",
    "lines_box",
    "path_text",
    "rows_of",
    "short_box",
]

Key = TypeVar("Key", Consumer, Endpoint)
Row = TypeVar("Row", EndpointRow, ConsumerRow)

ROWS = 25
"""So many lines are shown first."""

TOP = 10
"""So many lines a summary has."""

_MAX_ROWS = 1_000
_STATUSES = (("", "Any status"), ("5xx", "With 5xx"), ("4xx", "With 4xx"), ("429", "With 429"))
_IDS_SHARE, _IDS_MIN = 0.6, 20


def cut(text: str, most: int = 160) -> str:
    """A text as long as a line of a table may show; the page about it shows all."""
    return text if len(text) <= most else f"{text[:most]}…"


def path_text(path: str) -> str:
    """A path as a line of a table shows it; there are records without one."""
    return cut(path) or "(no path)"


def consumer_text(line: Line[Consumer]) -> str:
    """What a consumer is called: its alias, or its id."""
    return cut(line.name or shown_id(line.key))


def consumer_parameters(consumer: Consumer) -> dict[str, str | None]:
    """How an address names a consumer: without its id, where that looks like a key."""
    if is_credential(consumer):
        return {"kind": None, "id": None, "ref": consumer_ref(consumer)}
    return {"kind": str(consumer.kind), "id": consumer.id, "ref": None}


_SORTS: dict[str, Callable[[Line[Any]], Any]] = {
    "name": lambda line: (line.name.casefold(), line.key),
    "hits": lambda line: line.now.hits,
    "change": lambda line: line.now.hits / line.before.hits if line.before.hits else float(line.now.hits) * 1e9,
    "callers": lambda line: line.callers or 0,
    "4xx": lambda line: _part(line.now, 4),
    "5xx": lambda line: _part(line.now, 5),
    "p50": lambda line: line.p50_ms or 0,
    "p95": lambda line: line.p95_ms or 0,
    "last": lambda line: line.now.last_hit_us or line.before.last_hit_us or 0,
}


def _part(stats: EndpointStats, hundreds: int) -> float:
    classes = classes_of(stats)
    return (classes.c5xx if hundreds == 5 else classes.c4xx) / stats.hits if stats.hits else 0.0


def short_box(
    query: PageQuery, page: str, title: str, lines: Sequence[Line[Key]], link: Callable[[Line[Key]], str]
) -> TableBox:
    """The busiest lines, and a link to the page that has all of them."""
    columns = _columns(query, page, lines, with_sorts=False)
    table = Table(
        title=title, columns=[column for _, column in columns], rows=_rows(query, columns, lines[:TOP], link)
    )
    return TableBox(table=table, all_href=query.link(page))


def lines_box(
    query: PageQuery,
    page: str,
    title: str,
    lines: Sequence[Line[Key]],
    link: Callable[[Line[Key]], str],
    *,
    total: tuple[EndpointStats, EndpointStats] | None = None,
    total_text: str = "",
    apis: Sequence[tuple[str, str]] = (),
) -> tuple[TableBox, list[Line[Key]]]:
    """A table of lines with its filters, and all the lines that they let through, in order.

    Args:
        query: has the filters, the order and how many rows are wanted.
        page: which this is.
        title: of the table.
        lines: all there are.
        link: where a line leads to.
        total: what the last line says where nothing is filtered, of the period and of the time before; ``None``:
            the merges of the lines.
        total_text: names that line.
        apis: what can be chosen as API: id and name.
    """
    chosen = _sorted(_filtered(lines, query.given), query.given.get("sort", "-hits"))
    shown = chosen[: _limit(query.given, len(chosen))]
    columns = _columns(query, page, lines, with_sorts=True)
    thing = "endpoint" if not lines or isinstance(lines[0].key, Endpoint) else "consumer"
    text = f"All {plural(len(chosen), thing)}"
    if len(chosen) < len(lines):
        total, text = None, f"{text} found"
    elif total is not None:
        text = total_text or text
    now, before = total or (merged([line.now for line in chosen]), merged([line.before for line in chosen]))
    cells = _total_cells(text, now, before)
    more = None
    if len(chosen) > len(shown):
        count = min(len(chosen), _MAX_ROWS)
        what = f"Show all {count_text(count)}" if count == len(chosen) else f"Show {count_text(count)}"
        more = Cell(what, query.again(page, limit=str(count)))
    table = Table(
        title=title,
        columns=[column for _, column in columns],
        rows=_rows(query, columns, shown, link),
        total=[cells.get(name, Cell()) for name, _ in columns] if len(chosen) > 1 or total_text else (),
        more=more,
        note=_ids_note(lines),
    )
    exports = [Cell(form.upper(), query.again(f"{page}.{form}", limit=None)) for form in ("csv", "json")]
    filters = _filters(query, page, thing, apis) if len(lines) > 1 else None
    return TableBox(table=table, filters=filters, exports=exports), chosen


def _rows(
    query: PageQuery,
    columns: Sequence[tuple[str, Column]],
    lines: Sequence[Line[Key]],
    link: Callable[[Line[Key]], str],
) -> list[list[Cell]]:
    largest = max((line.now.hits for line in lines), default=0)
    return [
        [cells[name] for name, _ in columns]
        for cells in (_line_cells(line, query, largest, link(line)) for line in lines)
    ]


def _filters(query: PageQuery, page: str, thing: str, apis: Sequence[tuple[str, str]]) -> Filters:
    selects = []
    if len(apis) > 1:
        selects.append(
            Select(
                name="api_id",
                label="API",
                value=query.given.get("api_id", ""),
                options=[("", "All APIs"), *((api_id, cut(name, 40)) for api_id, name in apis)],
            )
        )
    if thing == "consumer":
        kinds = (("", "Keys and clients"), ("key", "API keys"), ("oauth", "OAuth clients"))
        selects.append(Select(name="kind", label="Kind", value=query.given.get("kind", ""), options=kinds))
    status = query.given.get("status", "")
    statuses = _STATUSES if status in dict(_STATUSES) else (*_STATUSES, (status, f"With {status}"))
    selects.append(Select(name="status", label="Status", value=status, options=statuses))
    return Filters(
        action=page,
        hidden=query.hidden("q", "status", "limit", "api_id" if thing == "endpoint" else "kind"),
        q=query.given.get("q", ""),
        q_label="Path contains…" if thing == "endpoint" else "Name or id contains…",
        selects=selects,
    )


def _filtered(lines: Sequence[Line[Key]], given: dict[str, str]) -> list[Line[Key]]:
    q, status, api_id, kind = (given.get(name, "") for name in ("q", "status", "api_id", "kind"))
    text = q.strip().casefold()
    hundreds = {"5xx": 5, "4xx": 4, "3xx": 3, "2xx": 2}.get(status)
    kept = []
    for line in lines:
        key = line.key
        if isinstance(key, Endpoint):
            words = [key.path, line.name, key.api_id]
            wanted = not api_id or key.api_id == api_id
        else:
            words = [line.name, key.id]
            wanted = not kind or key.kind == kind
        if text and not any(text in word.casefold() for word in words):
            continue
        if hundreds is not None:
            wanted = wanted and any(code // 100 == hundreds for code in line.now.codes)
        elif status.isdecimal():
            wanted = wanted and int(status[:9]) in line.now.codes
        if wanted:
            kept.append(line)
    return kept


def _sorted(lines: list[Line[Key]], sort: str) -> list[Line[Key]]:
    key = _SORTS.get(sort.removeprefix("-"))
    return lines if key is None else sorted(lines, key=key, reverse=sort.startswith("-"))


def _limit(given: dict[str, str], found: int) -> int:
    """How many rows are shown: as many as are asked for; a last one instead of a link to it alone."""
    text = given.get("limit", "")
    if text.isdecimal() and len(text) < 9:
        return min(max(int(text), 1), _MAX_ROWS)
    return found if found == ROWS + 1 else ROWS


def _columns(query: PageQuery, page: str, lines: Sequence[Line[Any]], with_sorts: bool) -> list[tuple[str, Column]]:
    sort = query.given.get("sort", "-hits")
    is_path = bool(lines) and isinstance(lines[0].key, Endpoint)
    # Of a table without a past every line would be new.
    compared = query.compared is not None and any(line.before.hits for line in lines)
    has_sparks = any(line.pieces for line in lines)
    has_callers = any(line.callers is not None for line in lines)

    def column(name: str, title: str, kind: str = "number", minor: bool = True) -> tuple[str, Column]:
        if not with_sorts or name not in _SORTS:
            return name, Column(title, kind, minor=minor)
        is_sorted = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
        wanted = name if sort == f"-{name}" or (name == "name" and sort != name) else f"-{name}"
        return name, Column(title, kind, query.again(page, sort=wanted, limit=None), is_sorted, minor)

    found = [
        column("name", "Path" if is_path else "Consumer", "path" if is_path else "name", minor=False),
        column("bar", "", "picture"),
        column("hits", "Requests", minor=False),
    ]
    if compared:
        found.append(column("change", "Change"))
    if has_callers:
        found.append(column("callers", "Consumers"))
    if has_sparks:
        found.append(column("spark", "Over time", "picture"))
    found += [
        column("4xx", "4xx"),
        column("5xx", "5xx", minor=False),
        column("p50", "p50"),
        column("p95", "p95", minor=False),
        column("last", "Last request"),
    ]
    return found


def _line_cells(line: Line[Key], query: PageQuery, largest: int, href: str) -> dict[str, Cell]:
    """A line by column."""
    now, before = line.now, line.before
    today = query.today
    classes = classes_of(now)
    hot = query.compared is not None and share_rose(classes.c5xx, now.hits, classes_of(before).c5xx, before.hits)
    if isinstance(line.key, Endpoint):
        name = Cell(path_text(line.key.path), href, cut(line.name or line.key.api_id))
    else:
        consumer: Line[Any] = line
        kind = "OAuth client" if line.key.kind == "oauth" else ""
        # The kind first: an id may have a mark in it that turns round what follows.
        detail = " ".join(filter(None, (kind, cut(shown_id(line.key)) if line.name else "")))
        name = Cell(consumer_text(consumer), href, detail)
    change = "gone" if not now.hits else growth_text(now.hits, before.hits)
    return {
        "name": name,
        "bar": Cell(bar=(now.hits, largest)),
        "hits": Cell(count_text(now.hits)),
        "change": Cell(change),
        "callers": Cell("" if line.callers is None else count_text(line.callers)),
        "spark": Cell(spark=line.spark),
        "4xx": Cell(share_text(classes.c4xx, now.hits), tone="" if classes.c4xx else "quiet"),
        "5xx": Cell(share_text(classes.c5xx, now.hits), tone="hot" if hot else "" if classes.c5xx else "quiet"),
        "p50": Cell(duration_text(line.p50_ms)),
        "p95": Cell(duration_text(line.p95_ms)),
        "last": Cell(moment_text(now.last_hit_us or before.last_hit_us, query.period, today)),
    }


def _total_cells(text: str, now: EndpointStats, before: EndpointStats) -> dict[str, Cell]:
    classes = classes_of(now)
    return {
        "name": Cell(text),
        "hits": Cell(count_text(now.hits)),
        "change": Cell(growth_text(now.hits, before.hits) if before.hits else ""),
        "4xx": Cell(share_text(classes.c4xx, now.hits)),
        "5xx": Cell(share_text(classes.c5xx, now.hits)),
        "p50": Cell(duration_text(now.latency_percentile_ms(50))),
        "p95": Cell(duration_text(now.latency_percentile_ms(95))),
    }


def _ids_note(lines: Iterable[Line[Any]]) -> str:
    """Whether most paths seem to hold ids: seldom called, with digits in their last segment."""
    paths = [(line.key.path, line.now.hits) for line in lines if isinstance(line.key, Endpoint)]
    with_ids = sum(hits <= 2 and any(c.isdigit() for c in path.rpartition("/")[2]) for path, hits in paths)
    if len(paths) < _IDS_MIN or with_ids <= _IDS_SHARE * len(paths):
        return ""
    return (
        f"{count_text(with_ids)} of {count_text(len(paths))} paths seem to hold ids: "
        "ingest --normalise folds them, from the next store on."
    )


def rows_of(query: PageQuery, row_type: type[Row], lines: Iterable[Line[Any]]) -> Rows[Row]:
    """Lines as rows that can be written as CSV and JSON."""
    zone = query.period.zone
    (name,) = row_type.NAMES

    def row(line: Line[Any]) -> Row:
        ids = structs.asdict(line.key)
        before = row_type(**ids, stats=line.before, zone=zone) if line.before.hits else None
        return row_type(**ids | {name: line.name}, stats=line.now, zone=zone, before=before)

    return Rows(map(row, lines), row_type, compared=query.compared is not None)

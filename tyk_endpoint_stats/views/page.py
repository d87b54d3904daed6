"""A page as values: what the template draws, and nothing that it would have to work out."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tyk_endpoint_stats.markup.charts import Point
from tyk_endpoint_stats.markup.tables import Cell, Table
from tyk_endpoint_stats.views.summary import Figure, Part

__all__ = [
    "ChangeItem",
    "ChangeList",
    "Chart",
    "CodeLine",
    "Filters",
    "LatencyBox",
    "Page",
    "PeriodForm",
    "Select",
    "State",
    "TableBox",
]


class PeriodForm(Struct, frozen=True, kw_only=True):
    """What chooses the period: links to others, and a form. ``told`` says the same in words."""

    action: str
    presets: Sequence[Cell]
    name: str
    previous: str
    next: str
    hidden: Sequence[tuple[str, str]]
    input_type: str
    from_value: str
    to_value: str
    from_text: str
    to_text: str
    zone: str
    zones: Sequence[str]
    compare: str
    compares: Sequence[tuple[str, str]]
    told: str


class Chart(Struct, frozen=True, kw_only=True):
    """The three strips; ``before`` names the dotted line, ``table`` has the same numbers."""

    title: str
    label: str
    points: Sequence[Point]
    before: str
    hint: str
    table: Table


class ChangeItem(Struct, frozen=True, kw_only=True):
    """One change: what kind, of what, and the numbers."""

    tag: str
    name: str
    href: str
    detail: str
    text: str
    is_path: bool


class ChangeList(Struct, frozen=True, kw_only=True):
    """The changes worth a look; ``rest`` are more of them, ``empty`` says that there is none."""

    title: str
    items: Sequence[ChangeItem]
    rest: Sequence[ChangeItem]
    rest_title: str
    empty: str


class Select(Struct, frozen=True, kw_only=True):
    """A choice of a filter."""

    name: str
    label: str
    value: str
    options: Sequence[tuple[str, str]]


class Filters(Struct, frozen=True, kw_only=True):
    """What chooses rows of a table."""

    action: str
    hidden: Sequence[tuple[str, str]]
    q: str
    q_label: str
    selects: Sequence[Select]


class TableBox(Struct, frozen=True, kw_only=True):
    """A table with what stands around it."""

    table: Table
    filters: Filters | None = None
    exports: Sequence[Cell] = ()
    all_href: str = ""


class CodeLine(Struct, frozen=True, kw_only=True):
    """Requests of one status code."""

    code: str
    text: str
    href: str
    tone: str
    hits: int
    largest: int
    all: int


class LatencyBox(Struct, frozen=True, kw_only=True):
    """The histogram of latencies."""

    bins: Mapping[int, int]
    percentiles: Sequence[tuple[str, float]]
    label: str
    note: str


class State(Struct, frozen=True):
    """Why there is nothing to see, and what to do."""

    title: str
    lines: Sequence[str] = ()
    links: Sequence[Cell] = ()


class Page(Struct, kw_only=True):
    """A page; what is empty is left out.

    Attributes:
        section: which part of the navigation it belongs to.
        leads: links that stand first.
        ident, ident_full: an id as it is shown, and as it is copied.
        tables: the first one is what is exported.
    """

    section: str
    title: str
    is_path: bool = False
    crumbs: Sequence[Cell] = ()
    badge: str = ""
    ident: str = ""
    ident_full: str = ""
    subtitle: str = ""
    form: PeriodForm | None = None
    warnings: Sequence[str] = ()
    state: State | None = None
    parts: Sequence[Part] = ()
    leads: Sequence[Cell] = ()
    figures: Sequence[Figure] = ()
    chart: Chart | None = None
    changes: Sequence[ChangeList] = ()
    tables: Sequence[TableBox] = ()
    codes: Sequence[CodeLine] = ()
    latency: LatencyBox | None = None
    facts: Sequence[tuple[str, str]] = ()
    facts_title: str = ""
    foot: str = ""
    foot_links: Sequence[Cell] = ()

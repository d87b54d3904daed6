"""What commands that print rows with numbers share: columns, the total line, what stands under a table."""

from typing import TYPE_CHECKING, Any

import click

from tyk_endpoint_stats.cli.tables import Column

if TYPE_CHECKING:
    from tyk_endpoint_stats.questions.filters import Filter
    from tyk_endpoint_stats.questions.period import Period
    from tyk_endpoint_stats.questions.rows import Rows
    from tyk_endpoint_stats.stores.base import ReadableStore

__all__ = ["COUNTS", "LAST_HIT", "TIMES", "say_nothing_found", "total_of", "under_table"]

COUNTS = (
    Column("hits", "hits"),
    Column("success", "success", may_go=True),
    Column("error", "error"),
    Column("error_rate", "err %", "share"),
)
TIMES = (Column("latency", "mean ms"), Column("p95", "p95"), Column("max_latency", "max", may_go=True))
LAST_HIT = Column("last_hit", "last hit")


def total_of(rows: "Rows[Any]", period: "Period", columns: tuple[Column, ...]) -> dict[str, Any]:
    """The last line of a table: the merge of all rows, also of those beyond a limit."""
    from tyk_endpoint_stats.questions.measures import MEASURES, Measures

    total = Measures(stats=rows.total, zone=period.zone)
    return {column.name: getattr(total, column.name) for column in columns if column.name in MEASURES}


def under_table(rows: "Rows[Any]", period: "Period") -> list[str]:
    """Which zone's times they are, from when to when; and how many rows there are, where not all are shown."""
    from tyk_endpoint_stats.cli.hints import period_text

    lines = [f"Hits {period_text(period)}." if _has_edges(period) else f"Times in {_zone(period)}."]
    if rows.total_rows > len(rows):
        lines.append(f"{len(rows):,} of {rows.total_rows:,} rows; the total is that of all.")
    return lines


def say_nothing_found(store: "ReadableStore", period: "Period", where: "Filter", what: str) -> None:
    """Two lines on stderr: that nothing was found, and what to try."""
    from tyk_endpoint_stats.cli.hints import hint, period_text

    click.echo(f"{what} {period_text(period)}." if _has_edges(period) else f"{what}.", err=True)
    click.echo(hint(store, period, where), err=True)


def _has_edges(period: "Period") -> bool:
    from tyk_endpoint_stats.questions.period import EVER

    return period.start > EVER[0] and period.end < EVER[1]


def _zone(period: "Period") -> str:
    from tyk_endpoint_stats.cli.hints import zone_name

    return zone_name(period)

"""What commands that print rows with numbers share: columns, the total line, what stands under a table."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from tyk_endpoint_stats.cli.formats import write_rows
from tyk_endpoint_stats.cli.tables import Column

if TYPE_CHECKING:
    from tyk_endpoint_stats.questions.filters import Filter
    from tyk_endpoint_stats.questions.period import Period
    from tyk_endpoint_stats.questions.rows import Rows
    from tyk_endpoint_stats.stores.base import ReadableStore

__all__ = ["COUNTS", "LAST_HIT", "TIMES", "say_nothing_found", "write_answer"]

COUNTS = (
    Column("hits", "hits"),
    Column("success", "success", may_go=True),
    Column("error", "error"),
    Column("error_rate", "err %", "share"),
)
TIMES = (Column("latency", "mean ms"), Column("p95", "p95"), Column("max_latency", "max", may_go=True))
LAST_HIT = Column("last_hit", "last hit")


def write_answer(
    rows: "Rows[Any]",
    period: "Period",
    members: Sequence[str],
    columns: Sequence[Column],
    form: str,
    *,
    beside: Callable[[Any], dict[str, Any]] = lambda row: {},
) -> None:
    """Print the rows of an answer. A table has the merge of all rows as its last line, also of those beyond a limit.

    Under it stands which zone's times they are, from when to when; and how many rows there are, where not all are
    shown.

    Args:
        rows: the answer.
        period: what was asked about.
        members: what programs get.
        columns: what a table shows.
        form: ``table``, ``json``, ``ndjson`` or ``csv``.
        beside: gives what a table shows of a row that is no member of it.
    """
    from tyk_endpoint_stats.cli.hints import period_text
    from tyk_endpoint_stats.questions.measures import MEASURES, Measures

    measures = [column.name for column in columns if column.name in MEASURES]
    names = dict.fromkeys((*members, *measures))
    total = Measures(stats=rows.total, zone=period.zone)
    under = [f"Hits {period_text(period)}." if _has_edges(period) else f"Times in {period.zone}."]
    if rows.total_rows > len(rows):
        under.append(f"{len(rows):,} of {rows.total_rows:,} rows; the total is that of all.")
    write_rows(
        [{name: getattr(row, name) for name in names} | beside(row) for row in rows],
        members,
        columns,
        form,
        total={name: getattr(total, name) for name in measures},
        under=under,
    )


def say_nothing_found(store: "ReadableStore", period: "Period", where: "Filter", what: str) -> None:
    """Two lines on stderr: that nothing was found, and what to try."""
    from tyk_endpoint_stats.cli.hints import hint, period_text

    click.echo(f"{what} {period_text(period)}." if _has_edges(period) else f"{what}.", err=True)
    click.echo(hint(store, period, where), err=True)


def _has_edges(period: "Period") -> bool:
    from tyk_endpoint_stats.questions.period import EVER

    return period.start > EVER[0] and period.end < EVER[1]

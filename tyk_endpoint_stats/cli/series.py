"""``series``: hits over time."""

from typing import TYPE_CHECKING

import click

from tyk_endpoint_stats.cli.answers import COUNTS, TIMES
from tyk_endpoint_stats.cli.formats import format_option
from tyk_endpoint_stats.cli.options import period_options, store_option
from tyk_endpoint_stats.cli.tables import Column
from tyk_endpoint_stats.cli.whose import Whose, whose_options

if TYPE_CHECKING:
    from tyk_endpoint_stats.questions.period import Period

__all__ = ["series"]

_MAX_ROWS = 100_000
_BAR = Column("bar", "", "bar")
_COLUMNS = (
    Column("start", "from"),
    *COUNTS,
    Column("c4xx", "4xx"),
    Column("c5xx", "5xx"),
    *TIMES,
)


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats series --last 30d
  tyk-endpoint-stats series --consumer mobile --last 2h --interval 15m
  tyk-endpoint-stats series --path /v1/orders --from 2026-10 --interval 1w --format csv"""
)
@store_option
@whose_options(required=False)
@click.option("--path", metavar="PATH", help="Only this path.")
@click.option("--api-id", metavar="ID", help="Only this API.")
@click.option(
    "--interval",
    type=click.Choice(["15m", "1h", "1d", "1w", "1mo"]),
    default="1d",
    show_default=True,
    help="How long the time of a row is: days, weeks (from Monday) and months are the zone's.",
)
@period_options()
@click.option("--org-id", metavar="ID", help="Only this organisation.")
@format_option()
def series(
    store_url: str,
    whose: Whose | None,
    path: str | None,
    api_id: str | None,
    interval: str,
    period: "Period",
    org_id: str | None,
    form: str,
) -> None:
    """Hits over time: of a consumer, of an endpoint, or of everybody.

    A row for each piece of time, also for those without a hit. Of everybody every hit counts once, also one
    without a key and a client.
    """
    from tyk_endpoint_stats.cli.answers import say_nothing_found, write_answer
    from tyk_endpoint_stats.cli.opening import store_to_ask
    from tyk_endpoint_stats.cli.tables import bar_text, can_show_bars
    from tyk_endpoint_stats.cli.whose import named_consumer
    from tyk_endpoint_stats.questions.filters import Filter
    from tyk_endpoint_stats.questions.pieces import Interval
    from tyk_endpoint_stats.questions.series import series as series_of

    with store_to_ask(store_url) as store:
        consumer = None if whose is None else named_consumer(store, whose, org_id)
        where = Filter(consumer=consumer, path=path, api_id=api_id, org_id=org_id)
        rows = series_of(store, period, Interval(interval), where, max_rows=_MAX_ROWS)
        has_hits = any(row.hits for row in rows)
        if not has_hits:
            say_nothing_found(store, period, where, f"No requests of {'anybody' if whose is None else whose.noun}")
    if form == "table" and not has_hits:
        return
    columns = (_COLUMNS[0], _COLUMNS[1], _BAR, *_COLUMNS[2:]) if can_show_bars() else _COLUMNS
    largest = max((row.hits for row in rows), default=0)
    write_answer(rows, period, rows.columns, columns, form, beside=lambda row: {"bar": bar_text(row.hits, largest)})

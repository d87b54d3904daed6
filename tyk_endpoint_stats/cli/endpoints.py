"""``endpoints``: the answer in a terminal."""

from typing import TYPE_CHECKING

import click

from tyk_endpoint_stats.cli.answers import COUNTS, LAST_HIT, TIMES
from tyk_endpoint_stats.cli.formats import ROW_FORMS, format_option
from tyk_endpoint_stats.cli.options import limit_option, period_options, sort_option, store_option
from tyk_endpoint_stats.cli.tables import Column
from tyk_endpoint_stats.cli.whose import Whose, whose_options

if TYPE_CHECKING:
    from tyk_endpoint_stats.questions.period import Period

__all__ = ["endpoints"]

_MEMBERS = [
    "api_id",
    "api_name",
    "path",
    "hits",
    "success",
    "error",
    "first_hit",
    "last_hit",
    "request_time",
    "latency",
    "upstream_latency",
    "max_latency",
    "min_latency",
    "max_upstream_latency",
    "min_upstream_latency",
    "p50",
    "p95",
    "p99",
    "codes",
]
_COLUMNS = (Column("api", "api"), Column("path", "path", "path"), *COUNTS, *TIMES, LAST_HIT)


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats endpoints --key 7f3c3ca87376cabe --from 2026-10-01 --to 2026-10-31
  tyk-endpoint-stats endpoints --consumer mobile --last 2h --sort -error
  tyk-endpoint-stats endpoints --raw-key --key - --from 2026-10 <key
  tyk-endpoint-stats endpoints --raw-key --key partner-acme --org-id 64c1f0aa9b2e"""
)
@store_option
@whose_options(required=True)
@period_options()
@click.option("--org-id", metavar="ID", help="Only this organisation.")
@click.option("--api-id", metavar="ID", help="Only this API.")
@sort_option("-hits")
@limit_option
@format_option(*ROW_FORMS, "tyk")
def endpoints(
    store_url: str,
    whose: Whose,
    period: "Period",
    org_id: str | None,
    api_id: str | None,
    sort: str,
    limit: int | None,
    form: str,
) -> None:
    """Which endpoints one consumer called, and how they went.

    Durations are in milliseconds. Busiest endpoint first. `--format tyk` prints what the HTTP route answers;
    json, ndjson and csv have more: status codes, percentiles, the first hit.
    """
    from tyk_endpoint_stats.cli.answers import say_nothing_found, write_answer
    from tyk_endpoint_stats.cli.opening import store_to_ask
    from tyk_endpoint_stats.cli.whose import named_consumer
    from tyk_endpoint_stats.questions.answer import answer
    from tyk_endpoint_stats.questions.filters import Filter
    from tyk_endpoint_stats.questions.group_rows import EndpointRow

    with store_to_ask(store_url) as store:
        consumer = named_consumer(store, whose, org_id)
        where = Filter(consumer=consumer, org_id=org_id, api_id=api_id)
        rows = answer(store, EndpointRow, period, where, sort=sort, limit=limit, distributions=form != "tyk")
        if not rows and form != "tyk":
            say_nothing_found(store, period, where, f"No requests of {whose.noun}")
    if form == "tyk":
        from tyk_endpoint_stats.web.tyk_json import endpoints_body

        click.echo(endpoints_body(rows, 1))
        return
    write_answer(rows, period, _MEMBERS, _COLUMNS, form, beside=lambda row: {"api": row.api_name or row.api_id})

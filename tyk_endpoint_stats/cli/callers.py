"""``callers``: who calls an endpoint."""

from typing import TYPE_CHECKING

import click

from tyk_endpoint_stats.cli.answers import COUNTS, LAST_HIT
from tyk_endpoint_stats.cli.formats import format_option
from tyk_endpoint_stats.cli.options import limit_option, period_options, sort_option, store_option
from tyk_endpoint_stats.cli.tables import Column

if TYPE_CHECKING:
    from tyk_endpoint_stats.questions.period import Period

__all__ = ["callers"]

_MEMBERS = ["kind", "id", "alias", "hits", "success", "error", "error_rate", "first_hit", "last_hit"]
_COLUMNS = (Column("kind", "kind"), Column("id", "consumer"), Column("alias", "alias"), *COUNTS, LAST_HIT)


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats callers --path /v1/orders
  tyk-endpoint-stats callers --path /v1/orders --api-id 4a1b --from 2026-10 --format csv
  tyk-endpoint-stats callers --path /v1/orders --last 1w --sort -last_hit"""
)
@store_option
@click.option("--path", metavar="PATH", required=True, help="The endpoint's path, as it was counted.")
@click.option("--api-id", metavar="ID", help="Only in this API; without it, in every API that has the path.")
@click.option("--kind", type=click.Choice(["key", "oauth"]), help="Only API keys, or only OAuth clients.")
@period_options()
@click.option("--org-id", metavar="ID", help="Only this organisation.")
@sort_option("-hits")
@limit_option
@format_option()
def callers(
    store_url: str,
    path: str,
    api_id: str | None,
    kind: str | None,
    period: "Period",
    org_id: str | None,
    sort: str,
    limit: int | None,
    form: str,
) -> None:
    """Who calls an endpoint: every key and OAuth client, busiest first.

    Hits without a key and a client are nobody's: a line on stderr says how many they are.
    """
    from tyk_endpoint_stats.cli.answers import say_nothing_found, write_answer
    from tyk_endpoint_stats.cli.opening import store_to_ask
    from tyk_endpoint_stats.core.batch import Kind
    from tyk_endpoint_stats.questions.answer import answer
    from tyk_endpoint_stats.questions.filters import Filter
    from tyk_endpoint_stats.questions.group_rows import ConsumerRow
    from tyk_endpoint_stats.questions.totals import totals

    where = Filter(path=path, api_id=api_id, kind=Kind(kind) if kind else None, org_id=org_id)
    with store_to_ask(store_url) as store:
        rows = answer(store, ConsumerRow, period, where, sort=sort, limit=limit, distributions=False)
        every = totals(store, period, where, distributions=False).hits
        if not rows and not every:
            say_nothing_found(store, period, where, "Nobody called this endpoint")
    nobodys = every - rows.total.hits if kind is None else 0
    if nobodys > 0:
        click.echo(f"At least {nobodys:,} hits more were without a key and a client.", err=True)
    write_answer(rows, period, _MEMBERS, _COLUMNS, form)

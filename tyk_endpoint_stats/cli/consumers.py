"""``consumers``: who was seen."""

from typing import TYPE_CHECKING

import click

from tyk_endpoint_stats.cli.answers import COUNTS, LAST_HIT
from tyk_endpoint_stats.cli.formats import format_option
from tyk_endpoint_stats.cli.options import limit_option, period_options, sort_option, store_option
from tyk_endpoint_stats.cli.tables import Column

if TYPE_CHECKING:
    from tyk_endpoint_stats.questions.period import Period

__all__ = ["consumers"]

_MEMBERS = ["kind", "id", "alias", "hits", "success", "error", "last_hit"]
_COLUMNS = (Column("kind", "kind"), Column("id", "consumer"), Column("alias", "alias"), *COUNTS, LAST_HIT)


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats consumers --kind oauth --from 2026-10 --format csv
  tyk-endpoint-stats consumers --consumer acme --last 30d --sort -last_hit --limit 10"""
)
@store_option
@click.option("--kind", type=click.Choice(["key", "oauth"]), help="Only API keys, or only OAuth clients.")
@click.option("--consumer", "text", metavar="TEXT", help="Only those with this text in their id or alias.")
@period_options(ever=True)
@click.option("--org-id", metavar="ID", help="Only this organisation.")
@sort_option("-hits")
@limit_option
@format_option()
def consumers(
    store_url: str,
    kind: str | None,
    text: str | None,
    period: "Period",
    org_id: str | None,
    sort: str,
    limit: int | None,
    form: str,
) -> None:
    """The API keys and OAuth clients that were seen, busiest first.

    A request with both a key and a client counts for both, and twice in the total line.
    """
    from tyk_endpoint_stats.cli.answers import say_nothing_found, write_answer
    from tyk_endpoint_stats.cli.hints import nearest_consumers
    from tyk_endpoint_stats.cli.opening import store_to_ask
    from tyk_endpoint_stats.core.batch import Kind
    from tyk_endpoint_stats.questions.answer import answer
    from tyk_endpoint_stats.questions.filters import Filter
    from tyk_endpoint_stats.questions.group_rows import ConsumerRow

    where = Filter(kind=Kind(kind) if kind else None, org_id=org_id, q=text)
    with store_to_ask(store_url) as store:
        rows = answer(store, ConsumerRow, period, where, sort=sort, limit=limit, distributions=False)
        near = nearest_consumers(store, text, org_id) if text and not rows else []
        if near:
            click.echo(f"No consumers were seen with that text; the nearest: {', '.join(near)}", err=True)
        elif not rows:
            say_nothing_found(store, period, Filter(kind=where.kind, org_id=org_id), "No consumers were seen")
    write_answer(rows, period, _MEMBERS, _COLUMNS, form)

"""``consumers``: who was seen."""

from datetime import date

import click

from tyk_endpoint_stats.cli.formats import format_option, write_rows
from tyk_endpoint_stats.cli.options import day_option, store_option, timezone_option

__all__ = ["consumers"]

_MEMBERS = ["kind", "id", "alias", "hits", "success", "error", "last_hit"]
_COLUMNS = (
    ("kind", "kind"),
    ("id", "consumer"),
    ("alias", "alias"),
    ("hits", "hits"),
    ("success", "success"),
    ("error", "error"),
    ("last_hit", "last hit"),
)


@click.command(
    epilog="""\b
Example:
  tyk-endpoint-stats consumers --kind oauth --from 2026-10-01 --format csv"""
)
@store_option
@click.option("--kind", type=click.Choice(["key", "oauth"]), help="Only API keys, or only OAuth clients.")
@day_option("--from", "first", "The first day; since ever if not given.")
@day_option("--to", "last", "The last day, inclusive.")
@timezone_option("Whose days, and in which zone to print times.")
@click.option("--org-id", metavar="ID", help="Only this organisation.")
@format_option()
def consumers(
    store_url: str,
    kind: str | None,
    first: date | None,
    last: date | None,
    timezone: str,
    org_id: str | None,
    form: str,
) -> None:
    """The API keys and OAuth clients that were seen, busiest first.

    A request with both a key and a client counts for both.
    """
    from tyk_endpoint_stats.cli.opening import store_to_ask
    from tyk_endpoint_stats.core.batch import Kind

    with store_to_ask(store_url) as store:
        rows = store.consumers(
            kind=Kind(kind) if kind else None, first=first, last=last, zone=timezone, org_id=org_id
        )
    members = [{name: getattr(row, name) for name in _MEMBERS} for row in rows]
    write_rows(members, _MEMBERS, _COLUMNS, form)
    if not rows:
        click.echo("No consumers were seen.", err=True)

"""``compare``: our answer beside another store's."""

from typing import TYPE_CHECKING, Any

import click

from tyk_endpoint_stats.cli.formats import format_option, write_rows
from tyk_endpoint_stats.cli.options import limit_option, period_options, store_option
from tyk_endpoint_stats.cli.tables import Column
from tyk_endpoint_stats.cli.whose import Whose, whose_options

if TYPE_CHECKING:
    from tyk_endpoint_stats.maintenance.compare import Difference
    from tyk_endpoint_stats.questions.period import Period

__all__ = ["compare"]

_MEMBERS = ["kind", "consumer", "api_id", "path", "member", "ours", "theirs", "difference", "reason", "explanation"]
_COLUMNS = (
    Column("consumer", "consumer"),
    Column("path", "path", "path"),
    Column("member", "of"),
    Column("ours", "ours", "mixed"),
    Column("theirs", "theirs", "mixed"),
    Column("shown_difference", "differs by"),
    Column("reason", "why"),
)


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats compare --with tyk-pump+mongodb://localhost/tyk_analytics --last 7d
  tyk-endpoint-stats compare --with sqlite:///other.db --from 2026-10 --format csv"""
)
@store_option
@click.option(
    "--with", "other_url", metavar="URL", required=True, help="The store to hold it against; both are only read."
)
@whose_options(required=False)
@period_options()
@click.option("--org-id", metavar="ID", help="Only this organisation.")
@click.option("--api-id", metavar="ID", help="Only this API.")
@limit_option
@format_option()
def compare(
    store_url: str,
    other_url: str,
    whose: Whose | None,
    period: "Period",
    org_id: str | None,
    api_id: str | None,
    limit: int | None,
    form: str,
) -> None:
    """Why a number is not Tyk's: the rows of a store that differ from another's.

    A row is a consumer and an endpoint; each of its members that differs is a line: ours, theirs, by how much, and
    why, where that can be told from the numbers. Rows with the largest difference in hits come first. Exit code 1
    if any row differs.
    """
    from tyk_endpoint_stats.cli.hints import period_text
    from tyk_endpoint_stats.cli.opening import store_to_ask, warn
    from tyk_endpoint_stats.cli.whose import named_consumer
    from tyk_endpoint_stats.maintenance.compare import compare as compare_stores
    from tyk_endpoint_stats.questions.filters import Filter

    with store_to_ask(store_url) as ours, store_to_ask(other_url) as theirs:
        for text in theirs.warnings:
            warn(text)
        consumer = None if whose is None else named_consumer(ours, whose, org_id)
        found = compare_stores(ours, theirs, period, Filter(consumer=consumer, org_id=org_id, api_id=api_id))
    shown = found.differences[:limit]
    rows = [line for each in shown for line in _lines(each, period)]
    write_rows(rows, _MEMBERS, _COLUMNS, form, under=_legend(shown))
    differing = len(found.differences)
    said = f"{differing:,} of {found.rows:,} rows differ, {period_text(period)}."
    if not differing:
        click.echo(f"All of {found.rows:,} rows are equal, {period_text(period)}.", err=True)
        return
    click.echo(said if len(shown) == differing else f"{said} {len(shown):,} are shown.", err=True)
    raise click.exceptions.Exit(1)


def _lines(difference: "Difference", period: "Period") -> list[dict[str, Any]]:
    """A line for each member that differs."""
    case = difference.case
    lines = []
    for member, (ours, theirs) in difference.members.items():
        reason = difference.reasons.get(member)
        by = None if ours is None or theirs is None else theirs - ours
        shown: list[Any] = [ours, theirs]
        if member == "last_hit":
            shown = [None if one is None else period.local(int(one)) for one in shown]
            by = None if by is None else by / 1e6  # seconds
        unit = " s" if member == "last_hit" else ""
        rounded = round(by, 2) if by is not None and abs(by) >= 0.01 else by
        lines.append(
            {
                "kind": case.consumer.kind,
                "consumer": case.consumer.id,
                "api_id": case.endpoint.api_id,
                "path": case.endpoint.path,
                "member": member,
                "ours": shown[0],
                "theirs": shown[1],
                "difference": by,
                "shown_difference": None if rounded is None else f"{rounded:+,.10g}{unit}",
                "reason": "not known" if reason is None else reason.name,
                "explanation": None if reason is None else reason.text,
            }
        )
    return lines


def _legend(differences: "list[Difference]") -> list[str]:
    """What the reasons' names mean, each once."""
    reasons = {reason.name: reason.text for each in differences for reason in each.reasons.values()}
    return ["", *(f"{name}: {text}" for name, text in reasons.items())] if reasons else []

"""``status``: what a store holds."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tyk_endpoint_stats.cli.formats import format_option
from tyk_endpoint_stats.cli.options import store_option, timezone_option
from tyk_endpoint_stats.cli.tables import Column

if TYPE_CHECKING:
    from tyk_endpoint_stats.core.batch import Counts
    from tyk_endpoint_stats.maintenance.status import StoreStatus

__all__ = ["status"]

_COLUMNS = (
    Column("source", "source"),
    Column("position", "position"),
    Column("read", "read"),
    Column("counted", "counted"),
    Column("skipped", "skipped"),
    Column("malformed", "malformed"),
)


@click.command(
    epilog="""\b
Example:
  tyk-endpoint-stats status --store sqlite:///stats.db --format json"""
)
@store_option
@timezone_option("In which zone to print times; days are UTC's.")
@format_option("table", "json")
def status(store_url: str, timezone: str, form: str) -> None:
    """What a store holds, and how far its sources are.

    A request with both a key and a client is two hits and one record. Records that were given without a source,
    from Python, are hits and in no count. What grew are UTC days before yesterday to
    which a later ingest brought more hits.
    """
    from tyk_endpoint_stats.cli.opening import store_to_ask
    from tyk_endpoint_stats.maintenance.status import status_of
    from tyk_endpoint_stats.urls import mask_url

    with store_to_ask(store_url) as store:
        found = status_of(store, timezone)
    if form == "json":
        from msgspec import json

        from tyk_endpoint_stats.web.tyk_json import ascii_json

        click.echo(json.format(ascii_json({"store": mask_url(store_url), **_members(found)}), indent=2))
        return
    for line in _lines(mask_url(store_url), found):
        click.echo(line)


def _members(found: "StoreStatus") -> dict[str, Any]:
    from msgspec.structs import asdict

    from tyk_endpoint_stats.questions.times import plain_value
    from tyk_endpoint_stats.stores.contract import StoreFacts

    facts = asdict(found.facts or StoreFacts())
    return {
        **facts,
        "pruned_before": _utc(facts["pruned_before"]),
        "hits": found.hits,
        "days": found.days,
        "first_day": found.first_day,
        "last_day": found.last_day,
        "first_hit": plain_value(found.first_hit),
        "last_hit": plain_value(found.last_hit),
        "counts": found.counts,
        "grown": None if found.grown is None else [month.to_dict() for month in found.grown],
        "sources": found.sources,
    }


def _lines(url: str, found: "StoreStatus") -> Iterator[str]:
    from tyk_endpoint_stats.cli.escaping import printable
    from tyk_endpoint_stats.cli.growth import growth_texts
    from tyk_endpoint_stats.cli.tables import table_lines, terminal_width
    from tyk_endpoint_stats.questions.times import plain_value
    from tyk_endpoint_stats.stores.contract import StoreFacts

    facts = found.facts or StoreFacts()
    days = f"{found.days:,}" + (f", {found.first_day} to {found.last_day} (UTC)" if found.days else "")
    pruned = "none" if facts.pruned_before is None else f"before {_utc(facts.pruned_before)}"
    rows = [
        ("store", printable(url, keep_newlines=False)),
        ("schema", facts.schema),
        ("size", None if facts.size_bytes is None else f"{facts.size_bytes / 2**20:,.1f} MiB"),
        ("consumers", _number(facts.consumers)),
        ("endpoints", _number(facts.endpoints)),
        ("day rows", _number(facts.day_rows)),
        ("totals", _number(facts.total_rows)),
        ("pruned", f"quarter hours: {pruned}" if facts.schema else None),
        ("days", days),
        ("oldest hit", plain_value(found.first_hit)),
        ("newest hit", plain_value(found.last_hit)),
        ("hits", f"{found.hits:,}"),
        *_count_rows(found.counts),
        *(("" if number else "grew", text) for number, text in enumerate(growth_texts(found.grown or ()))),
    ]
    yield from (f"{name:<12}{value}" for name, value in rows if value is not None)
    if found.sources:
        yield ""
        yield from table_lines(
            [
                {
                    "source": source.source,
                    "position": source.position,
                    "read": source.counts.read,
                    "counted": source.counts.counted,
                    "skipped": sum(source.counts.skipped.values()),
                    "malformed": sum(source.counts.malformed.values()),
                }
                for source in found.sources
            ],
            _COLUMNS,
            terminal_width(),
        )


def _count_rows(counts: "Counts") -> list[tuple[str, str]]:
    from tyk_endpoint_stats.cli.ingest_report import reasons

    return [
        ("read", f"{counts.read:,}"),
        ("counted", f"{counts.counted:,}" + (f"  ({counts.repaired:,} repaired)" if counts.repaired else "")),
        ("skipped", f"{sum(counts.skipped.values()):,}{reasons(counts.skipped)}"),
        ("malformed", f"{sum(counts.malformed.values()):,}{reasons(counts.malformed)}"),
    ]


def _number(count: int | None) -> str | None:
    return None if count is None else f"{count:,}"


def _utc(instant: int | None) -> str | None:
    from tyk_endpoint_stats.core.instants import format_rfc3339

    return None if instant is None else format_rfc3339(instant)

"""``endpoints``: the answer in a terminal."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from tyk_endpoint_stats.cli.formats import format_option, write_rows
from tyk_endpoint_stats.cli.options import day_option, store_option, timezone_option
from tyk_endpoint_stats.core.fingerprint import fingerprint

if TYPE_CHECKING:
    from tyk_endpoint_stats.questions.endpoints import EndpointRow
    from tyk_endpoint_stats.stores.contract import ReadableStore
    from tyk_endpoint_stats.tyk.session_token import RecordedKey

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
_COLUMNS = (
    ("api", "api"),
    ("path", "path"),
    ("hits", "hits"),
    ("success", "success"),
    ("error", "error"),
    ("latency", "mean ms"),
    ("p95", "p95"),
    ("max_latency", "max"),
    ("last_hit", "last hit"),
)


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats endpoints --key 7f3c3ca87376cabe --from 2020-10-13 --to 2020-10-14
  tyk-endpoint-stats endpoints --raw-key --key - --from 2020-10-13 --to 2020-10-14 <key
  tyk-endpoint-stats endpoints --raw-key --key partner-acme --org-id 64c1f0aa9b2e4d0001a7c3e5 …"""
)
@store_option
@click.option("--key", metavar="KEY", help="An API key as the gateway records it: usually its hash.")
@click.option(
    "--raw-key",
    is_flag=True,
    help="KEY is the key itself, which is hashed as the gateway does; with --key - it is read from stdin, where it "
    "does not show in the process list. With --org-id it may be an imported key, a basic-auth user's name or a "
    "JWT's claim too: what the store knows of the hashes that the gateway may make of it is found.",
)
@click.option("--oauth-client", metavar="ID", help="An OAuth client's id.")
@day_option("--from", "first", "The first day.", required=True)
@day_option("--to", "last", "The last day, inclusive.", required=True)
@timezone_option("Whose days, and in which zone to print times.")
@click.option("--org-id", metavar="ID", help="Only this organisation.")
@click.option("--api-id", metavar="ID", help="Only this API.")
@format_option("tyk")
def endpoints(
    store_url: str,
    key: str | None,
    raw_key: bool,
    oauth_client: str | None,
    first: date,
    last: date,
    timezone: str,
    org_id: str | None,
    api_id: str | None,
    form: str,
) -> None:
    """Which endpoints one consumer called between two days.

    Durations are in milliseconds. Busiest endpoint first. `--format tyk` prints what the HTTP route answers;
    json, ndjson and csv have more: status codes, percentiles, the first hit.
    """
    if (key is None) == (oauth_client is None):
        raise click.UsageError("say whose endpoints: either --key KEY or --oauth-client ID")
    if raw_key and key is None:
        raise click.UsageError("--raw-key says what --key KEY is: give that too")
    from tyk_endpoint_stats.cli.opening import store_to_ask
    from tyk_endpoint_stats.core.batch import Consumer

    if raw_key and key is not None:
        from tyk_endpoint_stats.cli.hash_key import token_given
        from tyk_endpoint_stats.tyk.key_hash import key_hash

        raw = token_given(key)
        key = key_hash(raw)
    with store_to_ask(store_url) as store:
        if raw_key and org_id is not None:
            key = _recorded_key(store, org_id, raw)
        consumer = Consumer.key(key) if key is not None else Consumer.oauth_client(oauth_client or "")
        rows = store.endpoints(
            consumer, first, last, zone=timezone, org_id=org_id, api_id=api_id, distributions=form != "tyk"
        )
    if form == "tyk":
        from tyk_endpoint_stats.web.tyk_json import endpoints_body

        click.echo(endpoints_body(rows, 1))
        return
    write_rows([_members(row) for row in rows], _MEMBERS, _COLUMNS, form)
    if not rows:
        who = "this key" if key is not None else "this OAuth client"
        click.echo(f"No requests of {who} from {first} to {last} ({timezone}).", err=True)


def _recorded_key(store: "ReadableStore", org_id: str, raw: str) -> str:
    """The id under which the store knows a key, which is said on stderr; one without hits if it knows none.

    Raises:
        ClickException: it knows several; which of them is meant, nobody can tell.
    """
    from tyk_endpoint_stats.questions.known_keys import known_keys
    from tyk_endpoint_stats.tyk.session_token import recorded_keys

    candidates = list(recorded_keys(org_id, raw))
    found = known_keys(store, candidates, org_id)
    if len(found) > 1:
        raise click.ClickException(
            f"this key is recorded under {len(found)} ids in that organisation; ask for each of them with --key:\n"
            + "\n".join(f"  {_shown_id(each)}  {each.what}" for each in found)
        )
    if not found:
        click.echo(
            f"None of the {len(candidates)} ids under which the gateway may record this key ever called in this "
            "organisation.",
            err=True,
        )
        return candidates[0].id
    click.echo(f"Recorded as {_shown_id(found[0])}: {found[0].what}", err=True)
    return found[0].id


def _shown_id(found: "RecordedKey") -> str:
    """An id for a message, which may end up in a log: a key that was recorded as it is shows as a digest."""
    return found.id if found.is_hash else fingerprint(found.id)


def _members(row: "EndpointRow") -> dict[str, Any]:
    from tyk_endpoint_stats.core.instants import to_datetime

    stats = row.stats
    first_us = stats.first_hit_us  # what somebody else's data may not say
    return {
        "api_id": row.api_id,
        "api": row.api_name or row.api_id,
        "api_name": row.api_name,
        "path": row.path,
        "hits": row.hits,
        "success": row.success,
        "error": row.error,
        "first_hit": None if first_us is None else to_datetime(first_us, row.zone),
        "last_hit": row.last_hit,
        "request_time": row.request_time,
        "latency": row.latency,
        "upstream_latency": row.upstream_latency,
        "max_latency": row.max_latency,
        "min_latency": row.min_latency,
        "max_upstream_latency": row.max_upstream_latency,
        "min_upstream_latency": row.min_upstream_latency,
        "p50": _rounded(stats.latency_percentile_ms(50)),
        "p95": _rounded(stats.latency_percentile_ms(95)),
        "p99": _rounded(stats.latency_percentile_ms(99)),
        "codes": {str(code): count for code, count in sorted(stats.codes.items())},
    }


def _rounded(percentile: float | None) -> float | None:
    """The histogram is good for about 1 %: more digits would pretend."""
    return None if percentile is None else round(percentile, 1)

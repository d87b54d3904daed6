"""``serve``: the routes over HTTP."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.cli.options import store_option, timezone_option
from tyk_endpoint_stats.cli.rules import rules_options

if TYPE_CHECKING:
    from tyk_endpoint_stats.core.aggregator import Rules
    from tyk_endpoint_stats.core.batch import Consumer
    from tyk_endpoint_stats.demo import Traffic
    from tyk_endpoint_stats.ingest.follower import Follower
    from tyk_endpoint_stats.plugin_manager import Plugins
    from tyk_endpoint_stats.stores.contract import ReadableStore
    from tyk_endpoint_stats.web.tokens import Tokens

__all__ = ["serve"]

_DEMO_RECORDS = 50_000


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats serve --demo
  tyk-endpoint-stats serve --timezone Asia/Kolkata --token-file tokens
  tyk-endpoint-stats serve --ingest '/var/log/tyk-pump*.log' --token-file tokens"""
)
@store_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=3000, show_default=True, help="The port; 0: one that is free."
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    metavar="T",
    help="A valid token; may be repeated. It shows in the process list: rather use --token-file, or the "
    "variable TYK_ENDPOINT_STATS_SERVE_TOKEN. With none, one is made and printed.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file or pipe of tokens, a line each: TOKEN, or TOKEN ORG_ID for one that sees only that organisation.",
)
@timezone_option("The reporting time zone: whose days are asked for, and how times are written.")
@click.option("--page-size", type=click.IntRange(min=1), default=10, show_default=True, help="Rows a page (?p=).")
@click.option(
    "--max-rows",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="An answer of more rows is refused, and a page of it too. So many take some 14 MB of memory.",
)
@click.option(
    "--end-date",
    type=click.Choice(["inclusive", "exclusive"]),
    default="inclusive",
    show_default=True,
    help="Whether the last day belongs to the range; older Dashboards leave it out.",
)
@click.option(
    "--ingest",
    "sources",
    multiple=True,
    metavar="SOURCE",
    help="Read records while serving, as `ingest --follow` does; may be repeated.",
)
@rules_options
@click.option("--demo", is_flag=True, help="Serve a month of generated traffic, and print URLs that answer.")
@click.pass_context
def serve(
    ctx: click.Context,
    store_url: str,
    host: str,
    port: int,
    tokens: tuple[str, ...],
    token_file: Path | None,
    timezone: str,
    page_size: int,
    max_rows: int,
    end_date: str,
    sources: tuple[str, ...],
    rules: "Rules",
    demo: bool,
) -> None:
    """Answer the two routes of Tyk's Dashboard.

    \b
    GET /api/activity/keys/endpoint/KEY/1/10/2026/31/10/2026
    GET /api/activity/oauthid/endpoint/CLIENT/1/10/2026/31/10/2026
    """
    from tyk_endpoint_stats.cli.opening import plugins_with_warnings
    from tyk_endpoint_stats.core.instants import find_zone
    from tyk_endpoint_stats.web.log_lines import LineFormatter
    from tyk_endpoint_stats.web.server import make_server
    from tyk_endpoint_stats.web.settings import Settings
    from tyk_endpoint_stats.web.signals import serve_until_signalled
    from tyk_endpoint_stats.web.tokens import make_token

    if demo and ctx.get_parameter_source("store_url") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--demo serves generated traffic from memory: leave --store out")
    if demo and sources:
        raise click.UsageError("--demo serves generated traffic alone: leave --ingest out")
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    made = None if tokens or token_file else make_token()
    settings = Settings(
        tokens=_valid_tokens((made,) if made else tokens, token_file),
        zone=find_zone(timezone),
        page_size=page_size,
        end_date_exclusive=end_date == "exclusive",
        max_rows=max_rows,
    )
    traffic = _traffic(timezone) if demo else None
    plugins = plugins_with_warnings()
    with _filled(traffic) if traffic else _store(store_url, plugins, bool(sources)) as store:
        follower = _follower(store, sources, plugins, rules, lambda: server.shutdown()) if sources else None
        try:
            server = make_server(store, settings=settings, host=host, port=port)
        except OSError as problem:
            raise click.ClickException(
                f"can't listen at {printable(host)} port {port}: {problem.strerror or problem}; "
                "try another --port or --host"
            ) from problem
        click.echo(f"Serving on {server.url}, days in {timezone}. Ctrl-C stops.")
        for line in _invitation(server.url, made, traffic):
            click.echo(line)
        with follower or nullcontext():
            serve_until_signalled(server)
        if follower is not None and follower.problem is not None:
            raise follower.problem


def _store(url: str, plugins: "Plugins", to_fill: bool) -> "ReadableStore":
    from tyk_endpoint_stats.cli.opening import store_to_fill, store_to_serve

    return store_to_fill(url, plugins) if to_fill else store_to_serve(url, plugins)


def _follower(
    store: "ReadableStore",
    names: Sequence[str],
    plugins: "Plugins",
    rules: "Rules",
    stop_serving: Callable[[], None],
) -> "Follower":
    from tyk_endpoint_stats.cli.ingest_report import minute_line
    from tyk_endpoint_stats.cli.opening import source_finder
    from tyk_endpoint_stats.ingest.follower import Follower
    from tyk_endpoint_stats.ingest.options import IngestOptions
    from tyk_endpoint_stats.stores.contract import Store

    assert isinstance(store, Store)
    return Follower(
        store,
        names,
        source_finder(plugins),
        IngestOptions(rules=rules),
        on_report=lambda report: click.echo(minute_line(report), err=True),
        on_problem=lambda problem: click.echo(f"Waiting: {printable(problem)}", err=True),
        on_failure=stop_serving,
    )


def _valid_tokens(tokens: tuple[str, ...], token_file: Path | None) -> "Tokens":
    from tyk_endpoint_stats.web.tokens import InvalidToken, Tokens, read_token_file

    try:
        return Tokens([*tokens, *(read_token_file(token_file) if token_file else ())])
    except InvalidToken as problem:
        raise click.UsageError(printable(str(problem))) from problem


def _traffic(timezone: str) -> "Traffic":
    from tyk_endpoint_stats.demo import Traffic

    return Traffic(records=_DEMO_RECORDS, zone=timezone)


def _filled(traffic: "Traffic") -> "ReadableStore":
    from tyk_endpoint_stats.opening import open_store

    click.echo(f"Making {traffic.records:,} requests up to {traffic.until} …", err=True)
    store = open_store("memory://")
    store.ingest(traffic.decoded())
    return store


def _invitation(url: str, token: str | None, traffic: "Traffic | None") -> list[str]:
    """What to try next. A token that was given is not shown again; a made one is shown this once."""
    lines = [f"Token, made for this run: {token}"] if token else []
    authorization = token or "$TOKEN"
    if traffic is None:
        if token:
            example = f"{url}/api/activity/keys/endpoint/KEY/1/10/2026/31/10/2026"
            lines += ["", f"  curl -H 'authorization: {authorization}' '{example}'"]
            lines += ["", "`tyk-endpoint-stats consumers` lists the keys and clients that can be asked about."]
        return lines
    from tyk_endpoint_stats.core.batch import Kind

    for kind, what in ((Kind.KEY, "API key"), (Kind.OAUTH, "OAuth client")):
        consumer = traffic.busiest(kind)
        target = f"{url}{_path(consumer, traffic)}"
        lines += [
            "",
            f"{what} {consumer.id}:",
            f"  {target}",
            f"  curl -H 'authorization: {authorization}' '{target}'",
        ]
    return lines


def _path(consumer: "Consumer", traffic: "Traffic") -> str:
    route = "keys" if consumer.kind == "key" else "oauthid"
    first = traffic.until - timedelta(days=round(traffic.days) - 1)
    days = "/".join(f"{day.day}/{day.month}/{day.year}" for day in (first, traffic.until))
    return f"/api/activity/{route}/endpoint/{quote(consumer.id, safe='')}/{days}"

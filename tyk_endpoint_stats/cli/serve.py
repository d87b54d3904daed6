"""``serve``: the routes over HTTP."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.cli.options import store_option, timezone_option
from tyk_endpoint_stats.cli.rules import rules_options
from tyk_endpoint_stats.cli.serve_options import operations_options

if TYPE_CHECKING:
    from tyk_endpoint_stats.core.aggregator import Rules
    from tyk_endpoint_stats.demo import Traffic
    from tyk_endpoint_stats.ingest.follower import Follower
    from tyk_endpoint_stats.plugin_manager import Plugins
    from tyk_endpoint_stats.stores.base import ReadableStore
    from tyk_endpoint_stats.web.operations import Operations

__all__ = ["serve"]

_DEMO = {"records": 60_000, "days": 61, "keys": 40, "clients": 8, "endpoints": 48}
"""Enough for a month and the one before it, and little enough to wait for."""


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats serve --demo
  tyk-endpoint-stats serve --timezone Asia/Kolkata --token-file tokens
  tyk-endpoint-stats serve --ingest '/var/log/tyk-pump*.log' --token-file tokens
  tyk-endpoint-stats serve --retain 400d --token-file tokens
  tyk-endpoint-stats serve --unix /run/tyk-endpoint-stats/http.sock --token-file tokens"""
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
    help="An answer of more rows is not sent; a page of it is. So many take some 14 MB of memory.",
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
@operations_options
@click.option("--open", "open_browser", is_flag=True, help="Open the pages in a browser, signed in.")
@rules_options
@click.option("--demo", is_flag=True, help="Serve two months of generated traffic, and print URLs that answer.")
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
    stalled_after: float,
    retain: int | None,
    unix: Path | None,
    unix_mode: int,
    idle_timeout: float,
    public_url: str | None,
    metrics_for: str,
    log_format: str,
    open_browser: bool,
    rules: "Rules",
    demo: bool,
) -> None:
    """Answer over HTTP: Tyk's routes, /v1, and pages for people.

    \b
    GET /api/activity/keys/endpoint/KEY/1/10/2026/31/10/2026
    GET /api/activity/oauthid/endpoint/CLIENT/1/10/2026/31/10/2026
    GET /v1/totals and others, which /openapi.json describes
    GET /ui/

    /health, /ready and /metrics are for whoever runs it. SIGTERM lets requests in flight end; SIGHUP reads
    --token-file again, and nothing else changes.
    """
    from tyk_endpoint_stats.cli.opening import plugins_with_warnings
    from tyk_endpoint_stats.cli.serve_examples import examples, once_link
    from tyk_endpoint_stats.cli.serve_log import set_up_log
    from tyk_endpoint_stats.cli.serve_tokens import read_tokens_again, valid_tokens
    from tyk_endpoint_stats.core.instants import find_zone
    from tyk_endpoint_stats.web.connection import Limits
    from tyk_endpoint_stats.web.notify import Notifier
    from tyk_endpoint_stats.web.server import UnixAddress, make_server
    from tyk_endpoint_stats.web.settings import Settings
    from tyk_endpoint_stats.web.signals import serve_until_signalled
    from tyk_endpoint_stats.web.tokens import make_token

    _refuse_what_excludes_itself(ctx, demo, bool(sources), unix)
    set_up_log(ctx, log_format)
    made = None if tokens or token_file else make_token()
    try:
        settings = Settings(
            tokens=valid_tokens((made,) if made else tokens, token_file),
            zone=find_zone(timezone),
            page_size=page_size,
            end_date_exclusive=end_date == "exclusive",
            max_rows=max_rows,
            public_url=public_url and public_url.rstrip("/"),
        )
    except ValueError as problem:
        raise click.UsageError(f"--public-url: {problem}") from problem
    traffic = _traffic(timezone) if demo else None
    plugins = plugins_with_warnings()

    def invite() -> None:
        click.echo(f"Serving on {printable(server.url)}, days in {timezone}. Ctrl-C stops.")
        url = settings.public_url or ("http://localhost" if unix else server.url)
        for line in examples(url, made, traffic, None if settings.public_url else unix):
            click.echo(line)
        if (made or open_browser) and (settings.public_url or not unix):
            link = once_link(url, settings, traffic.grown() if traffic else None)
            click.echo(f"\nOpen in a browser, once and within ten minutes:\n  {link}")
            if open_browser:
                click.launch(link)

    with _filled(traffic) if traffic else _store(store_url, plugins, bool(sources)) as store:
        follower = _follower(store, sources, plugins, rules, log_format, lambda: server.shutdown())
        try:
            server = make_server(
                store,
                settings=settings,
                host=host,
                port=port,
                unix=UnixAddress(unix, unix_mode) if unix else None,
                limits=Limits(idle_s=idle_timeout),
                operations=_operations(follower, stalled_after, metrics_for),
            )
        except OSError as problem:
            raise click.ClickException(
                f"can't listen at {printable(str(unix) if unix else f'{host} port {port}')}: "
                f"{problem.strerror or problem}; try another {'--unix' if unix else '--port or --host'}"
            ) from problem
        with server, _retention(store, retain), follower or nullcontext():
            serve_until_signalled(
                server,
                on_ready=invite,
                on_hangup=lambda: read_tokens_again(server, tokens, token_file),
                notifier=Notifier(os.environ),
            )
        if follower is not None and follower.problem is not None:
            raise follower.problem


def _refuse_what_excludes_itself(ctx: click.Context, demo: bool, ingests: bool, unix: Path | None) -> None:
    def is_given(*names: str) -> bool:
        return any(ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE for name in names)

    if demo and is_given("store_url"):
        raise click.UsageError("--demo serves generated traffic from memory: leave --store out")
    if demo and ingests:
        raise click.UsageError("--demo serves generated traffic alone: leave --ingest out")
    if unix and is_given("host", "port"):
        raise click.UsageError("--unix listens at a socket alone: leave --host and --port out")


def _retention(store: "ReadableStore", days: int | None) -> AbstractContextManager[object]:
    from tyk_endpoint_stats.maintenance.retention import Retention
    from tyk_endpoint_stats.stores.contract import Retaining

    if days is None:
        return nullcontext()
    if not isinstance(store, Retaining):
        raise click.UsageError("--retain: this store can't drop days")
    return Retention(store, days)


def _store(url: str, plugins: "Plugins", to_fill: bool) -> "ReadableStore":
    from tyk_endpoint_stats.cli.opening import is_new, store_to_fill, store_to_serve, warn
    from tyk_endpoint_stats.urls import mask_url

    store = store_to_fill(url, plugins) if to_fill else store_to_serve(url, plugins)
    if is_new(store):
        how = "" if to_fill else f"; to fill it: tyk-endpoint-stats ingest --store {mask_url(url)} FILE"
        warn(f"{mask_url(url)} is new and empty{how}")
    return store


def _follower(
    store: "ReadableStore",
    names: Sequence[str],
    plugins: "Plugins",
    rules: "Rules",
    log_format: str,
    stop_serving: Callable[[], None],
) -> "Follower | None":
    from tyk_endpoint_stats.cli.opening import source_finder
    from tyk_endpoint_stats.cli.serve_log import on_problem, on_report
    from tyk_endpoint_stats.ingest.follower import Follower
    from tyk_endpoint_stats.ingest.options import IngestOptions
    from tyk_endpoint_stats.stores.base import Store

    if not names:
        return None
    assert isinstance(store, Store)
    return Follower(
        store,
        names,
        source_finder(plugins),
        IngestOptions(rules=rules),
        on_report=on_report(log_format),
        on_problem=on_problem(log_format),
        on_failure=stop_serving,
    )


def _operations(follower: "Follower | None", stalled_after_s: float, metrics_for: str) -> "Operations":
    import time

    from tyk_endpoint_stats.web.metrics import Metrics
    from tyk_endpoint_stats.web.operations import Operations
    from tyk_endpoint_stats.web.representations import package_version

    watch = follower.watch if follower else None
    return Operations(
        unready=lambda: watch.stalled(stalled_after_s) if watch else None,
        metrics=None
        if metrics_for == "off"
        else Metrics(package_version(), now=time.time, watch=watch, stalled_after_s=stalled_after_s),
        metrics_need_token=metrics_for == "token",
    )


def _traffic(timezone: str) -> "Traffic":
    from tyk_endpoint_stats.core.instants import find_zone
    from tyk_endpoint_stats.demo import Traffic

    now = datetime.now(UTC)
    until = now.astimezone(find_zone(timezone)).date()
    return Traffic(zone=timezone, until=until, end=now, story=True, full=False, **_DEMO)


def _filled(traffic: "Traffic") -> "ReadableStore":
    from tyk_endpoint_stats.core.aggregator import Rules
    from tyk_endpoint_stats.opening import open_store

    click.echo(f"Making {traffic.records:,} requests of the last {traffic.days:g} days …", err=True)
    store = open_store("memory://")
    store.ingest(traffic.decoded(), rules=Rules(normalise=frozenset({"number"})))
    return store

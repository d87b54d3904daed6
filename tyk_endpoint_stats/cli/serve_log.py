"""What ``serve`` says while it runs, on stderr: lines for people, or an object a line for programs."""

import logging
from collections.abc import Callable

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.cli.ingest_report import minute_line, sums
from tyk_endpoint_stats.cli.opening import LOG_WARNINGS
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.web.log_lines import FIELDS, JsonFormatter, LineFormatter

__all__ = ["on_problem", "on_report", "set_up_log"]

_log = logging.getLogger(__name__)


def set_up_log(ctx: click.Context, log_format: str) -> None:
    """Log to stderr from now on; with ``json`` warnings of the command line too."""
    handler = logging.StreamHandler()
    is_json = log_format == "json"
    handler.setFormatter(JsonFormatter() if is_json else LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    ctx.meta[LOG_WARNINGS] = is_json


def on_report(log_format: str) -> Callable[[IngestReport], None]:
    """Says each minute where following stands."""
    if log_format == "text":
        return lambda report: click.echo(minute_line(report), err=True)
    return lambda report: _log.info("ingested", extra={FIELDS: sums(report)})


def on_problem(log_format: str) -> Callable[[str], None]:
    """Says what following waits for."""
    if log_format == "text":
        return lambda problem: click.echo(f"Waiting: {printable(problem)}", err=True)
    return lambda problem: _log.warning("waiting: %s", problem)

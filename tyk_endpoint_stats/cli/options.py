"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.core.instants import find_zone
from tyk_endpoint_stats.errors import InvalidQuestion

__all__ = ["DEFAULT_STORE", "day_option", "store_option", "timezone_option"]

DEFAULT_STORE = "sqlite:///tyk-endpoint-stats.db"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


store_option = click.option(
    "--store",
    "store_url",
    metavar="URL",
    default=DEFAULT_STORE,
    show_default=True,
    help="Where the numbers are kept.",
)


def day_option(name: str, variable: str, text: str, required: bool = False) -> Callable[[Decorated], Decorated]:
    """A day, written as ``2026-10-31``."""
    return click.option(
        name,
        variable,
        type=click.DateTime(["%Y-%m-%d"]),
        callback=lambda ctx, param, value: value and value.date(),
        required=required,
        metavar="YYYY-MM-DD",
        help=text,
    )


def timezone_option(text: str) -> Callable[[Decorated], Decorated]:
    """``--timezone``; stays a name, so that messages can show it."""
    return click.option(
        "--timezone", metavar="ZONE", default="UTC", show_default=True, callback=_checked_zone, help=text
    )


def _checked_zone(ctx: click.Context, param: click.Parameter, value: str) -> str:
    try:
        find_zone(value)
    except InvalidQuestion as problem:
        raise click.BadParameter(printable(str(problem)), ctx, param) from problem
    return value

"""Options that several commands share."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.core.instants import find_zone
from tyk_endpoint_stats.errors import InvalidQuestion

if TYPE_CHECKING:
    from tyk_endpoint_stats.questions.period import Period

__all__ = [
    "DEFAULT_STORE",
    "day_option",
    "limit_option",
    "period_options",
    "sort_option",
    "store_option",
    "timezone_option",
]

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

limit_option = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="So many rows at most.")


def sort_option(default: str) -> Callable[[Decorated], Decorated]:
    """``--sort``: a member's name, with ``-`` before it for the largest first."""
    return click.option(
        "--sort",
        metavar="[-]MEMBER",
        default=default,
        show_default=True,
        help="By which member of the rows, such as -p95 or path; - is for the largest first.",
    )


def day_option(name: str, variable: str, text: str, required: bool = False) -> Callable[[Decorated], Decorated]:
    """A day of UTC: the first of what the words of ``--from`` mean."""
    return click.option(
        name,
        variable,
        metavar="DAY",
        callback=_checked_day,
        required=required,
        help=f"{text} 2026-10-13, today, yesterday, a month (2026-10: its first day), or 30d (the last 30 days).",
    )


def period_options(*, ever: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--from``, ``--to``, ``--last`` and ``--timezone`` as one argument, ``period``.

    Args:
        ever: what is asked for where nothing is said: all there is; otherwise the last 30 days.
    """
    default = "Since ever" if ever else "The last 30 days"

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--from",
            "first",
            metavar="TIME",
            callback=_checked_time,
            help="The first day (2026-10-13, today, yesterday, or a month, 2026-10), or an instant in quarter hours "
            f"(2026-10-31T14:00); all: since ever.  [default: {default.lower()}]",
        )
        @click.option(
            "--to",
            "last",
            metavar="TIME",
            callback=_checked_time,
            help="The last day or month, inclusive, or an instant.",
        )
        @click.option(
            "--last", "length", metavar="LENGTH", help="Instead of both: 30d (days, with today), 4w, 2h or 45m."
        )
        @timezone_option("Whose days, and in which zone to print times.")
        @wraps(command)
        def with_period(
            *args: Any, first: str | None, last: str | None, length: str | None, timezone: str, **kwargs: Any
        ) -> Any:
            from tyk_endpoint_stats.questions.period import EVER, Period

            now = datetime.now(UTC)
            if length is not None:
                if first is not None or last is not None:
                    raise click.UsageError("--last and --from or --to exclude each other")
                period = Period.latest(length, now, timezone)
            else:
                period = Period.between(first or ("all" if ever else None), last, now, timezone)
                if ever and last is None:
                    period = Period(period.start, EVER[1], period.zone)
            return command(*args, period=period, **kwargs)

        return with_period

    return decorate


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


def _checked_time(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        _period_of(ctx, param, value)
    return value


def _checked_day(ctx: click.Context, param: click.Parameter, value: str | None) -> date | None:
    from tyk_endpoint_stats.core.instants import DAY_US

    if value is None:
        return None
    period = _period_of(ctx, param, value)
    if value == "all" or period.start % DAY_US:
        raise click.BadParameter(
            f"{printable(value)!r} is no day: say 2026-10-13, today, yesterday, a month (2026-10: its first day), or "
            "30d (the last 30 days)",
            ctx,
            param,
        )
    return period.first_day


def _period_of(ctx: click.Context, param: click.Parameter, value: str) -> "Period":
    from tyk_endpoint_stats.questions.period import Period

    try:
        return Period.parse(value, datetime.now(UTC))
    except InvalidQuestion as problem:
        raise click.BadParameter(printable(str(problem)), ctx, param) from problem

"""The options of ``serve`` that are about the process, not about answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["operations_options"]

Decorated = Callable[..., Any]


def operations_options(function: Decorated) -> Decorated:
    """Where it listens and for how long, what it says of itself, and how."""
    for option in reversed(_options()):
        function = option(function)
    return function


def _options() -> list[Callable[[Decorated], Decorated]]:
    return [
        click.option(
            "--stalled-after",
            type=click.FloatRange(min=2),
            default=120.0,
            show_default=True,
            metavar="SECONDS",
            help="With --ingest: /ready says no when nothing moved for so long although there may be more.",
        ),
        click.option(
            "--retain",
            metavar="DAYSd",
            callback=_days,
            help="Keep so many days before today's (UTC): 400d. Once a day older ones are dropped, totals too.",
        ),
        click.option(
            "--unix",
            type=click.Path(dir_okay=False, path_type=Path),
            help="Listen at this Unix socket, not at a port.",
        ),
        click.option(
            "--unix-mode",
            default="660",
            show_default=True,
            metavar="MODE",
            callback=_mode,
            help="The socket's permissions; to connect takes the right to write.",
        ),
        click.option(
            "--idle-timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=75.0,
            show_default=True,
            metavar="SECONDS",
            help="How long a connection may wait for its next request: longer than a balancer in front keeps one.",
        ),
        click.option(
            "--public-url",
            metavar="URL",
            help="Under which clients reach the server, behind a proxy: https://stats.example/prefix.",
        ),
        click.option(
            "--metrics",
            "metrics_for",
            type=click.Choice(["token", "open", "off"]),
            default="token",
            show_default=True,
            help="Who may read /metrics (Prometheus): holders of a token without an organisation, all, or nobody.",
        ),
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="How stderr is written: a line an event for people, or one JSON object a line.",
        ),
    ]


def _mode(ctx: click.Context, param: click.Parameter, value: str) -> int:
    if len(value) not in (3, 4) or not set(value) <= set("01234567"):
        raise click.BadParameter(f"{value!r} is no file mode; for example 660", ctx, param)
    return int(value, 8)


def _days(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    number = value.removesuffix("d")
    if not (number.isascii() and number.isdecimal() and 1 <= int(number) <= 100_000):
        raise click.BadParameter("say how many days are kept: 400d")
    return int(number)

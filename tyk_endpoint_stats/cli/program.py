"""The program: its commands, each imported when it is used, and what its errors look like."""

import os
import sys
from importlib import import_module
from typing import Any

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.errors import InvalidQuestion, InvalidRule, PluginError, TykEndpointStatsError

__all__ = ["COMMANDS", "program"]

COMMANDS = (
    "serve",
    "ingest",
    "endpoints",
    "consumers",
    "callers",
    "series",
    "compare",
    "status",
    "verify",
    "copy",
    "prune",
    "forget",
    "report",
    "demo",
    "hash-key",
    "plugins",
)

_PREFIX = "TYK_ENDPOINT_STATS"


class _Program(click.Group):
    """Exit codes: 0 done, 1 the work failed, 2 wrong usage."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"tyk_endpoint_stats.cli.{name}"), name)
        for param in command.params:
            if isinstance(param, click.Option):
                param.envvar = _variables(name, param)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (InvalidQuestion, InvalidRule, PluginError) as problem:
            raise _WrongUsage(printable(str(problem))) from problem
        except UnicodeEncodeError as problem:
            if not any(map(_is_no_text, (*sys.argv, *os.environ.values()))):
                raise
            # Which one is not said: it may be a key.
            raise _WrongUsage("an argument, or a variable, is not UTF-8") from problem
        except TykEndpointStatsError as problem:
            raise click.ClickException(printable(str(problem))) from problem


def _variables(command: str, option: click.Option) -> list[str]:
    """By the option's own name, where click's would go by the function's parameter; the first that is set wins."""
    name = max(option.opts, key=len).strip("-").replace("-", "_")
    variables = [f"{_PREFIX}_{command}_{name}".upper()]
    return [*variables, f"{_PREFIX}_STORE"] if name == "store" else variables


def _is_no_text(argument: str) -> bool:
    """Whether there are bytes in it that are not UTF-8, which Python hands over as lone surrogates."""
    return any("\udc80" <= char <= "\udcff" for char in argument)


class _WrongUsage(click.ClickException):
    exit_code = 2


@click.group(
    cls=_Program,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
    epilog="Every option can be set by an environment variable: TYK_ENDPOINT_STATS_<COMMAND>_<OPTION>; "
    "--store everywhere by TYK_ENDPOINT_STATS_STORE.",
)
@click.version_option(package_name="tyk-endpoint-stats")
def program() -> None:
    """Which endpoints did this API key, or this OAuth client, call; how often, how fast?

    \b
    Try it:     tyk-endpoint-stats serve --demo
    Your data:  tyk-endpoint-stats ingest analytics.jsonl
                tyk-endpoint-stats consumers
                tyk-endpoint-stats endpoints --key KEY --last 30d
    """

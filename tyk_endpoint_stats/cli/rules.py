"""Options that say which records count and how, the same for every command that reads records."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from tyk_endpoint_stats.cli.escaping import printable

__all__ = ["rules_options"]


def rules_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--tracked-only``, ``--include``, ``--normalise`` and ``--pattern`` as one argument, ``rules``."""

    @click.option(
        "--tracked-only", is_flag=True, help="Count only records whose path the gateway was told to track."
    )
    @click.option(
        "--include",
        metavar="graphql,mcp",
        default="",
        callback=_words,
        help="Count GraphQL or MCP records too; Tyk does not.",
    )
    @click.option(
        "--normalise",
        metavar="uuid,ulid,number",
        default="",
        callback=_words,
        help="Count paths without their ids: a UUID becomes {uuid}, a ULID {ulid}, a slash and digits /{id}, as "
        "the gateway's normalise_urls has it. What was counted before keeps its paths.",
    )
    @click.option(
        "--pattern",
        "patterns",
        metavar="REGEX",
        multiple=True,
        help="Count paths with {var} for what this matches (Python's syntax), or, where it begins with ^/, without "
        "it: '^/listen(?=/)' makes one endpoint of /listen/x and /x; may be repeated. Paths come from "
        "whoever calls: a pattern that goes back and forth, such as (a+)+b, may take forever on one.",
    )
    @wraps(command)
    def with_rules(
        *args: Any,
        tracked_only: bool,
        include: frozenset[str],
        normalise: frozenset[str],
        patterns: tuple[str, ...],
        **kwargs: Any,
    ) -> Any:
        from tyk_endpoint_stats.core.aggregator import Rules
        from tyk_endpoint_stats.core.normalise import path_normaliser

        path_normaliser(normalise, patterns)  # wrong ones are wrong usage, before anything is opened
        rules = Rules(tracked_only=tracked_only, include=include, normalise=normalise, patterns=patterns)
        return command(*args, rules=rules, **kwargs)

    return with_rules


def _words(ctx: click.Context, param: click.Parameter, value: str) -> frozenset[str]:
    """The words of a list such as ``graphql,mcp``, each of which the option's metavar must have."""
    known = str(param.metavar).split(",")
    words = frozenset(word.strip() for word in value.split(",") if word.strip())
    if unknown := words.difference(known):
        raise click.BadParameter(
            f"{printable(', '.join(sorted(unknown)))}: not one of {', '.join(known)}", ctx, param
        )
    return words

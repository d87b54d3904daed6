"""The tokens of ``serve``, from the command line and from a file that is read again at a SIGHUP."""

import logging
from pathlib import Path

import click
from msgspec import structs

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.web.server import Server
from tyk_endpoint_stats.web.tokens import InvalidToken, Tokens, read_token_file

__all__ = ["read_tokens_again", "valid_tokens"]

_log = logging.getLogger(__name__)


def valid_tokens(tokens: tuple[str, ...], token_file: Path | None) -> Tokens:
    """All of them.

    Raises:
        UsageError: one of them, or the file, can't be used.
    """
    try:
        return Tokens([*tokens, *(read_token_file(token_file) if token_file else ())])
    except InvalidToken as problem:
        raise click.UsageError(printable(str(problem))) from problem


def read_tokens_again(server: Server, tokens: tuple[str, ...], token_file: Path | None) -> None:
    """At a SIGHUP. A file that can't be used changes nothing: who was let in still is."""
    if token_file is None:
        _log.info("SIGHUP: there is no --token-file to read again")
        return
    try:
        # No waiting for a pipe, whose writer is long gone: SIGTERM would wait too.
        valid = Tokens([*tokens, *read_token_file(token_file, within_s=1.0)])
    except InvalidToken as problem:
        _log.error("SIGHUP: the tokens stay as they were: %s", problem)
        return
    server.reconfigure(structs.replace(server.settings, tokens=valid))
    _log.info("SIGHUP: tokens were read again, %d are valid now", len(valid))

"""``hash-key``: from a key that people know to the one that is recorded."""

import sys

import click

from tyk_endpoint_stats.tyk.key_hash import ALGORITHMS, hash_token, key_hash

__all__ = ["hash_key", "token_given"]


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats hash-key - < token
  tyk-endpoint-stats hash-key 5e9d9544a1dcd60001d0ed20e7f75f9e03534825b7aef9df749582e5
  tyk-endpoint-stats endpoints --key "$(tyk-endpoint-stats hash-key - < token)" …"""
)
@click.option(
    "--algorithm",
    type=click.Choice([*ALGORITHMS, "all"]),
    help="Another than the one that the token names, or a line for each of them.",
)
@click.argument("token")
def hash_key(token: str, algorithm: str | None) -> None:
    """Print the hash under which Tyk records an API key.

    TOKEN is the key as its owner sends it; `-` reads it from stdin, where it does not show in the process list. The
    gateway records hashes if its `hash_keys` is on; if not, it records the key itself.
    """
    token = token_given(token)
    if algorithm == "all":
        for each in ALGORITHMS:
            click.echo(f"{each:<9} {hash_token(token, each)}")
        return
    chosen = next((each for each in ALGORITHMS if each == algorithm), None)
    click.echo(hash_token(token, chosen) if chosen else key_hash(token))


def token_given(text: str) -> str:
    """A token as it was given; ``-``: the first line of stdin.

    Raises:
        UsageError: stdin is empty.
    """
    if text != "-":
        return text
    line = sys.stdin.buffer.readline(2**20).decode("utf-8", "surrogateescape")
    if not line:
        raise click.UsageError("stdin is empty: there is no token in it")
    return line.rstrip("\r\n")

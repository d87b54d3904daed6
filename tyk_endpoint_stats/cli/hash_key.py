"""``hash-key``: from a key that people know to the one that is recorded."""

import sys

import click

from tyk_endpoint_stats.tyk.key_hash import ALGORITHMS, Algorithm, hash_token, key_hash
from tyk_endpoint_stats.tyk.session_token import claim_token, session_token

__all__ = ["hash_key", "token_given"]

_NO_FUNCTION = "none"


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats hash-key - < token
  tyk-endpoint-stats hash-key 5e9d9544a1dcd60001d0ed20e7f75f9e03534825b7aef9df749582e5
  tyk-endpoint-stats hash-key --org-id 64c1f0aa9b2e --function murmur64 partner-acme
  tyk-endpoint-stats hash-key --org-id 64c1f0aa9b2e --jwt-claim user@example.org
  tyk-endpoint-stats endpoints --key "$(tyk-endpoint-stats hash-key - < token)" …"""
)
@click.option(
    "--algorithm",
    type=click.Choice([*ALGORITHMS, "all"]),
    help="Another than the one that the token names, or a line for each of them.",
)
@click.option(
    "--org-id",
    metavar="ID",
    help="The organisation, for a key that the gateway did not make: an imported (custom) key or the SHA-256 of a "
    "client's certificate as TOKEN, or one of the next two.",
)
@click.option("--basic-user", metavar="NAME", help="Instead of TOKEN: the name of a basic-auth user.")
@click.option(
    "--jwt-claim",
    metavar="VALUE",
    help="Instead of TOKEN: what the claim that says who it is (`sub`, unless it is set) holds in a JWT.",
)
@click.option(
    "--function",
    type=click.Choice([_NO_FUNCTION, *ALGORITHMS, "all"]),
    help="With --org-id: the gateway's `hash_key_function`, or a line for each of them; none by default.",
)
@click.argument("token", required=False)
def hash_key(
    token: str | None,
    algorithm: str | None,
    org_id: str | None,
    basic_user: str | None,
    jwt_claim: str | None,
    function: str | None,
) -> None:
    """Print the hash under which Tyk records an API key.

    TOKEN is the key as its owner sends it; `-` reads it from stdin, where it does not show in the process list. The
    gateway records hashes if its `hash_keys` is on; if not, it records the key itself.
    """
    given = [text for text in (token, basic_user, jwt_claim) if text is not None]
    if len(given) != 1:
        raise click.UsageError("say whose hash: one of TOKEN, --basic-user NAME and --jwt-claim VALUE")
    if org_id is None:
        if token is None or function is not None:
            raise click.UsageError("--basic-user, --jwt-claim and --function need --org-id, a part of such a token")
        _print_hashes_of_token(token_given(token), algorithm)
        return
    if algorithm is not None:
        raise click.UsageError("--algorithm goes without --org-id; with it, --function says how tokens are made")
    make_token = session_token if jwt_claim is None else claim_token
    text = token_given(given[0])
    if function == "all":
        click.echo(f"{_NO_FUNCTION:<9} {key_hash(make_token(org_id, text))}")
        for each in ALGORITHMS:
            click.echo(f"{each:<9} {key_hash(make_token(org_id, text, each))}")
        return
    click.echo(key_hash(make_token(org_id, text, _algorithm_named(function))))


def _print_hashes_of_token(token: str, algorithm: str | None) -> None:
    if algorithm == "all":
        for each in ALGORITHMS:
            click.echo(f"{each:<9} {hash_token(token, each)}")
        return
    chosen = _algorithm_named(algorithm)
    click.echo(hash_token(token, chosen) if chosen else key_hash(token))


def _algorithm_named(name: str | None) -> Algorithm | None:
    return next((each for each in ALGORITHMS if each == name), None)


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

"""Whose hits are asked for: by key, by OAuth client, or by a piece of an id or an alias."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.core.fingerprint import fingerprint

if TYPE_CHECKING:
    from tyk_endpoint_stats.core.batch import Consumer
    from tyk_endpoint_stats.stores.base import ReadableStore
    from tyk_endpoint_stats.tyk.session_token import RecordedKey

__all__ = ["Whose", "named_consumer", "whose_options"]

_MAX_CANDIDATES = 20
_LEAST_KEY = 8


class Whose(NamedTuple):
    """What was said of a consumer; at most one of ``key``, ``oauth_client`` and ``text``."""

    key: str | None
    raw_key: bool
    oauth_client: str | None
    text: str | None

    @property
    def noun(self) -> str:
        """``this key``, ``this OAuth client`` or ``this consumer``."""
        if self.key is not None:
            return "this key"
        return "this consumer" if self.oauth_client is None else "this OAuth client"


def whose_options(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--key``, ``--raw-key``, ``--oauth-client`` and ``--consumer`` as one argument, ``whose``.

    Args:
        required: one of them must be given; otherwise ``whose`` may be ``None``: everybody.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--key", metavar="KEY", help="An API key as the gateway records it: usually its hash.")
        @click.option(
            "--raw-key",
            is_flag=True,
            help="KEY is the key itself, which is hashed as the gateway does; with --key - it is read from stdin, "
            "where it does not show in the process list. With --org-id it may be an imported key, a basic-auth "
            "user's name or a JWT's claim too: what the store knows of the hashes that the gateway may make of it "
            "is found.",
        )
        @click.option("--oauth-client", metavar="ID", help="An OAuth client's id.")
        @click.option(
            "--consumer",
            "text",
            metavar="TEXT",
            help="Either of them by its id, the beginning of it, or a piece of its alias. Several are listed (exit 2).",
        )
        @wraps(command)
        def with_whose(
            *args: Any, key: str | None, raw_key: bool, oauth_client: str | None, text: str | None, **kwargs: Any
        ) -> Any:
            said = sum(each is not None for each in (key, oauth_client, text))
            if said > 1 or (required and not said):
                raise click.UsageError(
                    "say whose hits: either --key KEY or --oauth-client ID or --consumer TEXT"
                    + ("" if required else ", or nothing for everybody's")
                )
            if text == "":
                raise click.UsageError(
                    "--consumer is empty: say an id, the beginning of one, or a piece of an alias"
                )
            if raw_key and key is None:
                raise click.UsageError("--raw-key says what --key KEY is: give that too")
            whose = Whose(key, raw_key, oauth_client, text) if said else None
            return command(*args, whose=whose, **kwargs)

        return with_whose

    return decorate


def named_consumer(store: "ReadableStore", whose: Whose, org_id: str | None) -> "Consumer":
    """The consumer that is meant.

    Raises:
        UsageError: a text fits several, or none.
        ClickException: a raw key is recorded under several ids.
        StoreError: the store can't answer.
    """
    from tyk_endpoint_stats.core.batch import Consumer

    if whose.text is not None:
        return _by_text(store, whose.text, org_id)
    if whose.key is None:
        return Consumer.oauth_client(whose.oauth_client or "")
    if not whose.raw_key:
        return Consumer.key(whose.key)
    from tyk_endpoint_stats.cli.hash_key import token_given
    from tyk_endpoint_stats.tyk.key_hash import key_hash

    raw = token_given(whose.key)
    return Consumer.key(key_hash(raw) if org_id is None else _recorded_key(store, org_id, raw))


def _by_text(store: "ReadableStore", text: str, org_id: str | None) -> "Consumer":
    from tyk_endpoint_stats.cli.hints import nearest_consumers, option_for
    from tyk_endpoint_stats.core.batch import Consumer
    from tyk_endpoint_stats.questions.answer import answer
    from tyk_endpoint_stats.questions.filters import Filter
    from tyk_endpoint_stats.questions.group_rows import ConsumerRow
    from tyk_endpoint_stats.questions.period import EVER, Period
    from tyk_endpoint_stats.tyk.key_hash import ALGORITHMS, hash_token

    rows = answer(store, ConsumerRow, Period(*EVER), Filter(org_id=org_id), distributions=False)
    wanted = text.casefold()
    ways: tuple[Callable[[str, str], bool], ...] = (
        lambda id_, _: id_ == text,
        lambda id_, alias: wanted in (id_.casefold(), alias.casefold()),
        lambda id_, alias: id_.casefold().startswith(wanted) or alias.casefold().startswith(wanted),
        lambda id_, alias: wanted in alias.casefold(),
    )
    for fits in ways:
        found = [row for row in rows if fits(row.id, row.alias)]
        if len(found) == 1:
            return Consumer(found[0].kind, found[0].id)
        if found:
            shown = [
                f"  {option_for(Consumer(row.kind, row.id))}  {printable(row.alias, keep_newlines=False)}".rstrip()
                for row in found[:_MAX_CANDIDATES]
            ]
            more = f"\n  … and {len(found) - len(shown):,} more" if len(found) > len(shown) else ""
            raise click.UsageError(f"--consumer fits {len(found):,} consumers:\n" + "\n".join(shown) + more)
    hashes = {hash_token(text, each) for each in ALGORITHMS} if len(text) >= _LEAST_KEY else set()
    for row in rows:
        if row.id in hashes:
            click.echo(f"This is a key itself; it is recorded as {row.id}.", err=True)
            return Consumer(row.kind, row.id)
    near = nearest_consumers(store, text, org_id)
    raise click.UsageError(
        "--consumer fits no id and no alias" + (f"; the nearest: {', '.join(near)}" if near else "")
    )


def _recorded_key(store: "ReadableStore", org_id: str, raw: str) -> str:
    """The id under which the store knows a key, which is said on stderr; one without hits if it knows none.

    Raises:
        ClickException: it knows several; which of them is meant, nobody can tell.
    """
    from tyk_endpoint_stats.questions.known_keys import known_keys
    from tyk_endpoint_stats.tyk.session_token import recorded_keys

    candidates = list(recorded_keys(org_id, raw))
    found = known_keys(store, candidates, org_id)
    if len(found) > 1:
        raise click.ClickException(
            f"this key is recorded under {len(found)} ids in that organisation; ask for each of them with --key:\n"
            + "\n".join(f"  {_shown_id(each)}  {each.what}" for each in found)
        )
    if not found:
        click.echo(
            f"None of the {len(candidates)} ids under which the gateway may record this key ever called in this "
            "organisation.",
            err=True,
        )
        return candidates[0].id
    click.echo(f"Recorded as {_shown_id(found[0])}: {found[0].what}", err=True)
    return found[0].id


def _shown_id(found: "RecordedKey") -> str:
    """An id for a message, which may end up in a log: a key that was recorded as it is shows as a digest."""
    return found.id if found.is_hash else fingerprint(found.id)

"""What stands behind ``postgresql://``: the driver's part, and the options that are ours."""

from typing import Any
from urllib.parse import unquote_plus

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

from tyk_endpoint_stats.errors import PluginError
from tyk_endpoint_stats.urls import mask_url

__all__ = ["Place", "place_of"]


class Place(Struct, frozen=True):
    """Where a database is.

    Attributes:
        name: the URL without user, password and options, for messages.
        parameters: libpq's, the password among them.
        options: ours, of those behind the ``?``.
    """

    name: str
    parameters: dict[str, Any]
    options: dict[str, str]

    def without_secrets(self, text: str) -> str:
        """A driver's message without the user and the password, should they be in one."""
        for name in ("password", "sslpassword"):
            text = text.replace(self.parameters.get(name) or "\n", "***")
        return text.replace(f'"{self.parameters.get("user")}"', '"***"')


def place_of(url: str, ours: frozenset[str]) -> Place:
    """The place a URL names. All of it is libpq's, several hosts and its options too, but for our options.

    Args:
        url: with any scheme.
        ours: the names of the options behind ``?`` that are not libpq's.

    Raises:
        PluginError: libpq can't read it, or an option is given twice.
    """
    scheme, _, rest = url.partition("://")
    where, _, query = rest.partition("?")
    # What stands behind the '?' may be a password too, and so may what stands before an '@' behind it.
    name = f"{scheme}://***" if "@" in query else mask_url(f"{scheme}://{where}")
    options: dict[str, str] = {}
    theirs = []
    for part in filter(None, query.split("&")):
        key, _, value = part.partition("=")
        if key not in ours:
            theirs.append(part)
        elif key in options:
            raise PluginError(f"{name}: option {key!r} is given twice")
        else:
            options[key] = unquote_plus(value)
    try:
        parameters = conninfo_to_dict(f"postgresql://{where}?{'&'.join(theirs)}")
    except psycopg.Error:
        # Without libpq's own words: they repeat what could not be read, which may be the password.
        raise PluginError(
            f"{name} is no URL that PostgreSQL can read; the form is "
            f"postgresql://user:password@host:5432/database, percent-encoded where it must be, and behind a "
            f"'?' libpq's options or {', '.join(sorted(ours))}"
        ) from None
    return Place(name, parameters, options)

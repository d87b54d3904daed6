"""The source's URL, parted into what the driver needs and what people may see."""

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from msgspec import Struct
from redis.connection import parse_url

from tyk_endpoint_stats.errors import PluginError
from tyk_endpoint_stats_redis.lists import DEFAULT_PREFIX

__all__ = ["PASSWORD_VARIABLE", "Address", "parse_address"]

PASSWORD_VARIABLE = "TYK_ENDPOINT_STATS_REDIS_PASSWORD"  # noqa: S105 - a name

_CONNECT_TIMEOUT_S = 5.0
_ANSWER_TIMEOUT_S = 30.0
_parse_url: Callable[[str], dict[str, Any]] = parse_url
_OURS = ("prefix", "username", "password")
_SHOWN = ("db", "prefix")


class Address(Struct, frozen=True):
    """Where a source is.

    Attributes:
        label: the URL without user, password and options that may hold secrets.
        prefix: what the names of Tyk's lists begin with.
        options: the driver's, for a connection.
        secrets: texts that no message may hold.
    """

    label: str
    prefix: str
    options: dict[str, Any]
    secrets: tuple[str, ...]

    def masked(self, text: str) -> str:
        """The text without a secret."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse_address(url: str) -> Address:
    """Part a URL: ``redis://[[user]:password@]host[:port][/db][?option=value&…]``, or ``unix://…/path``.

    All before the last ``@`` is user and password, so that neither has to be escaped. Options are redis-py's
    (``db``, ``socket_timeout``, ``ssl_ca_certs``, …) and ``prefix``. Without a password the one in the
    environment variable ``TYK_ENDPOINT_STATS_REDIS_PASSWORD`` is used.

    Raises:
        PluginError: the URL can't be used.
    """
    scheme, _, rest = url.partition("://")
    login, _, place = rest.rpartition("@")
    user, _, password = map(unquote, login.partition(":"))
    place, _, query = place.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    prefix = given.get("prefix", DEFAULT_PREFIX)
    user = user or given.get("username", "")
    password = password or given.get("password", "") or os.environ.get(PASSWORD_VARIABLE, "")
    shown = urlencode({name: given[name] for name in _SHOWN if name in given})
    label = f"{scheme}://{place}" + (f"?{shown}" if shown else "")
    secrets = tuple(secret for secret in (password, given.get("ssl_password")) if secret)
    for_driver = urlencode({name: value for name, value in given.items() if name not in _OURS})
    _, _, database = place.partition("/")
    if scheme != "unix" and database and not (database.isascii() and database.isdigit()):
        # The driver would go to database 0 and say nothing.
        raise PluginError(
            f"{label}: {database!r} is no number of a database; for example: redis://localhost:6379/0"
        )
    try:
        options = dict(_parse_url(f"{scheme}://{place}?{for_driver}"))
    except ValueError as problem:
        text = str(problem)
        for secret in secrets:
            text = text.replace(secret, "***")
        raise PluginError(f"{label}: {text}") from None  # the cause would show what is masked here
    options = {"socket_connect_timeout": _CONNECT_TIMEOUT_S, "socket_timeout": _ANSWER_TIMEOUT_S} | options
    # Protocol 2 is understood by every server; nothing here needs more.
    options |= {"decode_responses": False, "protocol": 2}
    if user:
        options["username"] = user
    if password:
        options["password"] = password
    return Address(label, prefix, options, secrets)

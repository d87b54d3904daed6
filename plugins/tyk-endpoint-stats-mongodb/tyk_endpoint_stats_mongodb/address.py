"""URLs of what Tyk Pump left: a driver's URL behind a prefix, with a collection and options of ours."""

from collections.abc import Collection
from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from pymongo import MongoClient

from tyk_endpoint_stats.errors import PluginError
from tyk_endpoint_stats_mongodb.seam import Seam, client_of, masked_url

__all__ = ["Address", "number_option", "parse_address"]


class Address(Struct, frozen=True):
    """Where to read.

    Attributes:
        label: the URL as people may see it.
        driver_url: the URL as the driver takes it.
        database: the database's name.
        collection: the collection's name, or its beginning and ``*``; ``""``: whatever is there.
        options: ours, by their names.
    """

    label: str
    driver_url: str
    database: str
    collection: str
    options: dict[str, str]

    def seam(self) -> Seam:
        """Where the driver's errors become ours. It knows what to hide."""
        return Seam(self.driver_url, name=self.label, role="read")

    def connect(self) -> MongoClient[Any]:
        """A client that has not asked anything yet.

        Raises:
            PluginError: the driver can't make anything of the URL.
        """
        return client_of(self.driver_url, self.seam())


def parse_address(url: str, ours: Collection[str]) -> Address:
    """Part a URL: ``PREFIX+mongodb://[user:password@]host[:port]/database[.collection][?option=value&…]``.

    Args:
        url: ``PREFIX`` is what the scheme begins with, up to ``+``; ``mongodb+srv`` works too.
        ours: options that the driver must not see; all others go to it as they are.

    Raises:
        PluginError: the URL names no database.
    """
    scheme, _, rest = url.partition("://")
    label = masked_url(url)
    login, at, place = rest.rpartition("@")
    place, _, query = place.partition("?")
    hosts, _, path = place.partition("/")
    database, _, collection = path.partition(".")
    if not database:
        raise PluginError(f"{label} names no database; for example: {scheme}://localhost/tyk_analytics")
    options: dict[str, str] = {}
    passed_on = []
    for option in filter(None, query.split("&")):
        name, _, value = option.partition("=")
        if name in ours:
            options[name] = unquote(value)
        else:
            passed_on.append(option)
    driver_scheme = scheme.partition("+")[2]
    driver_url = f"{driver_scheme}://{login}{at}{hosts}/{database}"
    if passed_on:
        driver_url += f"?{'&'.join(passed_on)}"
    return Address(label, driver_url, unquote(database), unquote(collection), options)


def number_option(address: Address, name: str, default: int, least: int, most: int) -> int:
    """One of our options as a whole number.

    Raises:
        PluginError: it is none, or out of range.
    """
    text = address.options.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise PluginError(f"{address.label}: {name} is a whole number from {least} to {most}, not {text!r}")
    return int(text)

"""Templates to HTML, by Jinja2: everything is escaped, and a member that is missing is an error."""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from tyk_endpoint_stats.markup.charts import strips
from tyk_endpoint_stats.markup.small_charts import bar, histogram, sparkline
from tyk_endpoint_stats.markup.texts import count_text, duration_text, growth_text, share_text

__all__ = ["ASSETS", "Asset", "asset", "asset_named", "render"]

ASSETS = {
    "ui.css": "text/css; charset=utf-8",
    "ui.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files that pages use, and what they are."""


class Asset(Struct, frozen=True):
    """A file that pages use.

    Attributes:
        name: with a piece of its hash in it, so that it may be kept for ever: ``ui.0123456789ab.css``.
        type: for ``Content-Type``.
        body: its bytes.
    """

    name: str
    type: str
    body: bytes


def render(template: str, **values: Any) -> bytes:
    """The page that a template makes of some values.

    Raises:
        jinja2.UndefinedError: it needs a value that is not there.
    """
    return _environment().get_template(template).render(values).encode("utf-8", "replace")


@cache
def asset(plain_name: str) -> Asset:
    """An asset by its plain name, which is one of ``ASSETS``."""
    body = files("tyk_endpoint_stats.markup").joinpath("static", plain_name).read_bytes()
    stem, _, suffix = plain_name.partition(".")
    return Asset(f"{stem}.{sha256(body).hexdigest()[:12]}.{suffix}", ASSETS[plain_name], body)


def asset_named(name: str) -> Asset | None:
    """An asset by the name that has its hash in it; ``None``: there is none."""
    return next((found for found in map(asset, ASSETS) if found.name == name), None)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("tyk_endpoint_stats.markup"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"count": count_text, "ms": duration_text}
    made.globals |= {
        "asset": asset,
        "bar": bar,
        "growth": growth_text,
        "histogram": histogram,
        "share": share_text,
        "sparkline": sparkline,
        "strips": strips,
        "zip": zip,
    }
    made.globals |= {"found_q": "", "nav_query": "", "section": ""}  # where a page says nothing else
    return made

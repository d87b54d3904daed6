"""What to try next, printed by ``serve``: URLs that answer, and lines for a shell."""

from datetime import timedelta
from pathlib import Path
from shlex import quote as quoted
from typing import TYPE_CHECKING
from urllib.parse import quote

from tyk_endpoint_stats.core.batch import Consumer, Kind

if TYPE_CHECKING:
    from tyk_endpoint_stats.demo import Traffic
    from tyk_endpoint_stats.web.settings import Settings

__all__ = ["examples", "once_link"]


def examples(url: str, token: str | None, traffic: "Traffic | None", unix: Path | None = None) -> list[str]:
    """Lines for stdout. A token that was given is not shown again; a made one is shown this once.

    Args:
        url: under which the server is reached.
        token: one that was made for this run.
        traffic: what a demo serves.
        unix: the socket at which the server listens, if ``url`` is not to be had otherwise.
    """
    lines = [f"Token, made for this run: {token}"] if token else []
    curl = f"curl --unix-socket {quoted(str(unix))}" if unix else "curl"
    curl += f" -H 'authorization: {token}'" if token else ' -H "authorization: $TOKEN"'
    if traffic is None:
        if token:
            lines += ["", f"  {curl} '{url}/api/activity/keys/endpoint/KEY/1/10/2026/31/10/2026'"]
            lines += ["", "`tyk-endpoint-stats consumers` lists the keys and clients that can be asked about."]
        return lines
    for kind, what in ((Kind.KEY, "API key"), (Kind.OAUTH, "OAuth client")):
        consumer = traffic.busiest(kind)
        target = f"{url}{_path(consumer, traffic)}"
        lines += ["", f"{what} {consumer.id}:", f"  {target}", f"  {curl} '{target}'"]
    return lines


def once_link(url: str, settings: "Settings", consumer: Consumer | None) -> str:
    """A link that signs a browser in, once: to the overview, or to a consumer's page. It never holds a token.

    Args:
        url: under which the server is reached.
        settings: they have the tokens, and remember the code.
        consumer: whose page to show.
    """
    keys = sorted(settings.tokens.entries, key=lambda entry: entry[1].org_id is not None)
    link = f"{url}/ui/login?once={settings.sign_in.code_for(keys[0][0])}"
    if consumer is None:
        return link
    page = f"/ui/consumer?kind={consumer.kind}&id={quote(consumer.id, safe='')}"
    return f"{link}&next={quote(page, safe='')}"


def _path(consumer: Consumer, traffic: "Traffic") -> str:
    route = "keys" if consumer.kind == "key" else "oauthid"
    first = traffic.until - timedelta(days=round(traffic.days) - 1)
    days = "/".join(f"{day.day}/{day.month}/{day.year}" for day in (first, traffic.until))
    return f"/api/activity/{route}/endpoint/{quote(consumer.id, safe='')}/{days}"

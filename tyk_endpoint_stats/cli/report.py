"""``report``: a page as one file of HTML, to be sent or kept."""

from pathlib import Path
from urllib.parse import urlencode

import click

from tyk_endpoint_stats.cli.options import store_option, timezone_option

__all__ = ["report"]


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats report -o october.html --period 2026-10
  tyk-endpoint-stats report --key 5a2fcc217494b3c5 --period 2026-10 -o customer.html
  tyk-endpoint-stats report --api-id 4a1b --path /v1/orders -o callers.html"""
)
@store_option
@click.option("--key", metavar="KEY", help="Of one API key, or its hash as the gateway records it.")
@click.option("--oauth-client", metavar="CLIENT", help="Of one OAuth client.")
@click.option("--path", "path", metavar="PATH", help="Of one endpoint: who calls it. With --api-id.")
@click.option("--api-id", metavar="ID", default="", help="The API of --path.")
@click.option("--from", "first", metavar="TIME", help="The first day, or an instant.")
@click.option("--to", "last", metavar="TIME", help="The last day, inclusive, or an instant.")
@click.option("--period", metavar="NAME", help="24h, 7d, 30d, or a month such as 2026-10.  [default: 30d]")
@click.option("--compare", metavar="HOW", default="previous", show_default=True, help="previous, year, or none.")
@timezone_option("Whose days are meant.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    required=True,
    help="The file to write; - is stdout.",
)
def report(
    store_url: str,
    key: str | None,
    oauth_client: str | None,
    path: str | None,
    api_id: str,
    first: str | None,
    last: str | None,
    period: str | None,
    compare: str,
    timezone: str,
    output: Path,
) -> None:
    """Write a page as one file: everything, one consumer, or one endpoint.

    It opens from a disk and needs nothing else: the style is inside of it, and there is no script.
    """
    from tyk_endpoint_stats.cli.opening import store_to_ask
    from tyk_endpoint_stats.cli.output_file import whole_file
    from tyk_endpoint_stats.core.instants import find_zone
    from tyk_endpoint_stats.questions.period import Period
    from tyk_endpoint_stats.web.page_files import offline_html
    from tyk_endpoint_stats.web.page_query import page_query
    from tyk_endpoint_stats.web.page_reading import Asked
    from tyk_endpoint_stats.web.pages import PAGES
    from tyk_endpoint_stats.web.settings import Settings
    from tyk_endpoint_stats.web.tokens import Tokens

    if sum(one is not None for one in (key, oauth_client, path)) > 1:
        raise click.UsageError("--key, --oauth-client and --path exclude each other")
    if period is not None and (first is not None or last is not None):
        raise click.UsageError("--period and --from or --to exclude each other")
    name = "overview"
    about: dict[str, str] = {}
    if path is not None:
        name, about = "endpoint", {"api_id": api_id, "path": path}
    elif key is not None or oauth_client is not None:
        name, about = "consumer", {"kind": "key" if key else "oauth", "id": key or oauth_client or ""}
    settings = Settings(tokens=Tokens([]), zone=find_zone(timezone))
    now = settings.now()
    if period is not None:  # what can't be read is said here: a page would show the last 30 days
        Period.parse(period, now, settings.zone)
    else:
        Period.between(first, last, now, settings.zone)
    times = {"period": period, "from": first, "to": last, "compare": compare}
    query = urlencode({**about, **{name: text for name, text in times.items() if text}})
    with store_to_ask(store_url) as store:
        answer = PAGES[name](Asked(store, settings, None, page_query(query, settings.zone, now)))
        assert not isinstance(answer, str)
        body = offline_html(answer.page)
    try:
        with click.open_file("-", "wb") if str(output) == "-" else whole_file(output) as file:
            file.write(body)
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise click.ClickException(f"{output}: can't be written: {problem.strerror}") from problem

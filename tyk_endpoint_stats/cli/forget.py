"""``forget``: take a consumer out of a store."""

import click

from tyk_endpoint_stats.cli.options import store_option

__all__ = ["forget"]


@click.command(
    epilog="""\b
Example:
  tyk-endpoint-stats forget --key 7f3c3ca87376cabe"""
)
@store_option
@click.option("--key", metavar="KEY", help="An API key as the gateway records it: usually its hash.")
@click.option("--oauth-client", metavar="ID", help="An OAuth client's id.")
@click.option("--org-id", metavar="ID", help="Only in this organisation.")
def forget(store_url: str, key: str | None, oauth_client: str | None, org_id: str | None) -> None:
    """Take all that is kept of one consumer out of a store: its numbers and its alias.

    The hits stay in the totals of everyone, which name nobody. Nothing is asked before it is done, and
    nothing brings it back. Records of the consumer that come later count again.
    """
    if (key is None) == (oauth_client is None):
        raise click.UsageError("say whom to forget: either --key KEY or --oauth-client ID")
    from tyk_endpoint_stats.cli.opening import retaining, store_to_change
    from tyk_endpoint_stats.core.batch import Consumer

    consumer = Consumer.key(key) if key is not None else Consumer.oauth_client(oauth_client or "")
    with store_to_change(store_url) as store:
        gone = retaining(store).forget(consumer, org_id)
    who = "this key" if key is not None else "this OAuth client"
    click.echo(f"Gone, of {who}: {gone:,} rows and totals.")

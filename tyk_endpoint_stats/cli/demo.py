"""``demo``: realistic records, the same for the same seed."""

from pathlib import Path
from typing import BinaryIO, cast

import click

__all__ = ["demo"]


@click.command(
    epilog="""\b
Examples:
  tyk-endpoint-stats demo --records 1000000 -o demo.jsonl
  tyk-endpoint-stats demo --format pump-stdout | tyk-endpoint-stats ingest -"""
)
@click.option("--records", type=click.IntRange(min=0), default=10_000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other consumers and requests.")
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="How many days they are spread over, up to 2026-10-31; 0.04 is an hour.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "pump-stdout", "pump-csv", "arrays"]),
    default="jsonl",
    show_default=True,
    help="Plain records, Tyk Pump's stdout, its CSV, or arrays of records as MDCB gets them.",
)
@click.option(
    "--story",
    is_flag=True,
    help="With something to find in it: a partner grows, an endpoint fails for 20 hours, one moves from v1 to v2, "
    "a consumer goes quiet. Give it 61 days, so that the last month has one before it.",
)
@click.option("--lean", is_flag=True, help="Only the fields that are read: 0.4 kB a record instead of 1.4 kB.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="-",
    help="The file to write; stdout by default.",
)
def demo(records: int, seed: int, days: float, form: str, story: bool, lean: bool, output: Path) -> None:
    """Write records that look like a gateway's.

    Keys and endpoints follow Zipf's law, days and weeks have their shape; there are late, doubled, TCP, GraphQL
    and MCP records, errors of the gateway's own, ids of every kind.
    """
    from tyk_endpoint_stats.cli.output_file import whole_file
    from tyk_endpoint_stats.demo import Traffic

    is_stdout = str(output) == "-"
    traffic = Traffic(records=records, seed=seed, days=days, full=not lean, story=story)
    try:
        with click.open_file("-", "wb") if is_stdout else whole_file(output) as file:
            traffic.write(cast("BinaryIO", file), form)
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise click.ClickException(
            f"{'stdout' if is_stdout else output}: can't be written: {problem.strerror}"
        ) from problem

"""``python -m tyk_endpoint_stats``: the same program as ``tyk-endpoint-stats``."""

from functools import partial

from tyk_endpoint_stats.cli.process import run
from tyk_endpoint_stats.cli.program import program

__all__ = ["main"]


def main() -> None:
    """Run the command line; never returns."""
    run(partial(program, prog_name="tyk-endpoint-stats"))


if __name__ == "__main__":
    main()

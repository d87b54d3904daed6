"""Traffic that looks like a gateway's: seeded, reproducible, with everything in it that real data has."""

from tyk_endpoint_stats.demo.formats import FORMATS
from tyk_endpoint_stats.demo.traffic import Traffic

__all__ = ["FORMATS", "Traffic"]

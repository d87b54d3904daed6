"""How many machines some traffic takes, from costs that were measured: arithmetic over them and a day's shape.

Nothing here is measured. Give it figures of your own machine and records::

    python -m benchmarks.scale --us-per-record 45 --bytes-per-row 190 --consumers 100000 --endpoints-per-consumer 20

A day is gone through hour by hour: what arrives is ingested as fast as the cores allow, and what they do not get done
waits.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Costs", "Day", "day_of", "rows_of", "shards_needed"]

_HOURS = 24


@dataclass(frozen=True)
class Costs:
    """What was measured.

    Attributes:
        us_per_record: CPU time of reading, decoding, counting and merging a record, in microseconds.
        bytes_per_row: what a day row takes in the store, indexes and totals included.
        cores: of a shard, that ingest.
        utilisation: how much of them an ingest gets; the rest is for questions and for the store.
    """

    us_per_record: float
    bytes_per_row: float
    cores: int = 2
    utilisation: float = 0.7

    @property
    def records_per_s(self) -> float:
        """What one shard ingests."""
        return self.cores * self.utilisation * 1e6 / self.us_per_record


@dataclass(frozen=True)
class Day:
    """What a day was like.

    Attributes:
        max_waiting: records that were not ingested yet, at the worst hour's end.
        max_lag_s: how long it takes to get those done.
        waiting: what was left at the end of the day; more than nothing: it never ends.
    """

    max_waiting: float
    max_lag_s: float
    waiting: float


def day_of(records: float, shards: int, costs: Costs, peak: float = 2.0) -> Day:
    """A day of so many records on so many shards, among which consumers are spread evenly.

    Args:
        records: of the day.
        shards: how many share them.
        costs: of one of them.
        peak: the busiest hour by the mean hour; the day is a cosine around its mean.
    """
    swing = peak - 1
    rate = shards * costs.records_per_s
    waiting = worst = 0.0
    for hour in range(2 * _HOURS):  # the second day, which begins with what the first one left
        arrives = records / _HOURS * (1 - swing * math.cos(2 * math.pi * (hour + 0.5) / _HOURS))
        waiting = max(0.0, waiting + arrives - rate * 3600)
        if hour >= _HOURS:
            worst = max(worst, waiting)
    return Day(worst, worst / rate, waiting)


def shards_needed(records: float, costs: Costs, peak: float = 2.0, max_lag_s: float = 0.0) -> int:
    """The least shards that are never further behind than this, and have nothing left when traffic is least."""
    shards = 1
    while True:
        day = day_of(records, shards, costs, peak)
        if day.max_lag_s <= max_lag_s and day.waiting == 0:
            return shards
        shards += 1


def rows_of(records: float, consumers: float, endpoints_per_consumer: float) -> float:
    """Day rows of a day: pairs of consumer and endpoint that were met, where each is as likely as any other.

    Real traffic is less even, and meets fewer.
    """
    pairs = consumers * endpoints_per_consumer
    return pairs * -math.expm1(-records / pairs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints what it takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=float, default=1e9, help="a day")
    parser.add_argument("--us-per-record", type=float, required=True, help="CPU microseconds of one core")
    parser.add_argument("--bytes-per-row", type=float, required=True, help="of a day row, in the store")
    parser.add_argument("--consumers", type=float, required=True, help="that call on a day")
    parser.add_argument(
        "--endpoints-per-consumer", type=float, required=True, help="that a consumer calls on a day"
    )
    parser.add_argument("--cores", type=int, default=2, help="of a shard, that ingest")
    parser.add_argument("--utilisation", type=float, default=0.7, help="how much of them an ingest gets")
    parser.add_argument("--peak", type=float, default=2.0, help="the busiest hour by the mean one")
    parser.add_argument("--max-lag", type=float, default=0.0, help="seconds that it may be behind at the peak")
    given = parser.parse_args(arguments)
    costs = Costs(given.us_per_record, given.bytes_per_row, given.cores, given.utilisation)
    shards = shards_needed(given.records, costs, given.peak, given.max_lag)
    day = day_of(given.records, shards, costs, given.peak)
    rows = rows_of(given.records, given.consumers, given.endpoints_per_consumer)
    gib_a_year = rows * costs.bytes_per_row * 365 / 2**30
    print(f"a shard      {costs.records_per_s:,.0f} records/s, {costs.records_per_s * 86400:,.0f} a day at best")
    print(f"shards       {shards:,}, behind by at most {day.max_lag_s:,.0f} s")
    print(f"day rows     {rows:,.0f} a day, {rows / given.records:.3f} a record")
    print(f"size         {gib_a_year:,.0f} GiB a year, {gib_a_year / shards:,.0f} GiB a shard")


if __name__ == "__main__":
    main()

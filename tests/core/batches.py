"""What a batch holds, by names instead of numbers, and what it has to hold by the hits themselves."""

from collections import defaultdict

from tyk_endpoint_stats.core.day_row import merged_rows, state_of_row
from tyk_endpoint_stats.core.packed import unpack_quarter_hours
from tyk_endpoint_stats.testing.plain import plain_hits, plain_state

DAY_US, QUARTER_HOUR_US = 86_400_000_000, 900_000_000
ALL = ("every", "endpoint")


def rows_by_name(*batches):
    """The rows of batches by day, consumer and endpoint, merged; a batch has at most one of each."""
    rows = defaultdict(list)
    for batch in batches:
        mine = [(row, is_total) for of_kind, is_total in ((batch.rows, 0), (batch.totals, 1)) for row in of_kind]
        names = set()
        for row, is_total in mine:
            consumer = batch.consumers[row.consumer]
            endpoint = batch.endpoints[row.endpoint - 1] if row.endpoint else ALL
            assert is_total == (consumer[1] == "everyone" or endpoint is ALL)
            name = (row.day, consumer, endpoint)
            assert name not in names, "two rows of one name"
            names.add(name)
            rows[name].append(row)
    return {name: merged_rows(several) for name, several in rows.items()}


def states_by_name(*batches):
    """The state of each row, and its quarter hours."""
    return {
        name: (state_of_row(row), unpack_quarter_hours(row.quarter_hours, row.day))
        for name, row in rows_by_name(*batches).items()
    }


def plain_states(records, *rules):
    """The same by the hits themselves, each of them in up to six rows."""
    hits = defaultdict(list)
    for hit in plain_hits(records, *rules):
        for endpoint in ((hit.api_id, hit.path), ALL):
            hits[hit.at_us // DAY_US, (hit.org_id, str(hit.kind), hit.consumer_id), endpoint].append(hit)
    return {name: (plain_state(some), _quarter_hours(name, some)) for name, some in hits.items()}


def _quarter_hours(name, hits):
    _, (_, kind, _), endpoint = name
    if endpoint is ALL and kind != "everyone":
        return {}  # nobody asks for them
    by_number = defaultdict(list)
    for hit in hits:
        by_number[hit.at_us % DAY_US // QUARTER_HOUR_US].append(hit)
    return {number: plain_state(some) for number, some in by_number.items()}

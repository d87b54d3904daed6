"""Which of the ids that somebody's key may be recorded under a store knows."""

from collections.abc import Iterable

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.buckets import ALL_DAYS
from tyk_endpoint_stats.core.selection import Readable, Selection
from tyk_endpoint_stats.tyk.session_token import RecordedKey

__all__ = ["known_keys"]


def known_keys(store: Readable, candidates: Iterable[RecordedKey], org_id: str | None = None) -> list[RecordedKey]:
    """Those of the candidates that have ever called, in their order; one small question each.

    Args:
        store: any store that can be read.
        candidates: the ids to try: ``recorded_keys``.
        org_id: only hits in that organisation; ``None``: in any.

    Raises:
        StoreError: the store can't answer.
    """
    return [
        each
        for each in candidates
        if store.read(
            Selection(
                ALL_DAYS, org_id=org_id, kind=Kind.KEY, consumer_id=each.id, distributions=False, max_groups=1
            )
        )
    ]

"""Which collections hold Tyk Pump's data. Pump may keep the same twice; whoever reads both counts double."""

from collections.abc import Collection

__all__ = ["AGGREGATES", "MIXED_AGGREGATES", "MIXED_RAW", "RAW", "aggregate_collections", "raw_collections"]

RAW = "z_tyk_analyticz_"
"""Begins the name of an organisation's records (``mongo-pump-selective``); the organisation's id follows."""

MIXED_RAW = "tyk_analytics"
"""The usual name for the records of all organisations (``mongo``)."""

AGGREGATES = "z_tyk_analyticz_aggregate_"
"""Begins the name of an organisation's aggregates; the organisation's id follows."""

MIXED_AGGREGATES = "tyk_analytics_aggregates"
"""The aggregates of all organisations, once more (``use_mixed_collection``)."""


def raw_collections(names: Collection[str], wanted: str) -> list[str]:
    """The collections of records to read.

    Args:
        names: the database's collections.
        wanted: a name, the beginning of names and ``*``, or ``""``: whichever of the two pumps wrote.

    Raises:
        LookupError: there are none; or there are both kinds, and nobody says which.
    """
    if wanted:
        return [name for name in _wanted(names, wanted) if not name.startswith(AGGREGATES)]
    separate = [name for name in _wanted(names, f"{RAW}*", least=0) if not name.startswith(AGGREGATES)]
    mixed = [MIXED_RAW] if MIXED_RAW in names else []
    if separate and mixed:
        raise LookupError(
            f"holds both {MIXED_RAW} and {RAW}…, which may be the same records twice; say which: "
            f".{MIXED_RAW} or .{RAW}* behind the database's name"
        )
    if not separate and not mixed:
        raise LookupError(f"holds no records of Tyk Pump ({MIXED_RAW} or {RAW}…)")
    return separate or mixed


def aggregate_collections(names: Collection[str], wanted: str) -> list[str]:
    """The collections of aggregates to read: those by organisation, where there are any, or the mixed one.

    Args:
        names: the database's collections.
        wanted: as for ``raw_collections``.

    Raises:
        LookupError: there are none.
    """
    if wanted:
        return _wanted(names, wanted)
    separate = _wanted(names, f"{AGGREGATES}*", least=0)
    if separate:
        return separate
    if MIXED_AGGREGATES in names:
        return [MIXED_AGGREGATES]
    raise LookupError(f"holds no aggregates of Tyk Pump ({AGGREGATES}… or {MIXED_AGGREGATES})")


def _wanted(names: Collection[str], wanted: str, least: int = 1) -> list[str]:
    beginning = wanted.removesuffix("*")
    is_pattern = beginning != wanted
    found = sorted(name for name in names if (name.startswith(beginning) if is_pattern else name == wanted))
    if len(found) < least:
        raise LookupError(f"holds no collection {wanted}")
    return found

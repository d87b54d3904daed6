"""Documents of months: which days of months that were closed grew."""

from collections.abc import Iterable, Mapping
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from tyk_endpoint_stats.core.months import Grown, Month, changed_months, first_of_month
from tyk_endpoint_stats_mongodb.documents import Document, integer
from tyk_endpoint_stats_mongodb.layout import Documents

__all__ = ["documents_of", "drop_growth", "known_months", "merge_fenced", "month_writes"]


def known_months(months: Documents, firsts: Iterable[int] | None = None, session: Any = None) -> dict[int, Month]:
    """What is known of these months, or of all."""
    which: Document = {} if firsts is None else {"_id": {"$in": list(firsts)}}
    return _months_in(months.find(which, session=session))


def documents_of(months: Mapping[int, Month]) -> list[Document]:
    """Months as they are stored, and written down."""
    return [{"_id": first, **_fields(month)} for first, month in months.items()]


def month_writes(months: Documents, brought: Mapping[int, Month], session: Any) -> list[UpdateOne]:
    """What takes in these months in a transaction, whose snapshot says what is known."""
    known = known_months(months, brought, session)
    return [
        UpdateOne({"_id": first}, {"$set": _fields(month)}, upsert=True)
        for first, month in changed_months(known, brought).items()
    ]


def merge_fenced(months: Documents, brought: Iterable[Document], lane: int, seq: int) -> None:
    """Take in these months, each unless it bears the mark of this place in the lane, or of a later one.

    Each is compared and set: of two lanes that meet in a month the slower looks at it again.
    """
    for document in brought:
        while not _is_merged(months, document, lane, seq):
            pass


def _is_merged(months: Documents, document: Document, lane: int, seq: int) -> bool:
    found: Document = months.find_one({"_id": document["_id"]}) or {}
    marks = found.get("ap", {})
    if marks.get(str(lane), -1) >= seq:
        return True
    changed = changed_months(_months_in([found] if found else []), _months_in([document]))
    for month in changed.values():
        fields = {**_fields(month), "ap": {**marks, str(lane): seq}}
        if found:
            return months.replace_one(found, fields).matched_count == 1
        try:
            months.insert_one({"_id": document["_id"], **fields})
        except DuplicateKeyError:
            return False
    return True


def drop_growth(months: Documents, before_day: int) -> None:
    """Forget what was known of earlier days."""
    first = first_of_month(before_day)
    months.delete_many({"_id": {"$lt": first}})
    months.update_one({"_id": first}, {"$pull": {"grown": {"day": {"$lt": before_day}}}})


def _fields(month: Month) -> Document:
    grown = [{"day": day, "hits": hits, "last_us": last_us} for day, (hits, last_us) in month.grown.items()]
    return {"since_day": month.since_day, "grown": grown}


def _months_in(documents: Iterable[Document]) -> dict[int, Month]:
    return {
        integer(document["_id"]): Month(
            integer(document["since_day"]),
            {
                integer(one["day"]): Grown(integer(one["hits"]), integer(one["last_us"]))
                for one in document["grown"]
            },
        )
        for document in documents
    }

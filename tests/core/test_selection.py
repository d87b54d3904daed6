"""Which rows answer which question: the whole table, and that a smaller kind would not do."""

from itertools import product

import pytest

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.selection import Dimension, RowKind, Selection, row_kind
from tyk_endpoint_stats.errors import AnswerTooLarge

EVER = (Span(Width.DAY, 0, 10),)
C, E, B = Dimension.CONSUMER, Dimension.ENDPOINT, Dimension.BUCKET
DAY, QUARTER_HOUR = Width.DAY, Width.QUARTER_HOUR


@pytest.mark.parametrize(
    ("by", "filters", "width", "kind"),
    [
        ((), {}, DAY, RowKind.EVERYTHING),
        ((B,), {}, QUARTER_HOUR, RowKind.EVERYTHING),
        ((), {"org_id": "o"}, DAY, RowKind.EVERYTHING),
        ((E,), {}, DAY, RowKind.ENDPOINT),
        ((E, B), {}, QUARTER_HOUR, RowKind.ENDPOINT),
        ((), {"api_id": "a"}, DAY, RowKind.ENDPOINT),
        ((B,), {"path": "/"}, QUARTER_HOUR, RowKind.ENDPOINT),
        ((), {"path": ""}, DAY, RowKind.ENDPOINT),
        ((C,), {}, DAY, RowKind.CONSUMER),
        ((C, B), {"org_id": "o"}, DAY, RowKind.CONSUMER),
        ((), {"kind": Kind.KEY}, DAY, RowKind.CONSUMER),
        ((), {"consumer_id": ""}, DAY, RowKind.CONSUMER),
        ((C,), {}, QUARTER_HOUR, RowKind.ENDPOINT_OF_CONSUMER),
        ((), {"kind": Kind.OAUTH}, QUARTER_HOUR, RowKind.ENDPOINT_OF_CONSUMER),
        ((C, E), {}, DAY, RowKind.ENDPOINT_OF_CONSUMER),
        ((C,), {"api_id": "a"}, DAY, RowKind.ENDPOINT_OF_CONSUMER),
        ((E,), {"consumer_id": "k"}, DAY, RowKind.ENDPOINT_OF_CONSUMER),
        ((E,), {"kind": Kind.KEY}, QUARTER_HOUR, RowKind.ENDPOINT_OF_CONSUMER),
        ((), {"kind": Kind.KEY, "path": "/"}, DAY, RowKind.ENDPOINT_OF_CONSUMER),
    ],
)
def test_the_smallest_kind_of_rows_that_can_answer(by, filters, width, kind):
    for distributions, max_groups in product((True, False), (None, 5)):
        selection = Selection(EVER, frozenset(by), **filters, distributions=distributions, max_groups=max_groups)
        assert row_kind(selection, width) is kind


def test_every_question_is_answered_from_rows_that_have_what_it_asks_for():
    """All groupings and filters: what is kept apart or filtered by is in the rows."""
    has_consumer = {RowKind.ENDPOINT_OF_CONSUMER, RowKind.CONSUMER}
    has_endpoint = {RowKind.ENDPOINT_OF_CONSUMER, RowKind.ENDPOINT}
    for c, e, kind, consumer_id, api_id, path, width in product(
        (True, False), (True, False), (None, Kind.KEY), (None, "k"), (None, "a"), (None, "/"), Width
    ):
        by = frozenset(dimension for dimension, is_kept in ((C, c), (E, e)) if is_kept)
        selection = Selection(EVER, by, kind=kind, consumer_id=consumer_id, api_id=api_id, path=path)
        found = row_kind(selection, width)
        needs_consumer, needs_endpoint = c or bool(kind or consumer_id), e or bool(api_id or path)
        assert (found in has_consumer) == needs_consumer
        if needs_endpoint:
            assert found in has_endpoint
        if width is QUARTER_HOUR:
            assert found is not RowKind.CONSUMER, "a consumer's total has no quarter hours"


def test_one_group_too_many_is_refused():
    Selection(EVER).check_groups(10**9)
    selection = Selection(EVER, max_groups=1_000)
    selection.check_groups(1_000)
    with pytest.raises(AnswerTooLarge, match=r"1,000 rows"):
        selection.check_groups(1_001)

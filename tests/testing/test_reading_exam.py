"""The reading half of the exam catches readers that are wrong in ways readers of others' data are."""

from collections.abc import Sequence

import pytest

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import EdgeInsideBucket
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import ReadableStoreConformance, batch_of


class Reader(ReadableStore):
    """A store that only reads: somebody else fills what lies behind it."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.behind = MemoryStore()
        self.behind.merge(batch_of(records))

    def read(self, selection: Selection):
        return self.behind.read(selection)

    def close(self) -> None:
        self.behind.close()


class TestReader(ReadableStoreConformance):
    def open_filled(self, place, records):
        return Reader(records)


class FindsByBeginning(Reader):
    """As ``LIKE 'owner%'`` would."""

    def read(self, selection):
        wanted = selection.consumer_id
        if not wanted or "consumer" in selection.group_by:
            return super().read(selection)
        found = {
            group.consumer.id
            for group, _ in self.behind.read(Selection(selection.spans, frozenset({"consumer"})))
            if group.consumer.id.startswith(wanted)
        }
        answers = {}
        for one in found:
            for group, stats in self.behind.read(
                Selection(
                    selection.spans,
                    selection.group_by,
                    org_id=selection.org_id,
                    kind=selection.kind,
                    consumer_id=one,
                    api_id=selection.api_id,
                    path=selection.path,
                    distributions=selection.distributions,
                )
            ):
                if group in answers:
                    answers[group].merge(stats)
                else:
                    answers[group] = stats
        return list(answers.items())


class SharesItsAnswers(Reader):
    def __init__(self, records):
        super().__init__(records)
        self.kept = {}

    def read(self, selection):
        return self.kept.setdefault(selection, super().read(selection))


class DividesHours(Reader):
    """What is asked of the exam is an error for some questions; this one answers them."""


class ForgetsThatItIsClosed(Reader):
    def close(self) -> None:
        pass


def exam_of(reader, expected=None):
    class Exam(ReadableStoreConformance):
        def open_filled(self, place, records):
            return reader(records)

    if expected is not None:
        Exam.expected = expected
    return Exam()


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (FindsByBeginning, "test_ids_of_every_ugly_kind_are_found_and_kept_apart"),
        (SharesItsAnswers, "test_an_answer_belongs_to_the_caller"),
        (ForgetsThatItIsClosed, "test_closing_twice_does_nothing_and_a_closed_store_says_so"),
    ],
)
def test_a_broken_reader_fails(broken, test, tmp_path):
    run = getattr(exam_of(Reader), test)
    run(lambda: tmp_path)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(exam_of(broken), test)(lambda: tmp_path)


def test_a_reader_that_answers_what_its_data_cannot_say_fails(tmp_path):
    def cannot_say(self, hits, selection):
        return None

    class Refuses(Reader):
        def read(self, selection):
            raise EdgeInsideBucket("half an hour")

    exam_of(Refuses, cannot_say).test_every_grouping_and_every_filter(lambda: tmp_path)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        exam_of(DividesHours, cannot_say).test_every_grouping_and_every_filter(lambda: tmp_path)

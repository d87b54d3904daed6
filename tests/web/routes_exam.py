"""The exam that each of our stores sits behind the routes: every answer equals a count of the hits.

What a store answers is for ``tyk_endpoint_stats.testing`` to examine; this is about what becomes of it, in whole.
"""

from datetime import date

import pytest

from tests.web.plain_usage import ZONES, Usage
from tests.web.sums import check_sums
from tests.web.tyk_exam import TykExam
from tests.web.v1_exam import V1Exam

__all__ = ["RoutesExam"]

CHANGED_CLOCKS = date(2020, 10, 29), date(2020, 11, 4)
"""Days around the one of 25 hours in Newfoundland."""


class RoutesExam(V1Exam, TykExam):
    """Every resource of ``/v1`` and every route of Tyk's, in three zones, of one store that is filled once.

    Subclasses give ``url``: a fixture of the class's scope, with the URL of a store that is empty.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, url):
        usage = Usage(url)
        with usage.store:
            yield usage

    @pytest.fixture(scope="class", params=ZONES)
    @classmethod
    def usage(cls, request, served):
        return served.in_zone(request.param)

    def test_sums_are_the_same_however_one_asks(self, usage):
        check_sums(usage, *CHANGED_CLOCKS)

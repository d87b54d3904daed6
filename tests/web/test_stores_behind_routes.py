"""The stores in memory and in a file, behind the routes; plugins' stores sit the same exam."""

import pytest

from tests.web.routes_exam import RoutesExam


class TestMemory(RoutesExam):
    @pytest.fixture(scope="class")
    @classmethod
    def url(cls):
        return "memory://"


class TestSQLite(RoutesExam):
    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, tmp_path_factory):
        return f"sqlite:///{tmp_path_factory.mktemp('routes')}/stats.db"

    @pytest.fixture(scope="class")
    @classmethod
    def usage(cls, served):
        """In the zone whose days begin at a half hour, and whose clocks change: the others are asked of memory."""
        return served.in_zone("America/St_Johns")

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

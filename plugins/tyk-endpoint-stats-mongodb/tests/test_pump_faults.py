"""A MongoDB that does not answer, or answers not all, while Tyk Pump's aggregates are read."""

from typing import Any

import pytest
from pump_aggregates_writer import ORG_2, fill, used
from pump_writer import PumpDatabase
from tyk_endpoint_stats_mongodb import pump_aggregates
from tyk_endpoint_stats_mongodb.pump_aggregates import open_pump

from tyk_endpoint_stats.errors import StoreBusy, UnusableStore


class TestFaults:
    def test_a_server_that_does_not_answer_is_busy(
        self, pump: PumpDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(pump, used())
        with open_pump(pump.url("tyk-pump")) as store:
            pump.have_it_fail("aggregate", blockConnection=True, blockTimeMS=600)
            monkeypatch.setattr(pump_aggregates, "READ_TIMEOUT_S", 0.2)
            with pytest.raises(StoreBusy, match=r"no answer within 0\.2 s"):
                store.consumers()
            pump.have_it_fail("aggregate", times=0)
            monkeypatch.undo()
            assert [one.hits for one in store.consumers()] == [1]

    def test_a_user_without_rights_is_told_what_he_needs(self, pump: PumpDatabase) -> None:
        fill(pump, used())
        with open_pump(pump.url("tyk-pump")) as store:
            pump.have_it_fail("aggregate", errorCode=13)
            with pytest.raises(UnusableStore, match="give it the role read on the database"):
                store.consumers()

    def test_one_question_sees_one_state_of_all_organisations(
        self, pump: PumpDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Documents that come while it is answered are not in it; without a snapshot, the twin, they are."""
        fill(pump, used())
        fill(pump, {**used(), "orgid": "org-2"}, collection=ORG_2)
        add = pump_aggregates.PumpAnswer.add

        def add_and_write(self: Any, found: Any) -> None:
            add(self, found)
            fill(pump, {**used(hits=100), "orgid": "org-2"}, collection=ORG_2)

        monkeypatch.setattr(pump_aggregates.PumpAnswer, "add", add_and_write)
        with open_pump(pump.url("tyk-pump")) as store:
            assert [one.hits for one in store.consumers()] == [2]
            monkeypatch.setattr(store, "_has_snapshots", False)
            assert store.consumers()[0].hits > 202

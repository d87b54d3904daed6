"""What the driver's errors become: ours, and without the documents and commands that it quotes."""

import pytest
from bson import encode
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError
from tyk_endpoint_stats_mongodb.seam import Seam

from tyk_endpoint_stats.errors import StoreError

KEY = "a-key-as-it-was-sent"
STATE = {"width": "day", "consumer": KEY, "path": "/a"}


def quoting(message, code):
    return OperationFailure(f"{message} {{ _id: {STATE} }}", code, {"errmsg": str(STATE), "code": code})


PROBLEMS = {
    "overflow": quoting("Failed to apply $inc operations to current value for document", 2),
    "no rights": quoting("not authorized on stats to execute command", 13),
    "other": quoting("E11000 duplicate key error collection: stats.states index: _id_ dup key:", 11000),
    "several": BulkWriteError({"writeErrors": [{"index": 0, "code": 2, "errmsg": str(STATE), "op": {"q": STATE}}]}),
}


def said_of(problem):
    with pytest.raises(StoreError) as caught, Seam("mongodb://localhost/stats").translated(5):
        raise problem
    assert caught.value.__cause__ is problem
    return str(caught.value)


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_document_that_the_driver_quotes_is_in_a_message(name):
    said = said_of(PROBLEMS[name])
    assert KEY in str(PROBLEMS[name])
    assert KEY not in said
    assert said.startswith("mongodb://localhost/stats: ")


def test_what_the_driver_says_before_it_is():
    assert said_of(PROBLEMS["no rights"]).endswith("(not authorized on stats to execute command)")
    assert said_of(PyMongoError("nothing quoted")) == "mongodb://localhost/stats: nothing quoted"


def test_nor_is_a_value_that_can_not_be_kept():
    with pytest.raises(StoreError) as caught, Seam("mongodb://localhost/stats").translated(5):
        encode({"_id": STATE, "hits": object()})
    assert KEY not in str(caught.value)
    assert "a value can't be kept" in str(caught.value)


def test_that_these_tests_catch_a_seam_that_says_all(monkeypatch):
    """The broken twin."""
    monkeypatch.setattr(Seam, "_said", lambda seam, problem: seam.masked(str(problem)))
    for name in PROBLEMS:
        with pytest.raises(AssertionError):
            test_no_document_that_the_driver_quotes_is_in_a_message(name)

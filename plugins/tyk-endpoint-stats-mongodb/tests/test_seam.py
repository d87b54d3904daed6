"""What the driver's errors become: ours, and without the documents and commands that it quotes."""

import pytest
from bson import encode
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError
from tyk_endpoint_stats_mongodb.address import parse_address
from tyk_endpoint_stats_mongodb.raw_source import open_raw
from tyk_endpoint_stats_mongodb.seam import Seam, masked_url
from tyk_endpoint_stats_mongodb.store import open_mongodb

from tyk_endpoint_stats.errors import PluginError, SourceError, StoreError

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


SESSION = "FwoGZXIvYXdzEBYaD-pa55-of-a-store"
OPTIONS = {
    "authMechanismProperties": f"AWS_SESSION_TOKEN:{SESSION}",
    "authmechanismproperties": f"SERVICE_NAME:x,AWS_SESSION_TOKEN:{SESSION.replace('-', '%2D')}",
    "tlsCertificateKeyFilePassword": SESSION,
    "proxyPassword": SESSION,
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("prefix", ["", "tyk-raw+", "tyk-pump+"])
def test_secrets_in_the_drivers_options_are_masked(prefix, option):
    """In the store's name, in a source's label, in what the driver says; other options stay."""
    url = f"{prefix}mongodb://AKIA:key@h/db?authSource=admin&{option}={OPTIONS[option]}&appName=a"
    shown = f"{prefix}mongodb://***@h/db?authSource=admin&{option}=***&appName=a"
    assert masked_url(url) == Seam(url).name == shown
    if prefix:
        assert parse_address(url, ()).label == shown
    for said in (OPTIONS[option], SESSION, f"bad value {SESSION}, and key"):
        assert SESSION not in Seam(url).masked(said)


@pytest.mark.parametrize(
    "options",
    [
        f"authMechanism=MONGODB-AWS&authMechanismProperties=NO_SUCH:{SESSION}",
        f"authMechanism=MONGODB-AWS&authMechanismProperties={SESSION}",
        f"authMechanism=MONGODB-AWS&authMechanismProperties=CANONICALIZE_HOST_NAME:{SESSION}",
        f"no_such_token={SESSION}",
    ],
)
def test_what_the_driver_refuses_or_warns_of_is_wrong_usage_and_shows_no_secret(options):
    for opening in (open_mongodb, lambda url: open_raw(f"tyk-raw+{url}")[0].parts()):
        with pytest.raises((PluginError, SourceError)) as caught:
            opening(f"mongodb://AKIA:key@127.0.0.1:1/db?serverSelectionTimeoutMS=10&{options}")
        assert SESSION not in f"{caught.value} {caught.value.__cause__}"

"""``copy`` as a command."""

import pytest


def test_a_store_is_copied_and_the_ingest_goes_on_there(run, store):
    result = run("copy", "--from", store, "--to", "sqlite:///other.db")
    assert result.exit_code == 0, result.stderr
    assert "the positions of 1 sources were copied now" in result.stdout
    ours, theirs = (run("consumers", "--store", url).stdout for url in (store, "sqlite:///other.db"))
    assert ours == theirs
    again = run("ingest", "--store", "sqlite:///other.db", "demo.jsonl")
    assert "counted                0" in again.stdout, again.stdout
    assert "0 rows" in run("copy", "--from", store, "--to", "sqlite:///other.db").stdout


def test_a_copy_into_itself_is_wrong_usage(run, store):
    result = run("copy", "--from", store, "--to", store)
    assert result.exit_code == 2
    assert "the same store" in result.stderr


@pytest.mark.parametrize("origin", ["sqlite:///nowhere.db", "mongodbb://h/d"])
def test_a_store_that_is_not_there_is_said_to(run, origin):
    result = run("copy", "--from", origin, "--to", "sqlite:///other.db")
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith("Error: ")


def test_a_target_with_other_hits_is_refused(run, store):
    run("ingest", "--store", "sqlite:///other.db", "demo.jsonl")
    result = run("copy", "--from", store, "--to", "sqlite:///other.db")
    assert result.exit_code == 1
    assert "has to be a new store" in result.stderr

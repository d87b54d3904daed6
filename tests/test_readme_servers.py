"""The rows of the README's table of sources that need a server, tried on real ones."""

import json
import re
import signal
import subprocess
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from pump_aggregates_writer import aggregate_documents
from pump_rows import create_table, insert, rows_of
from pump_writer import MOMENT, object_id, raw_document
from pymongo import MongoClient
from redis import Redis
from redis_server import BASE, push

from tests.printed import printed_by
from tests.test_readme import KEY, TOP, folder, rows_of_sources
from tests.waiting import wait_for
from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.testing import hit, plain_hits

pytestmark = pytest.mark.slow

__all__ = ["folder"]

TOKEN = "0123456789abcdef0123"
RECORDS = json.loads((TOP / "tests" / "vectors" / "records.json").read_bytes())["records"]
HITS = [hit(api_key=KEY), hit(api_key=KEY, code=404), hit(api_key="another")]


@pytest.fixture
def mongo_database(standalone):
    with MongoClient(standalone.url) as client:
        yield client["tyk_analytics"]
        client.drop_database("tyk_analytics")


@pytest.fixture
def postgres_url(postgres):
    postgres.execute("CREATE ROLE tyk LOGIN")
    postgres.execute("CREATE DATABASE tyk_analytics OWNER tyk")
    yield f"postgresql://tyk@127.0.0.1:{postgres.port}/tyk_analytics"
    postgres.execute("DROP DATABASE tyk_analytics WITH (FORCE)")
    postgres.execute("DROP ROLE tyk")


def command(have, place, address):
    """The command of a row, with the address of a server of ours."""
    printed = rows_of_sources()[have]
    assert place in printed
    return f"tyk-endpoint-stats {printed.replace(place, address)}"


def hits_of_key():
    with open_store("sqlite:///tyk-endpoint-stats.db") as store:
        return {row.id: row.hits for row in store.consumers()}.get(KEY)


def test_a_gateways_redis(folder, redis):
    with Redis(port=redis.port) as client:
        client.flushall()
        push(client, BASE, [bytes.fromhex(record["msgpack_hex"]) for record in RECORDS])
    run = command("a gateway's Redis, and no Tyk Pump", "localhost:6379", f"127.0.0.1:{redis.port}")
    with subprocess.Popen(["bash", "-c", f"exec {run}"], cwd=folder, stdout=subprocess.PIPE) as program:
        wait_for(lambda: Path("tyk-endpoint-stats.db").exists() and hits_of_key())
        program.terminate()
        said, _ = program.communicate(timeout=60)
    assert f"{len(RECORDS)} read" in said.decode()
    expected = sum(record["expect"]["api_key"] == KEY and not record["expect"]["skipped"] for record in RECORDS)
    assert hits_of_key() == expected > 0


def test_raw_records_in_mongodb(folder, standalone, mongo_database):
    mongo_database["tyk_analytics"].insert_many(
        [raw_document(object_id(MOMENT, number), apikey=KEY) for number in range(3)]
    )
    have = "Tyk Pump's raw records, in MongoDB"
    assert "3 read" in printed_by(folder, command(have, "localhost:27017", standalone.address))
    assert hits_of_key() == 3


def test_raw_records_in_postgresql(folder, postgres_url):
    create_table(postgres_url, "raw", "tyk_analytics")
    row = {"path": "/get", "apikey": KEY, "responsecode": 200, "timestamp": MOMENT, "orgid": "o", "apiid": "a"}
    insert(postgres_url, "tyk_analytics", [row] * 4)
    run = command("Tyk Pump's raw records, in PostgreSQL", "localhost", postgres_url.split("@")[1].split("/")[0])
    assert "4 read" in printed_by(folder, run)
    assert hits_of_key() == 4


def answer_of(folder, run, day):
    """What the route answers while the command runs."""
    serve = ["bash", "-c", f"exec {run} --port 0 --token {TOKEN}"]
    with subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, text=True) as program:
        try:
            return answered(program, day)
        finally:
            program.send_signal(signal.SIGTERM)
            assert program.wait(20) == 0


def answered(program, day):
    url = re.search("http://[^,]+", program.stdout.readline())[0]
    target = f"{url}/api/activity/keys/endpoint/{KEY}/{day}/{day}"
    with urlopen(Request(target, headers={"authorization": TOKEN}), timeout=20) as answer:
        return json.loads(answer.read())["data"]


def test_aggregates_in_mongodb(folder, standalone, mongo_database):
    documents = aggregate_documents(plain_hits(HITS))
    mongo_database["z_tyk_analyticz_aggregate_org-1"].insert_many(documents)
    run = command("only Tyk Pump's aggregates, in MongoDB", "localhost:27017", standalone.address)
    (row,) = answer_of(folder, run, "13/10/2020")
    assert (row["hits"], row["success"], row["error"]) == (2, 1, 1)


def test_aggregates_in_postgresql(folder, postgres_url):
    create_table(postgres_url, "aggregate", "tyk_aggregated")
    insert(postgres_url, "tyk_aggregated", rows_of(plain_hits(HITS)))
    have = "only Tyk Pump's aggregates, in PostgreSQL"
    run = command(have, "localhost", postgres_url.split("@")[1].split("/")[0])
    (row,) = answer_of(folder, run, "13/10/2020")
    assert (row["hits"], row["success"], row["error"]) == (2, 1, 1)

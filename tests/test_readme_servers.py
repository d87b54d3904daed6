"""The rows of the README's table of sources that need a server, and what the plugins' READMEs say, on real ones."""

import json
import re
import shlex
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

from tests.cli.serving import serving
from tests.printed import printed_by
from tests.test_documentation import BLOCK
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


def lines_of(plugin):
    """The lines of the console blocks of a plugin's README, and no Python ones: there are none."""
    page = TOP / "plugins" / plugin / "README.md"
    blocks = [block for block in BLOCK.findall(page.read_text(encoding="utf-8")) if not block[0]]
    assert not [language for _, language, _ in blocks if language == "python"]
    return [line for _, language, lines in blocks if language == "console" for line in lines.splitlines()]


def run_as_a_reader(folder, plugin, place, address):
    """What the lines of a plugin's README print, where the server of its examples is one of ours."""
    printed = ""
    for line in lines_of(plugin):
        if line.startswith("pip install "):
            assert line == f"pip install {plugin}"  # what lies beside us is what is there
            continue
        line, places = re.subn(place, address, line)
        assert places == 1, line
        if " serve " in line:
            with serving(folder, *shlex.split(line)[2:], "--port", "0", "--token", TOKEN) as running:
                printed += running.first
        else:
            # What follows goes on for ever; once it has read all there is, the rest is known.
            printed += printed_by(folder, line.replace("--follow ", ""))
    return printed


def test_what_the_mongodb_plugins_readme_says(folder, standalone):
    printed_by(folder, "tyk-endpoint-stats ingest --store sqlite:///stats.db analytics.jsonl")
    plugin, names = "tyk-endpoint-stats-mongodb", ("stats", "stats_copied")
    printed = run_as_a_reader(folder, plugin, "mongodb://localhost/", f"mongodb://{standalone.address}/")
    assert "2 read" in printed
    with MongoClient(standalone.url) as client:
        assert [client[name]["endpoint_stats.day_rows"].count_documents({"hits": 2}) > 0 for name in names] == [
            True
        ] * 2
        for name in names:
            client.drop_database(name)


def test_what_the_postgresql_plugins_readme_says(folder, postgres_url):
    for kind, table in (("aggregate", "tyk_aggregated"), ("raw", "tyk_analytics")):
        create_table(postgres_url, kind, table)
    insert(postgres_url, "tyk_aggregated", rows_of(plain_hits(HITS)))
    row = {"path": "/get", "apikey": KEY, "responsecode": 200, "timestamp": MOMENT, "orgid": "o", "apiid": "a"}
    insert(postgres_url, "tyk_analytics", [row] * 4)
    plugin, place = "tyk-endpoint-stats-postgresql", r"postgresql://\w+@db\.example/\w+"
    printed = run_as_a_reader(folder, plugin, place, postgres_url)
    assert printed.count("Serving on") == 2
    for said in ("2 read", "4 read", "/get"):
        assert said in printed


def test_what_the_redis_plugins_readme_says(folder, redis):
    with Redis(port=redis.port) as client:
        client.flushall()
        push(client, BASE, [bytes.fromhex(record["msgpack_hex"]) for record in RECORDS])
    plugin, place = "tyk-endpoint-stats-redis", "redis://localhost:6379/0"
    printed = run_as_a_reader(folder, plugin, place, f"redis://127.0.0.1:{redis.port}/0")
    for said in (f"{len(RECORDS)} records wait", f"{len(RECORDS)} read", "Serving on"):
        assert said in printed

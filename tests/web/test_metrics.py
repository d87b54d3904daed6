"""``/metrics``: read by Prometheus' own parser, right in its numbers, and without a word about consumers."""

import urllib.error
import urllib.request

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import wait_for
from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.ingest.watch import Watch
from tyk_endpoint_stats.web.metrics import Metrics
from tyk_endpoint_stats.web.operations import Operations
from tyk_endpoint_stats.web.server import make_server

ANSWERS = "tyk_endpoint_stats_answers_total"


def parsed(text):
    """``{(name, labels): value}`` of a scrape."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_answers_are_counted_by_status_and_by_how_long_they_took():
    metrics = Metrics("1.2.3", now=lambda: 0.0)
    for status, seconds in ((200, 0.0009), (200, 0.001), (401, 0.3), (503, 60.0)):
        metrics.answered(status, seconds)
    metrics.turned_away()
    metrics.connections = lambda: 7
    found = parsed(metrics.text())
    prefix = "tyk_endpoint_stats"
    assert found[f"{prefix}_build_info", "1.2.3"] == 1
    assert {key[1]: value for key, value in found.items() if key[0] == f"{prefix}_answers_total"} == {
        "200": 2,
        "401": 1,
        "503": 1,
    }
    assert found[f"{prefix}_answer_seconds_bucket", "0.001"] == 2, "a bound is in its bucket"
    assert found[f"{prefix}_answer_seconds_bucket", "0.25"] == 2
    assert found[f"{prefix}_answer_seconds_bucket", "0.5"] == 3
    assert found[f"{prefix}_answer_seconds_bucket", "10.0"] == 3
    assert found[f"{prefix}_answer_seconds_bucket", "+Inf"] == 4
    assert found[f"{prefix}_answer_seconds_count",] == 4
    assert found[f"{prefix}_answer_seconds_sum",] == pytest.approx(60.3019)
    assert found[f"{prefix}_connections",] == 7
    assert found[f"{prefix}_connections_turned_away_total",] == 1
    assert found["process_resident_memory_bytes",] > 1_000_000
    assert not [name for name, *_ in found if "records" in name or "lag" in name], "nothing is ingested here"


def test_what_is_ingested_shows_with_its_lag():
    watch = Watch()
    report = IngestReport("x", Counts(12, 5, 1, {"untracked": 2, "x": 1}, {"bad": 4}), duplicate=3, bytes=1000)
    report.newest_us = 1_600_000_000_000_000
    watch.moved(report)
    found = parsed(Metrics("1", now=lambda: 1_600_000_012.5, watch=watch).text())
    prefix = "tyk_endpoint_stats"
    assert {key[1]: value for key, value in found.items() if key[0] == f"{prefix}_records_total"} == {
        "counted": 5,
        "skipped": 3,
        "malformed": 4,
        "duplicate": 3,
    }
    assert found[f"{prefix}_ingested_bytes_total",] == 1000
    assert found[f"{prefix}_lag_seconds",] == 12.5
    assert found[f"{prefix}_newest_hit_timestamp_seconds",] == 1_600_000_000
    assert found[f"{prefix}_ingest_stalled",] == 0
    watch.ended("a mistake")
    assert parsed(Metrics("1", now=lambda: 0.0, watch=watch).text())[f"{prefix}_ingest_stalled",] == 1


def get(url, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, problem.headers["Content-Type"], problem.read()


@pytest.mark.parametrize(
    ("operations", "statuses"),
    [
        (Operations(metrics=Metrics("1", now=lambda: 0.0)), (401, 401, 404, 200)),
        (Operations(metrics=Metrics("1", now=lambda: 0.0), metrics_need_token=False), (200, 200, 200, 200)),
        (Operations(), (401, 401, 404, 404)),
    ],
    ids=["token", "open", "off"],
)
def test_who_may_read_them(make_store, settings, token, serve_operations, operations, statuses):
    server = serve_operations(make_store([]), settings, operations)
    tokens = (None, "wrong-0123456789", "bound-0123456789abcdef", token)
    assert tuple(get(f"{server.url}/metrics", each)[0] for each in tokens) == statuses


def test_a_scrape_sees_the_answers_before_it_and_nobodys_name(
    make_store, make_record, settings, token, serve_operations
):
    store = make_store([make_record(api_key="a-secret-key", path="/a-path", api_id="an-api")])
    metrics = Metrics("1", now=lambda: 0.0)
    server = serve_operations(store, settings, Operations(metrics=metrics))
    url = f"{server.url}/api/activity/keys/endpoint/a-secret-key/13/10/2020/13/10/2020"
    before = {metric.name for metric in REGISTRY.collect()}
    assert [get(url, token)[0] for _ in range(3)] == [200] * 3
    assert get(url)[0] == 401
    # An answer is counted once it is sent, with the time that took: whoever has it may ask before that.
    wait_for(lambda: sum(parsed(metrics.text()).get((ANSWERS, status), 0) for status in ("200", "401")) == 4)
    status, content_type, text = get(f"{server.url}/metrics", token)
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = parsed(text)
    assert found[ANSWERS, "200"] == 3
    assert found[ANSWERS, "401"] == 1
    assert found["tyk_endpoint_stats_connections",] >= 1
    wait_for(lambda: parsed(get(f"{server.url}/metrics", token)[2])[ANSWERS, "200"] >= 4)  # anew
    for name in ("a-secret-key", "a-path", "an-api", settings.tokens.find(token).org_id or "5e9d9544"):
        assert name not in text.decode()
    assert {metric.name for metric in REGISTRY.collect()} == before, "the library's own registry is its embedder's"


def test_two_servers_in_one_process_count_apart(make_store, settings, serve_operations):
    servers = [
        serve_operations(
            make_store([]), settings, Operations(metrics=Metrics("1", now=lambda: 0.0), metrics_need_token=False)
        )
        for _ in range(2)
    ]
    assert get(f"{servers[0].url}/health")[0] == 200
    wait_for(lambda: (ANSWERS, "200") in parsed(get(f"{servers[0].url}/metrics")[2]))
    assert (ANSWERS, "200") not in parsed(get(f"{servers[1].url}/metrics")[2])


def test_a_head_has_the_headers_alone(make_store, settings, serve_operations, exchange):
    operations = Operations(metrics=Metrics("1", now=lambda: 0.0), metrics_need_token=False)
    server = serve_operations(make_store([]), settings, operations)
    answer = exchange(server, b"HEAD /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")
    assert exchange(server, b"POST /metrics HTTP/1.1\r\nHost: h\r\n\r\n").startswith(b"HTTP/1.1 401 ")


def test_a_server_that_is_never_scraped_loads_no_library(make_store, settings):
    import subprocess
    import sys

    code = (
        "import sys, time\nfrom tyk_endpoint_stats.web.metrics import Metrics\n"
        "Metrics('1', now=time.time).answered(200, 0.1)\nsys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with make_server(make_store([]), settings=settings, port=0) as server:
        assert server.connections == 0

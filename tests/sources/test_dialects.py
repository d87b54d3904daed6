"""The same fields under the names of other sinks and databases."""

import json

import pytest

from tyk_endpoint_stats.sources.forms import objects
from tyk_endpoint_stats.sources.forms.dialects import names_of_fields

DIALECTS = {
    "Kafka": {"timestamp": "T", "path": "/r", "response_code": 200, "api_key": "k", "request_time_ms": 5},
    "Elasticsearch": {"@timestamp": "T", "request_uri": "/r", "response_code": 200, "request_time_ms": 5},
    "Logstash before Kafka's": {
        "@timestamp": "2001-01-01T00:00:00Z",
        "timestamp": "T",
        "path": "/r",
        "response_code": 200,
        "api_key": "k",
        "request_time_ms": 5,
    },
    "Splunk": {"time_stamp": "T", "path": "/r", "response_code": 200, "api_key": "k", "request_time": 5},
    "GELF's fields": {
        "timestamp": 1.5,
        "short_message": "x",
        "_timestamp": "T",
        "_path": "/r",
        "_response_code": 200,
        "_api_key": "k",
        "_request_time_ms": 5,
    },
    "MongoDB": {
        "timestamp": {"$date": "T"},
        "path": "/r",
        "responsecode": {"$numberInt": "200"},
        "apikey": "k",
        "requesttime": {"$numberLong": "5"},
        "latency": {"total": {"$numberLong": "5"}, "upstream": 4},
    },
    "MongoDB, canonical": {
        "timestamp": {"$date": {"$numberLong": "1602583200000"}},
        "path": "/r",
        "responsecode": 200,
        "apikey": "k",
        "requesttime": 5,
        "latency": {"total": 5, "upstream": 4},
    },
    "SQL": {
        "timestamp": "2020-10-13 10:00:00+00",
        "path": "/r",
        "responsecode": 200,
        "apikey": "k",
        "requesttime": 5,
        "latency_total": 5,
        "latency_upstream": 4,
    },
    "flattened": {
        "timestamp": "2001-01-01T00:00:00Z",
        "tyk-analytics-record.timestamp": "T",
        "tyk-analytics-record.path": "/r",
        "tyk-analytics-record.response_code": 200,
        "tyk-analytics-record.api_key": "k",
        "tyk-analytics-record.request_time": 5,
        "tyk-analytics-record.latency.total": 5,
        "tyk-analytics-record.latency.upstream": 4,
    },
}


@pytest.mark.parametrize("name", DIALECTS)
def test_records_have_the_same_fields_under_other_names(tmp_path, name):
    line = json.dumps(DIALECTS[name]).replace('"T"', '"2020-10-13T10:00:00Z"').encode()
    (found,) = objects.look_again(line)
    record = found.record
    assert record is not None, found
    assert (record.path, record.response_code, record.request_time) == ("/r", 200, 5)
    assert record.timestamp.startswith("2020-10-13T10:00:00")
    if any(known in name for known in ("Kafka", "Elastic", "Splunk", "GELF")):
        assert record.latency is None
    else:
        assert (record.latency.total, record.latency.upstream) == (5, 4)


@pytest.mark.parametrize("name", ["x" * 1_000_000, "x." * 500_000, "tyk-analytics-record" * 50_000])
def test_a_name_of_a_million_characters_is_looked_through_once(name):
    """A broken twin that looks for what was flattened from each of them on takes over an hour."""
    assert names_of_fields((name, "path")) == {"path": "path"}

"""Layers around records: each kind alone, many at random, and a reader that swallows one of them."""

import base64
import gzip
import json
import re
from random import Random

import pytest

from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.buckets import ALL_DAYS
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.sources.forms import objects
from tyk_endpoint_stats.stores.memory import MemoryStore

NUMBER = "d3c1e5a0"


def typed(value, names):
    """A value of JSON with its types around it: the names of texts, numbers, booleans, objects and lists."""
    text, number, boolean, wrap_object, wrap_list = names
    if isinstance(value, dict):
        return wrap_object({name: typed(each, names) for name, each in value.items()})
    if isinstance(value, list):
        return wrap_list([typed(each, names) for each in value])
    if isinstance(value, bool):
        return {boolean: value}
    return {text: value} if isinstance(value, str) else {number: str(value)}


DYNAMODB = ("S", "N", "BOOL", lambda members: {"M": members}, lambda elements: {"L": elements})
FIRESTORE = (
    *("stringValue", "integerValue", "booleanValue"),
    lambda members: {"mapValue": {"fields": members}},
    lambda elements: {"arrayValue": {"values": elements}},
)
OTLP = (
    *("stringValue", "intValue", "boolValue"),
    lambda members: {"kvlistValue": {"values": [{"key": name, "value": each} for name, each in members.items()]}},
    lambda elements: {"arrayValue": {"values": elements}},
)


def record_of(path="/r", **members):
    return {
        "method": "GET",
        "path": path,
        "response_code": 200,
        "api_key": "k",
        "timestamp": "2020-10-13T10:00:00Z",
        "api_id": "a",
        "org_id": "o",
        "request_time": 5,
        "latency": {"total": 5, "upstream": 4},
        "alias": "",
        "user_agent": '{"timestamp":"2020-10-13T10:00:00Z","path":"/forged","response_code":200,"api_key":"k"}',
    } | members


def pump(record):
    return {"level": "info", "msg": "", "time": "2020-10-13T08:00:05Z", "tyk-analytics-record": record}


RECORD = record_of()
LINE = json.dumps(pump(RECORD))
SYSLOG = f"<134>1 2020-10-13T08:00:05Z node-1 tyk-pump 42 - - {LINE}"
TEXT_LOG = 'time="Oct 13 08:00:06" level=info msg="Purged 3 records..." prefix=stdout-pump'

PREFIXES = {
    "docker logs -t": "2020-10-13T08:00:05.123456789Z ",
    "docker compose logs": "tyk-pump-1  | ",
    "docker compose logs -t": "tyk-pump-1  | 2020-10-13T08:00:05.123456789Z ",
    "Kubernetes": "2020-10-13T08:00:05.1+02:00 stdout F ",
    "kubectl logs --prefix": "[pod/tyk-pump-7d9f/pump] ",
    "kubectl logs --prefix --timestamps": "[pod/tyk-pump-7d9f/pump] 2020-10-13T08:00:05Z ",
    "aws logs tail": "2020-10-13T08:00:05.001000+00:00 pump/1 ",
    "aws logs tail --format short": "2020-10-13T08:00:05 ",
    "syslog": "Oct 13 08:00:05 node-1 tyk-pump[42]: ",
    "syslog with its priority": "<14>Oct  3 08:00:05 node-1 tyk-pump: ",
    "syslog RFC 5424": "<14>1 2020-10-13T08:00:05Z node-1 tyk-pump 42 - - ",
    "syslog RFC 5424 with data": '<14>1 2020-10-13T08:00:05Z node-1 tyk-pump 42 ID1 [x@1 a="b ] \\" c"] ',
    "journalctl -o short-iso": "2020-10-13T08:00:05+0000 node-1 tyk-pump[42]: ",
    "logcli": '2020-10-13T08:00:05Z {app="pump", pod="x"} ',
    "docker compose with colours": "\x1b[36mpump-1  | \x1b[0m",
    "fly": "2020-10-13T08:00:05Z app[148e] ams [info]",
    "Fluentd's file": "2020-10-13T10:00:05+00:00\tkube.pump\t",
    "Kafka's console": "CreateTime:1602576000000\tPartition:0\tkey\t",
    "journalctl -o short-full": "Tue 2020-10-13 10:00:05 UTC node-1 tyk-pump[42]: ",
    "text": "some host of ours: ",
}


BEFORE_JSON_ALONE = ("text", "fly", "Fluentd's file", "Kafka's console", "journalctl -o short-full")


@pytest.fixture
def read(tmp_path):
    """``read(data)``: the counts and the paths of a file with these bytes."""
    file = tmp_path / "file"

    def read(data):
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        with MemoryStore() as store:
            source = FileSource(str(file))
            counts = store.ingest(source).counts
            assert store.ingest(FileSource(str(file))).read == 0
            return counts, paths_of(store)

    return read


def paths_of(store):
    found = {}
    for group, stats in store.read(Selection(ALL_DAYS, frozenset({Dimension.ENDPOINT}))):
        found[group.endpoint.path] = found.get(group.endpoint.path, 0) + stats.hits
    return found


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_a_prefix_is_taken_off_and_a_log_line_behind_it_is_one(read, prefix):
    data = "".join(f"{prefix}{line}\n" for line in (LINE, json.dumps(RECORD), LINE))
    assert read(data) == (Counts(3, 3), {"/r": 3})
    if prefix not in [
        PREFIXES[name] for name in ("text", "fly", "Fluentd's file", "Kafka's console", "journalctl -o short-full")
    ]:
        assert read(data + f"{prefix}{TEXT_LOG}\n")[0] == Counts(4, 3, skipped={"log": 1})


WRAPPERS = {
    "docker json-file": lambda text: {"log": text + "\n", "stream": "stdout", "time": "2020-10-13T08:00:05Z"},
    "Filebeat": lambda text: {"@timestamp": "2001-01-01T00:00:00Z", "message": text, "event": {"original": text}},
    "Vector": lambda text: {"timestamp": "2001-01-01T00:00:00Z", "message": text, "host": "h"},
    "journald": lambda text: {"__REALTIME_TIMESTAMP": "1", "MESSAGE": text},
    "journald in bytes": lambda text: {"__REALTIME_TIMESTAMP": "1", "MESSAGE": list(text.encode())},
    "Loki": lambda text: {"labels": {}, "line": text, "timestamp": "2001-01-01T00:00:00Z"},
    "logcli of a query": lambda text: {
        "status": "success",
        "data": {
            "resultType": "streams",
            "result": [{"stream": {"app": "pump"}, "values": [["1602576000", text]]}],
        },
    },
    "CloudWatch": lambda text: {"events": [{"timestamp": 1, "message": text}], "searchedLogStreams": [{"x": 1}]},
    "SQS": lambda text: {"Messages": [{"MessageId": "1", "Body": text}]},
    "Kinesis": lambda text: {"Records": [{"Data": base64.b64encode(text.encode()).decode()}]},
    "Splunk": lambda text: {"preview": False, "result": {"_raw": text, "_time": "2001"}},
    "GELF": lambda text: {"version": "1.1", "short_message": text, "timestamp": 1.5},
    "Google Cloud": lambda text: {"jsonPayload": json.loads(text), "timestamp": "2001-01-01T00:00:00Z"},
    "Elasticsearch": lambda text: {"_index": "x", "_source": json.loads(text)},
    "Kafka's kcat -J": lambda text: {"topic": "t", "ts": 1, "payload": text},
    "OpenTelemetry": lambda text: {
        "resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": text}, "timeUnixNano": "1"}]}]}]
    },
    "Azure": lambda text: {"TimeGenerated": "2001-01-01T00:00:00Z", "LogMessage": text, "Type": "ContainerLogV2"},
    "Azure's query": lambda text: {"tables": [{"columns": [{"name": "x"}], "rows": [["2001-01-01", text]]}]},
    "Loki's with labels of a line": lambda text: {"streams": [{"stream": {}, "values": [["1", text, {"a": "b"}]]}]},
    "SNS in SQS": lambda text: {"Messages": [{"Body": json.dumps({"Type": "Notification", "Message": text})}]},
    "Fluent Bit's merge": lambda text: {"date": 1.5, "log": text, **json.loads(text)},
    "a list of texts": lambda text: [text],
    "Promtail": lambda text: {"labels": {"job": "pump"}, "entry": text, "ts": "2001-01-01T00:00:00Z"},
    "Humio": lambda text: {"@timestamp": 1, "@rawstring": text},
    "Avro's JSON": lambda text: {"message": {"string": text}},
    "CloudWatch's subscription": lambda text: {
        "awslogs": {
            "data": base64.b64encode(
                gzip.compress(json.dumps({"logEvents": [{"id": "1", "timestamp": 1, "message": text}]}).encode())
            ).decode()
        }
    },
    "DynamoDB": lambda text: {"Item": typed(json.loads(text), DYNAMODB)["M"]},
    "Firestore": lambda text: {"name": "x", "fields": typed(json.loads(text), FIRESTORE)["mapValue"]["fields"]},
    "OpenTelemetry, parsed": lambda text: {
        "resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": typed(json.loads(text), OTLP)}]}]}]
    },
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("inner", [LINE, json.dumps(RECORD)], ids=["pump's", "plain"])
def test_a_record_is_read_once_out_of_an_object_and_has_its_own_time(read, wrap, inner):
    line = json.dumps(wrap(inner))
    assert read(f"{line}\n" * 3) == (Counts(3, 3), {"/r": 3})
    assert read(json.dumps([wrap(inner)] * 3, indent=2)) == (Counts(3, 3), {"/r": 3})
    assert read(line * 3) == (Counts(3, 3), {"/r": 3})


AS_THEY_ARE = {
    "Fluent Bit's stdout": "".join(f"[{n}] kube: [1602576000.5, {json.dumps({'log': LINE})}]\n" for n in range(3)),
    "its stdout with metadata": f"[0] kube: [[1602576000.5, {{}}], {json.dumps({'log': LINE})}]\n" * 3,
    "journalctl -o export": f"MESSAGE={LINE}\n" * 3,
    "JSON text sequences": f"\x1e{LINE}\n" * 3,
    "GELF over TCP": (json.dumps({"version": "1.1", "short_message": LINE}) + "\0") * 3,
    "redis-cli": "".join(f"{n}) {json.dumps(LINE)}\n" for n in range(1, 4)),
    "a variable's value": f"var records = [{LINE},\n{LINE},\n{LINE}]\n",
    "Excel's separator": "sep=;\npath;responsecode;apikey;timestamp\n" + "/r;200;k;2020-10-13T10:00:00Z\n" * 3,
    "logfmt": f"ts=2020-10-13T08:00:05Z level=info msg={json.dumps(LINE)}\n" * 3,
    "Logrus' logfmt, with Go's escapes": f'time="x" level=info msg={json.dumps(LINE)} prefix="a\\x7fb"\n' * 3,
    "Vector's logfmt": f"host=h message={json.dumps(json.dumps(RECORD))} source_type=docker_logs\n" * 3,
    "syslog with octet counts": f"{len(SYSLOG)} {SYSLOG}" * 3,
    "syslog with octet counts and newlines": f"{len(SYSLOG) + 1} {SYSLOG}\n" * 3,
    "Google Cloud's columns": "insertId,timestamp,"
    + ",".join(f"jsonPayload.tyk-analytics-record.{name}" for name in ("path", "response_code", "timestamp"))
    + "\n"
    + "x,2001-01-01T00:00:00Z,/r,200,2020-10-13T10:00:00Z\n" * 3,
    "Datadog's columns": "Date,"
    + ",".join(f"@tyk-analytics-record.{name}" for name in ("path", "response_code", "timestamp"))
    + "\n"
    + "2001-01-01T00:00:00Z,/r,200,2020-10-13T10:00:00Z\n" * 3,
    "Azure's columns": "TimeGenerated [UTC],LogEntry\n" + ('x,"' + LINE.replace('"', '""') + '"\n') * 3,
    "BigQuery's times": "path,response_code,api_key,timestamp\n" + "/r,200,k,2020-10-13 10:00:00 UTC\n" * 3,
    "psql's columns": " path | responsecode | timestamp \n" + " /r   |  200 | 2020-10-13 10:00:00+00 \n" * 3,
}


@pytest.mark.parametrize("text", AS_THEY_ARE.values(), ids=AS_THEY_ARE)
def test_what_people_paste_and_save_is_read_as_it_is(read, text):
    assert read(text) == (Counts(3, 3), {"/r": 3})


@pytest.mark.parametrize(
    "header",
    ["_time,_raw,host", "@timestamp;@message", "Date\tHost\tContent", "time,Line,labels", '"_raw"', "record"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_table_of_log_lines_has_records_in_its_cells(read, header, end):
    delimiter = next((each for each in ",;\t" if each in header), ",")
    names = header.split(delimiter)
    place = next(at for at, name in enumerate(names) if name.strip('"') in "_raw @message Content Line record")
    quoted = '"' + LINE.replace('"', '""') + '"'
    row = delimiter.join(quoted if at == place else "x" for at in range(len(names)))
    text = (end or "\n").join([header, row, row, row]) + end
    assert read(text) == (Counts(3, 3), {"/r": 3})


def test_a_table_without_a_record_and_a_word_that_names_no_column_are_said_to_be_what_they_are(tmp_path):
    for text, looks in (
        ("a,message\nx,y\n", r"in the columns where a record may be .message"),
        ("message\nx\n", "no JSON"),
    ):
        (tmp_path / "file").write_text(text)
        assert re.search(looks, FileSource(str(tmp_path / "file")).looks())
        explanation = FileSource(str(tmp_path / "file")).explain()
        assert (explanation.record, explanation.looks) == (None, FileSource(str(tmp_path / "file")).looks())


def test_what_a_bulk_request_says_about_its_lines_is_no_record(read):
    counts, hits = read('{"index":{"_index":"tyk"}}\n' + f"{json.dumps(RECORD)}\n" + '{"create":{}}\n')
    assert (counts, hits) == (Counts(3, 1, skipped={"bulk action": 2}), {"/r": 1})


def test_parts_of_two_streams_may_stand_between_each_other(read):
    lines = [
        ("stdout P ", LINE[:50]),
        ("stderr P ", 'time="Oct 13 10:00:06" level=info '),
        ("stdout P ", LINE[50:90]),
    ]
    lines += [("stderr F ", 'msg="Purged"'), ("stdout F ", LINE[90:])]
    text = "".join(f"2020-10-13T08:00:05.1Z {tag}{part}\n" for tag, part in lines)
    assert read(text) == (Counts(2, 1, skipped={"log": 1}), {"/r": 1})


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_what_is_no_record_in_a_wrapper_is_named_and_not_nothing(read, wrap):
    for text in ('{"hello":"world"}', '{"timestamp":"2020-10-13T10:00:00Z","hello":1}'):
        counts = read(f"{json.dumps(wrap(text))}\n")[0]
        assert counts.read == sum(counts.malformed.values()) == 1
    broken = json.dumps(RECORD | {"response_code": "200"})
    assert read(f"{json.dumps(wrap(broken))}\n")[0] == Counts(1, malformed={"response_code is no whole number": 1})


def test_who_has_a_time_and_a_path_is_no_record_of_tyks(read):
    line = json.dumps({"timestamp": "2020-10-13T10:00:00Z", "path": "/x", "status": 200, "request_time": 0.1})
    assert read(f"{line}\n")[0] == Counts(1, malformed={"no timestamp": 1})


def test_a_value_that_is_torn_costs_itself_alone(read):
    text = json.dumps(RECORD, indent=1)
    data = f"[\n{text},\n{text[:200]}\n{text},\n{text}\n]\n"
    counts, paths = read(data)
    assert (counts.counted, sum(counts.malformed.values())) == (3, 1)
    data = json.dumps(RECORD) + json.dumps(RECORD)[:100] + json.dumps(RECORD) * 2
    counts, paths = read(data)
    assert counts.counted == 3
    assert paths == {"/r": 3}


def test_an_array_that_grows_is_never_read_as_something_else(kit, tmp_path):
    file = tmp_path / "array.json"
    whole = json.dumps([record_of(f"/{number}") for number in range(40)], indent=1).encode()
    counted = 0
    with MemoryStore() as store:
        for size in [*range(1, len(whole), 997), len(whole)]:
            file.write_bytes(whole[:size])
            report = kit.take(store, file)
            assert not report.counts.malformed
            counted += report.counts.counted
        assert counted == 40
        assert len(store.sources()) == 1


def test_a_wrapper_over_the_cap_is_named_and_its_elements_count(kit, tmp_path):
    file = tmp_path / "events.json"
    events = [
        {"timestamp": 1, "message": json.dumps(record_of(f"/{n}", raw_request="x" * 60_000))} for n in range(300)
    ]
    file.write_text(json.dumps({"events": events, "searchedLogStreams": []}))
    with MemoryStore() as store:
        counts = kit.take(store, file).counts
    assert counts.counted == 300
    assert sum(counts.malformed.values()) >= 1


# Anything around anything.

TEXTS = (
    lambda randomness, text: randomness.choice([*PREFIXES.values()]) + text,
    lambda randomness, text: json.dumps(randomness.choice([*WRAPPERS.values()])(text)),
    lambda randomness, text: json.dumps(pump(json.loads(text))) if text.startswith("{") else text,
)


def wrapped(randomness, number):
    """A record with its number as its path, in up to three layers; one line."""
    text = json.dumps(record_of(f"/{NUMBER}/{number}"))
    for _ in range(randomness.randrange(4)):
        if not text.startswith("{") or "tyk-analytics-record" in text:
            text = TEXTS[0](randomness, text) if randomness.random() < 0.3 and text.startswith("{") else text
        else:
            text = randomness.choice(TEXTS)(randomness, text)
    return text


def lost_in(tmp_path, seed):
    """How many of the records of a file are neither counted once nor named."""
    randomness = Random(seed)
    count = randomness.randrange(1, 40)
    lines = [wrapped(randomness, number) for number in range(count)]
    file = tmp_path / f"wrapped-{seed}"
    file.write_text("".join(f"{line}\n" for line in lines))
    with MemoryStore() as store:
        report = store.ingest(FileSource(str(file)))
        paths = paths_of(store)
    assert all(hits == 1 for hits in paths.values())
    return count - len(paths) - sum(report.counts.malformed.values())  # none of them is a line of a log


def test_every_record_is_counted_or_named_whatever_is_around_it(tmp_path, seed):
    for number in range(seed * 1000, seed * 1000 + 40):
        assert lost_in(tmp_path, number) == 0


def test_a_reader_that_swallows_a_layer_is_found_out(tmp_path, seed, monkeypatch):
    """The broken twin takes an object in whose texts it does not look for a line of a log."""
    monkeypatch.setattr(objects, "TEXT_MEMBERS", frozenset())
    monkeypatch.setattr(objects, "_nothing_in", lambda data, layers: objects.Found(skipped="log", layers=layers))
    assert sum(lost_in(tmp_path, number) for number in range(seed * 1000, seed * 1000 + 40))

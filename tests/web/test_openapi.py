import json
import re

import msgspec
import pytest

from tyk_endpoint_stats.web.routes import CONSUMERS, OPEN_ROUTES

VALUES = {
    "startDay": "13",
    "startMonth": "10",
    "startYear": "2020",
    "EndDay": "14",
    "EndMonth": "10",
    "EndYear": "2020",
}


@pytest.fixture(scope="module")
def document(store, ask):
    return json.loads(ask(store, "/openapi.json", authorization=None).body)


def filled(path, **consumers):
    for name, value in (VALUES | consumers).items():
        path = path.replace("{" + name + "}", value)
    return path


def fits(value, schema, document):
    """A small validator: it knows the keywords of this document and no others."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    unknown = set(schema) - {"type", "const", "required", "properties", "additionalProperties", "items"}
    assert unknown <= {"format", "minimum", "description"}
    if "const" in schema:
        assert value == schema["const"]
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "null": type(None),
    }
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]])
    if "minimum" in schema:
        assert value >= schema["minimum"]
    if schema.get("type") == "object" and "properties" in schema:
        assert list(value) == schema["required"] == list(schema["properties"])
        assert schema["additionalProperties"] is False
        for name, inner in schema["properties"].items():
            fits(value[name], inner, document)
    for item in value if "items" in schema else ():
        fits(item, schema["items"], document)


def test_the_document_and_the_routes_name_the_same_paths(document):
    described = set(document["paths"])
    routed = {
        "/".join(["", *prefix, "{" + name + "}", *("{" + part + "}" for part in VALUES)])
        for prefix, (name, _) in CONSUMERS.items()
    }
    assert described == routed | set(OPEN_ROUTES)


def test_every_described_operation_is_answered_as_described(document, store, ask):
    rows = 0
    for path, item in document["paths"].items():
        target = filled(path, keyHash="7f3c3ca87376cabe", OAuthClientID="27b35a9ed46e429eb2361e440cc4005c")
        assert set(item) == {"get", "head"}
        named = {parameter["name"] for parameter in item["get"].get("parameters", ())}
        assert {part.strip("{}") for part in path.split("/") if part.startswith("{")} <= named
        answer = ask(store, target)
        assert answer.status == 200
        body = json.loads(answer.body)
        fits(body, item["get"]["responses"]["200"]["content"]["application/json"]["schema"], document)
        rows += len(body.get("data", ()))
        assert ask(store, target, method="HEAD").status == 200
        needs_token = ask(store, target, authorization=None).status == 401
        assert needs_token is bool(item["get"]["security"])
        assert ask(store, target, method="POST").status == 405
    assert rows == 8


@pytest.mark.parametrize(
    ("status", "target", "token"),
    [
        ("400", "/api/activity/keys/k/0/1/2020/1/1/2020", True),
        ("401", "/api/activity/keys/k/1/1/2020/1/1/2020", False),
        ("404", "/api/activity/keys//1/1/2020/1/1/2020", True),
    ],
)
def test_errors_have_the_described_form(document, store, ask, status, target, token):
    answer = ask(store, target) if token else ask(store, target, authorization=None)
    assert str(answer.status) == status
    fits(json.loads(answer.body), {"$ref": "#/components/schemas/Error"}, document)
    for item in document["paths"].values():
        assert not item["get"]["security"] or status in item["get"]["responses"]


def test_the_document_stands_on_its_own(document):
    assert document["openapi"] == "3.1.0"
    operation_ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(operation_ids) == len(set(operation_ids))
    text = msgspec.json.encode(document).decode()
    for ref in text.split('"$ref":"')[1:]:
        assert ref.startswith("#/components/schemas/")
        assert ref.split('"')[0].rsplit("/", 1)[1] in document["components"]["schemas"]


@pytest.mark.parametrize("part", list(VALUES))
def test_the_patterns_of_dates_take_what_the_routes_take(document, store, ask, part):
    (path, item) = next((path, item) for path, item in document["paths"].items() if "keyHash" in path)
    (pattern,) = [p["schema"]["pattern"] for p in item["get"]["parameters"] if p["name"] == part]
    candidates = [f"{n:0{digits}d}" for digits in (1, 2, 3, 4) for n in range(105)] + [
        "9999",
        "10000",
        "x",
        "-1",
    ]
    for value in candidates:
        described = re.search(pattern, value) is not None
        # January, so that every day there is in the pattern is one
        dates = VALUES | {"startMonth": "1", "EndMonth": "1", "keyHash": "k", part: value}
        taken = ask(store, filled(path, **dates)).status == 200
        assert taken is described, value

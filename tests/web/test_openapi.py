import json
import re

import msgspec
import pytest

from tyk_endpoint_stats.web.route import Authentication
from tyk_endpoint_stats.web.table import ROUTES

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
    unknown = set(schema) - {"type", "const", "required", "properties", "additionalProperties", "items", "enum"}
    assert unknown <= {"format", "minimum", "maximum", "description"}
    if isinstance(schema.get("type"), list):
        if value is None:
            assert "null" in schema["type"]
            return
        schema = {**schema, "type": next(each for each in schema["type"] if each != "null")}
    assert value in schema.get("enum", [value])
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
    assert schema.get("minimum", 0) <= value <= schema.get("maximum", value) if "minimum" in schema else True
    if schema.get("type") == "object" and "properties" in schema:
        assert set(schema["required"]) <= set(value), "what is required is there"
        assert list(value) == [name for name in schema["properties"] if name in value], "and in this order"
        assert schema["additionalProperties"] is False
        for name, inner in value.items():
            fits(inner, schema["properties"][name], document)
    elif schema.get("type") == "object":
        for inner in value.values() if "additionalProperties" in schema else ():
            fits(inner, schema["additionalProperties"], document)
    for item in value if "items" in schema else ():
        fits(item, schema["items"], document)


def test_the_document_and_the_routes_name_the_same_paths(document):
    assert list(document["paths"]) == [route.path for route in ROUTES if route.operation is not None]
    for route in ROUTES:
        in_path = [part[1:-1] for part in route.parts if part[:1] == "{"]
        assert in_path == [one.name for one in route.parameters if one.in_path]
        assert len({one.name for one in route.parameters}) == len(route.parameters)


def test_every_described_operation_is_answered_as_described(document, store, ask):
    rows = v1_rows = 0
    for path, item in document["paths"].items():
        target = filled(
            path,
            keyHash="7f3c3ca87376cabe",
            keyHashes="7f3c3ca87376cabe,",
            OAuthClientID="27b35a9ed46e429eb2361e440cc4005c",
            apiID="79fc7cb80df940cc5089772200bd4926",
        )
        target += "?from=all" if "from" in [one["name"] for one in item["get"]["parameters"]] else ""
        assert set(item) == {"get", "head"}
        named = {parameter["name"] for parameter in item["get"].get("parameters", ())}
        assert {part.strip("{}") for part in path.split("/") if part.startswith("{")} <= named
        answer = ask(store, target)
        assert answer.status == 200
        body = json.loads(answer.body)
        fits(body, item["get"]["responses"]["200"]["content"]["application/json"]["schema"], document)
        rows += len(body.get("data", ())) if "pages" in body else 0
        v1_rows += len(body.get("data", ())) if "next" in body else 0
        assert ask(store, target, method="HEAD").status == 200
        needs_token = ask(store, target, authorization=None).status == 401
        assert needs_token is bool(item["get"]["security"])
        assert ask(store, target, method="POST").status == 405
    assert rows > 12
    assert v1_rows > 12


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
    for path, item in document["paths"].items():
        assert not item["get"]["security"] or status in item["get"]["responses"] or path.startswith("/v1/")


def test_every_answer_of_v1_fits_its_description(document, store, ask):
    queries = [
        "from=2020-10-13&to=2020-10-14&compare=previous",
        "from=2020-10-14&to=2020-10-14&compare=2020-10-13..2020-10-13",
        "from=all&fields=hits,codes",
    ]
    for route in ROUTES:
        if not route.path.startswith("/v1/") or route.path == "/v1/meta":
            continue
        more = ["from=all&by=endpoint&top=1"] if route.path == "/v1/series" else []
        for query in [*queries, *more]:
            answer = ask(store, f"{route.path}?{query}")
            schema = document["paths"][route.path]["get"]["responses"]["200"]["content"]["application/json"][
                "schema"
            ]
            fits(json.loads(answer.body), schema, document)


@pytest.mark.parametrize(
    ("status", "query", "token"), [("400", "?x=1", True), ("400", "?limit=0", True), ("401", "", False)]
)
def test_problems_have_the_described_form(document, store, ask, status, query, token):
    answer = ask(store, f"/v1/endpoints{query}", **({} if token else {"authorization": None}))
    assert str(answer.status) == status
    assert dict(answer.headers)["Content-Type"] == "application/problem+json"
    fits(json.loads(answer.body), {"$ref": "#/components/schemas/Problem"}, document)


def test_what_needs_no_token_has_no_data_and_says_so(document):
    assert [route.path for route in ROUTES if route.authentication is Authentication.OPEN] == [
        path for path, item in document["paths"].items() if not item["get"]["security"]
    ]


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

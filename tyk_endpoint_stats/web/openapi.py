"""The OpenAPI 3.1 document of the routes: what ``/openapi.json`` serves. It holds no data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tyk_endpoint_stats.web.targets import DATE_PARTS

__all__ = ["openapi_document"]

Json = dict[str, Any]

CONTRACT_VERSION = "1"

_NO_CONTROL = "^[^\\u0000-\\u001f\\u007f]*$"
_DATE_PATTERNS = {
    "Day": "^(0?[1-9]|[12][0-9]|3[01])$",
    "Month": "^(0?[1-9]|1[0-2])$",
    "Year": "^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])$",
}

_INTEGER: Json = {"type": "integer", "format": "int64"}
_COUNT: Json = {**_INTEGER, "minimum": 0}
_MEAN: Json = {"type": "number", "minimum": 0, "description": "Mean over all hits, in milliseconds."}
_MILLISECONDS: Json = {**_INTEGER, "minimum": 0, "description": "Milliseconds."}
_ALWAYS_ZERO: Json = {"type": "integer", "const": 0}
_ALWAYS_EMPTY: Json = {"type": "string", "const": ""}


def openapi_document(consumers: Mapping[tuple[str, ...], str], open_paths: Iterable[str]) -> Json:
    """The document.

    Args:
        consumers: by the segments before it, what a consumer in the path is called.
        open_paths: what is answered without a token.
    """
    paths: Json = {
        "/" + "/".join([*prefix, f"{{{name}}}", *(f"{{{part}}}" for part in DATE_PARTS)]): _question(prefix, name)
        for prefix, name in consumers.items()
    }
    paths |= {path: _open_operation(path) for path in open_paths}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tyk-endpoint-stats",
            "version": CONTRACT_VERSION,
            "summary": "Which endpoints did this API key or OAuth client call between two days?",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "authorization"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {"Endpoints": _answer(), "Error": _error()},
        },
    }


def _question(prefix: Sequence[str], name: str) -> Json:
    parameters = [_parameter("path", name, {"type": "string", "minLength": 1, "pattern": _NO_CONTROL})]
    parameters += [
        _parameter(
            "path",
            part,
            {"type": "string", "pattern": _DATE_PATTERNS[part.removeprefix("start").removeprefix("End")]},
        )
        for part in DATE_PARTS
    ]
    parameters += [
        _parameter(
            "query",
            "p",
            {"type": "integer", "minimum": -(10**18) + 1, "maximum": 10**18 - 1},
            "A page, from 1. Absent, 0 or less: all rows.",
        ),
        _parameter("query", "api_id", {"type": "string", "pattern": _NO_CONTROL}, "Only the rows of that API."),
    ]
    operation = {
        "summary": f"The endpoints that a consumer ({name}) called from one day to another.",
        "parameters": parameters,
        "security": [{"token": []}, {"bearer": []}],
        "responses": {
            "200": _json("The endpoints, most hits first.", {"$ref": "#/components/schemas/Endpoints"}),
            **_errors("400", "401", "404", "500", "503"),
        },
    }
    operation_id = "_".join(prefix[2:])
    return {
        "get": {"operationId": operation_id, **operation},
        "head": {"operationId": f"head_{operation_id}", **operation},
    }


def _parameter(place: str, name: str, schema: Json, description: str | None = None) -> Json:
    parameter: Json = {"name": name, "in": place, "schema": schema}
    if place == "path":
        parameter["required"] = True
    if description:
        parameter["description"] = description
    return parameter


def _open_operation(path: str) -> Json:
    operation = {
        "security": [],
        "responses": {"200": _json("It is so.", {"type": "object"}), **_errors("503")},
    }
    name = path.strip("/").partition(".")[0]
    return {"get": {"operationId": name, **operation}, "head": {"operationId": f"head_{name}", **operation}}


def _errors(*statuses: str) -> Json:
    return {status: _json(_MEANINGS[status], {"$ref": "#/components/schemas/Error"}) for status in statuses}


_MEANINGS = {
    "400": "The path, a date or a parameter can't be read, or the answer would be larger than the server gives; "
    "the message says which.",
    "401": "No valid token.",
    "404": "No such route.",
    "500": "The store can't answer.",
    "503": "Too busy; try again after the seconds of Retry-After.",
}


def _json(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _answer() -> Json:
    identity = dict.fromkeys(("day", "month", "year", "hour", "code"), _ALWAYS_ZERO)
    identity |= {"path": {"type": "string"}}
    identity |= dict.fromkeys(("key", "alias", "url", "iso_country"), _ALWAYS_EMPTY)
    identity |= {"api_id": {"type": "string"}, "api_name": _ALWAYS_EMPTY}
    row = {
        "id": _object(identity),
        **dict.fromkeys(("hits", "success", "error"), _COUNT),
        "last_hit": {"type": "string", "format": "date-time"},
        **dict.fromkeys(("request_time", "latency", "upstream_latency"), _MEAN),
        **dict.fromkeys(
            ("max_upstream_latency", "min_upstream_latency", "max_latency", "min_latency"), _MILLISECONDS
        ),
    }
    return _object({"data": {"type": "array", "items": _object(row)}, "pages": {"type": "integer", "minimum": 0}})


def _error() -> Json:
    return _object({"Status": {"const": "Error"}, "Message": {"type": "string"}, "Meta": {"type": "null"}})


def _object(properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}

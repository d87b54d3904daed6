"""What OpenAPI says of Tyk's routes."""

from typing import Any

from tyk_endpoint_stats.web.openapi import object_schema
from tyk_endpoint_stats.web.route import NO_CONTROL, Json, Parameter
from tyk_endpoint_stats.web.targets import DATE_PARTS

__all__ = ["PATH_PARAMETERS", "TYK_SCHEMAS", "tyk_operation"]

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
_TEXT: Json = {"type": "string"}

_MEANINGS = {
    "400": "The path, a date or a parameter can't be read or is not kept, or the answer would be larger than the "
    "server gives; the message says which.",
    "401": "No valid token.",
    "404": "No such route.",
    "500": "The store can't answer.",
    "503": "Too busy; try again after the seconds of Retry-After.",
}


def _path_parameters() -> dict[str, Parameter]:
    segment = {"type": "string", "minLength": 1, "pattern": NO_CONTROL}
    meanings = {
        "keyHash": "A key as the gateway records it: usually its hash.",
        "OAuthClientID": "An OAuth client's id.",
        "keyHashes": "Keys with commas between them.",
        "apiID": "An API's id.",
    }
    named = {
        name: Parameter(name=name, schema=segment, description=description, in_path=True)
        for name, description in meanings.items()
    }
    for part in DATE_PARTS:
        pattern = _DATE_PATTERNS[part.removeprefix("start").removeprefix("End")]
        named[part] = Parameter(name=part, schema={"type": "string", "pattern": pattern}, in_path=True)
    return named


PATH_PARAMETERS = _path_parameters()
"""By the name that Tyk documents."""


def tyk_operation(name: str, summary: str, with_names: bool) -> Json:
    """What the document says of a route.

    Args:
        name: of the operation.
        summary: one sentence.
        with_names: whether more than the path and the API's id is filled of a row's ``id``.
    """
    schema = "Analytics" if with_names else "Endpoints"
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": _json("The rows, most hits first or in the order of time.", _ref(schema)),
            **{status: _json(_MEANINGS[status], _ref("Error")) for status in ("400", "401", "404", "500", "503")},
        },
    }


def _schemas() -> Json:
    identity = dict.fromkeys(("day", "month", "year", "hour", "code"), _ALWAYS_ZERO)
    identity |= {"path": _TEXT}
    identity |= dict.fromkeys(("key", "alias", "url", "iso_country"), _ALWAYS_EMPTY)
    identity |= {"api_id": _TEXT, "api_name": _ALWAYS_EMPTY}
    full = dict.fromkeys(("day", "month", "year", "hour", "code"), _COUNT)
    full |= dict.fromkeys(("path", "key", "alias"), _TEXT)
    full |= dict.fromkeys(("url", "iso_country"), _ALWAYS_EMPTY)
    full |= dict.fromkeys(("api_id", "api_name"), _TEXT)
    return {
        "Endpoints": _envelope(identity),
        "Analytics": _envelope(full),
        "Error": object_schema({"Status": {"const": "Error"}, "Message": _TEXT, "Meta": {"type": "null"}}),
    }


def _envelope(identity: Json) -> Json:
    row = {
        "id": object_schema(identity),
        **dict.fromkeys(("hits", "success", "error"), _COUNT),
        "last_hit": {"type": "string", "format": "date-time"},
        **dict.fromkeys(("request_time", "latency", "upstream_latency"), _MEAN),
        **dict.fromkeys(
            ("max_upstream_latency", "min_upstream_latency", "max_latency", "min_latency"), _MILLISECONDS
        ),
    }
    return object_schema(
        {"data": {"type": "array", "items": object_schema(row)}, "pages": {"type": "integer", "minimum": 0}}
    )


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(description: str, schema: Any) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


TYK_SCHEMAS = _schemas()

"""What OpenAPI says of ``/v1``."""

from tyk_endpoint_stats.questions.group_rows import ApiRow, ConsumerRow, EndpointRow, PairRow
from tyk_endpoint_stats.questions.measures import BEFORE_MEMBERS, MEASURES, Measures
from tyk_endpoint_stats.questions.series import GroupedSeriesRow
from tyk_endpoint_stats.questions.totals import TotalRow
from tyk_endpoint_stats.web.openapi import object_schema
from tyk_endpoint_stats.web.problems import PROBLEM
from tyk_endpoint_stats.web.representations import FORMATS
from tyk_endpoint_stats.web.route import Json

__all__ = ["V1_SCHEMAS", "meta_operation", "v1_operation"]

_COUNT: Json = {"type": "integer", "minimum": 0}
_COUNT_OR_NULL: Json = {"type": ["integer", "null"], "minimum": 0}
_MILLISECONDS: Json = {"type": ["number", "null"], "minimum": 0, "description": "Milliseconds."}
_TIME: Json = {"type": ["string", "null"], "format": "date-time"}
_MOMENT: Json = {"type": "string", "format": "date-time"}
_TEXT: Json = {"type": "string"}
_NUMBERS: Json = {
    **dict.fromkeys(("hits", "success", "error"), _COUNT),
    "error_rate": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    **dict.fromkeys(("c2xx", "c3xx", "c4xx", "c5xx"), _COUNT_OR_NULL),
    **dict.fromkeys(("first_hit", "last_hit"), _TIME),
    "codes": {"type": ["object", "null"], "additionalProperties": _COUNT},
}
_NAMES: Json = {
    "kind": {"type": "string", "enum": ["key", "oauth"]},
    "endpoints": _COUNT,
    "start": _MOMENT,
    "end": _MOMENT,
    "group": {"type": ["object", "null"], "additionalProperties": _TEXT},
}
_ROWS: dict[str, type[Measures]] = {
    "endpoints": EndpointRow,
    "consumers": ConsumerRow,
    "apis": ApiRow,
    "pairs": PairRow,
    "series": GroupedSeriesRow,
    "totals": TotalRow,
}
_TOTAL = (
    "Of all rows, also of those on other pages. Of the busiest among many consumers or pairs, codes and percentiles "
    "are null: those of the others are not read."
)
_MEANINGS = {
    "400": "A parameter is unknown, given twice or can't be read, or the answer would be too large.",
    "401": "No valid token.",
    "500": "The store can't answer.",
    "503": "Too busy; try again after the seconds of Retry-After.",
}


def v1_operation(name: str, summary: str) -> Json:
    """What the document says of a resource of rows."""
    content = {
        FORMATS["json"]: {"schema": {"$ref": f"#/components/schemas/{_schema_name(name)}"}},
        FORMATS["ndjson"]: {"schema": _TEXT},
        FORMATS["csv"].partition(";")[0]: {"schema": _TEXT},
    }
    return _operation(name, summary, content)


def meta_operation() -> Json:
    """What the document says of ``/v1/meta``."""
    content = {FORMATS["json"]: {"schema": {"$ref": "#/components/schemas/V1Meta"}}}
    summary = "From when to when, how finely, of which organisations can be asked, and which months grew."
    return _operation("meta", summary, content)


def _operation(name: str, summary: str, content: Json) -> Json:
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "operationId": f"v1_{name}",
        "summary": summary,
        "responses": {
            "200": {"description": "The rows.", "content": content},
            "304": {"description": "What the client has, by its If-None-Match, is still so."},
            **{status: {"description": text, "content": problem} for status, text in _MEANINGS.items()},
        },
    }


def _schemas() -> Json:
    edges = {"from": _MOMENT, "to": _MOMENT}
    asked = object_schema({**edges, "zone": _TEXT, "before": {**object_schema(edges), "type": ["object", "null"]}})
    schemas: Json = {}
    for name, row_type in _ROWS.items():
        members = {member: _member(member) for member in row_type.members()}
        members["before"] = object_schema({member: _member(member) for member in BEFORE_MEMBERS})
        members["gone"] = {"const": True}
        total = {"rows": _COUNT, **{member: _member(member) for member in MEASURES}}
        schemas[_schema_name(name)] = object_schema(
            {
                "data": {"type": "array", "items": object_schema(members, required=[])},
                "total": {**object_schema(total, required=["rows"]), "description": _TOTAL},
                "next": {"type": ["string", "null"], "description": "Relative to this request's target."},
                "asked": asked,
                "counted_to": _TIME,
            }
        )
    day = object_schema({"day": {"type": "string", "format": "date"}, "hits": _COUNT, "last": _MOMENT})
    month: Json = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}
    grown = object_schema(
        {"month": month, "hits": _COUNT, "last": _MOMENT, "days": {"type": "array", "items": day}}
    )
    about = {
        **dict.fromkeys(("first_hit", "counted_to", "pruned_before"), _TIME),
        "organisations": {"type": ["array", "null"], "items": _TEXT},
        "grown": {"type": ["array", "null"], "items": grown},
        **dict.fromkeys(("zone", "grain", "version"), _TEXT),
    }
    schemas["V1Meta"] = object_schema({"data": object_schema(about)})
    schemas["Problem"] = object_schema(
        {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "parameter": _TEXT,
        },
        required=["type", "title", "status", "detail"],
    )
    return schemas


def _member(name: str) -> Json:
    found: Json = _NUMBERS.get(name, _MILLISECONDS) if name in MEASURES else _NAMES.get(name, _TEXT)
    return found


def _schema_name(name: str) -> str:
    return f"V1{name.title()}"


V1_SCHEMAS = _schemas()

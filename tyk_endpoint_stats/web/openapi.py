"""The OpenAPI 3.1 document of the routes: what ``/openapi.json`` serves. It holds no data."""

from collections.abc import Iterable

from tyk_endpoint_stats.web.route import Authentication, Json, Parameter, Route

__all__ = ["object_schema", "openapi_document"]

CONTRACT_VERSION = "1"


def openapi_document(routes: Iterable[Route], schemas: Json) -> Json:
    """The document.

    Args:
        routes: all of them; those without an operation are not in it.
        schemas: what their operations refer to.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tyk-endpoint-stats",
            "version": CONTRACT_VERSION,
            "summary": "Which endpoints did this API key or OAuth client call between two days?",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {route.path: _item(route) for route in routes if route.operation is not None},
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "authorization"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": schemas,
        },
    }


def _item(route: Route) -> Json:
    assert route.operation is not None
    operation = {
        **route.operation,
        "parameters": [_parameter(parameter) for parameter in route.parameters],
        "security": [] if route.authentication is Authentication.OPEN else [{"token": []}, {"bearer": []}],
    }
    head = {**operation, "operationId": f"head_{operation['operationId']}"}
    return {"get": operation, "head": head}


def _parameter(parameter: Parameter) -> Json:
    described: Json = {
        "name": parameter.name,
        "in": "path" if parameter.in_path else "query",
        "schema": parameter.schema,
    }
    if parameter.in_path:
        described["required"] = True
    if parameter.description:
        described["description"] = parameter.description
    return described


def object_schema(properties: Json, required: list[str] | None = None) -> Json:
    """An object with these members and no others; ``required``: those that are always there, by default all."""
    return {
        "type": "object",
        "required": list(properties) if required is None else required,
        "properties": properties,
        "additionalProperties": False,
    }

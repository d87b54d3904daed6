"""What stands in the answers of the routes, for the tests that look into them."""

import json
from typing import Any


def rows(response: Any) -> list[dict[str, Any]]:
    """The rows of a 200."""
    assert response.status == 200, response.body
    found: list[dict[str, Any]] = json.loads(response.body)["data"]
    return found


def message(response: Any, status: int) -> str:
    """The text in the error envelope of such a status."""
    assert response.status == status, response.body
    envelope = json.loads(response.body)
    assert list(envelope) == ["Status", "Message", "Meta"]
    assert (envelope["Status"], envelope["Meta"]) == ("Error", None)
    assert dict(response.headers)["Content-Type"] == "application/json; charset=utf-8"
    text: str = envelope["Message"]
    return text

"""Responses in SCM's format: JSON, an empty body, or a refusal with a code."""

import json
from typing import Any

from starlette.responses import Response

JSON_TYPE = "application/json;charset=UTF-8"

Json = dict[str, Any]


class Refusal(Exception):
    """Refusal of a call, with HTTP status, SCM's own code and a description."""

    def __init__(
        self,
        code: int,
        description: str,
        *,
        status: int = 400,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status
        self.headers = headers

    def response(self) -> Response:
        """Return the refusal as an HTTP response."""
        content = {"code": self.code, "description": self.description}
        return answer(content, status=self.status, headers=self.headers)


def answer(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return Response(body, status, {"Content-Type": JSON_TYPE, **(headers or {})})


def nothing() -> Response:
    """Return an empty response with status 204."""
    return Response(status_code=204)


def done() -> Response:
    """Return an empty response with status 200, as SCM does after a change of a domain."""
    return Response(status_code=200)


def without_gaps(values: Json) -> Json:
    """Return the values that aren't None: SCM leaves out keys without a value."""
    return {name: value for name, value in values.items() if value is not None}

"""What SCM sends back: JSON, an empty answer, or a refusal with a code."""

import json
from typing import Any

from starlette.responses import Response

JSON_TYPE = "application/json;charset=UTF-8"

Json = dict[str, Any]


class Refusal(Exception):
    """SCM says no: an HTTP status, SCM's own code, and a text for a person."""

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
        """The refusal as it goes over the wire."""
        content = {"code": self.code, "description": self.description}
        return answer(content, status=self.status, headers=self.headers)


def answer(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return Response(body, status, {"Content-Type": JSON_TYPE, **(headers or {})})


def nothing() -> Response:
    """204: done, and there is no more to say."""
    return Response(status_code=204)


def done() -> Response:
    """200 and not a byte: how SCM says yes to a change of a domain."""
    return Response(status_code=200)


def without_gaps(values: Json) -> Json:
    """The values that are there: SCM leaves a key without a value out."""
    return {name: value for name, value in values.items() if value is not None}

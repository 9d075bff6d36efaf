"""Reading what a caller sent: JSON bodies and query parameters, with SCM's codes for what is wrong."""

import json
from collections.abc import Mapping
from typing import Any

from certline.simulator.wire.answers import Json, Refusal

MISSING = -7
UNREADABLE = -1002
INVALID = -1601


def parsed(raw: bytes) -> Json:
    """The body as a JSON object."""
    try:
        body = json.loads(raw)
    except ValueError:
        raise unreadable() from None
    if not isinstance(body, dict):
        raise unreadable()
    return body


def unreadable() -> Refusal:
    """The answer to a body that SCM cannot read."""
    return Refusal(UNREADABLE, "Cannot parse message body")


def invalid(name: str, why: str) -> Refusal:
    """The answer to a field whose value breaks a rule."""
    return Refusal(INVALID, f"Field '{name}' has an invalid value: {why}.")


def text(body: Json, name: str, *, most: int, required: bool = False) -> str | None:
    """A text field; null counts as absent, and an empty one as missing where it is required."""
    value = body.get(name)
    if isinstance(value, dict | list):
        raise unreadable()
    if value is None or (required and not str(value).strip()):
        if required:
            raise Refusal(MISSING, f"Required field '{name}' is missing.")
        return None
    if len(str(value)) > most:
        raise invalid(name, f"longer than {most} characters")
    return str(value)


def required_text(body: Json, name: str, *, most: int) -> str:
    """A text field that must be there."""
    return text(body, name, most=most, required=True) or ""


def number(body: Json, name: str, *, least: int = 1) -> int | None:
    """A whole number; a text that reads as one will do."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool | dict | list):
        raise unreadable()
    try:
        found = int(value)
    except ValueError:
        raise unreadable() from None
    if found < least:
        raise invalid(name, f"less than {least}")
    return found


def required_number(body: Json, name: str) -> int:
    """A whole number that must be there."""
    value = number(body, name)
    if value is None:
        raise Refusal(MISSING, f"Required field '{name}' is missing.")
    return value


def texts(body: Json, name: str) -> list[str] | None:
    """A field that is a list of texts."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise unreadable()
    return value


def flag(body: Json, name: str) -> bool | None:
    """A field that is true, false or absent."""
    value: Any = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise unreadable()
    return value


def asked_number(query: Mapping[str, str], name: str, default: int) -> int:
    """A query parameter that is a whole number, zero or more."""
    value = query.get(name)
    if value is None or value == "":
        return default
    if not value.isascii() or not value.isdigit():
        raise invalid(name, "not a whole number")
    return int(value)


def path_id(value: str) -> int:
    """An id in a path."""
    if not value.isascii() or not value.isdigit():
        raise invalid("id", "not a whole number")
    return int(value)

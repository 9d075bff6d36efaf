"""Readers for JSON bodies, query parameters and ids in paths; invalid ones raise Refusal with SCM's codes."""

import json
from collections.abc import Mapping
from typing import Any

from certline.simulator.wire.answers import Json, Refusal

MISSING = -7
UNREADABLE = -1002
INVALID = -1601
# The largest whole number of the API, which documents its numbers as 32 or 64 bits.
MOST = 2**63 - 1


def parsed(raw: bytes) -> Json:
    """Return the body as a JSON object. Raises Refusal."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise unreadable() from None
    if not isinstance(body, dict):
        raise unreadable()
    return body


def unreadable() -> Refusal:
    """Return the refusal of a body that SCM can't parse."""
    return Refusal(UNREADABLE, "Cannot parse message body")


def invalid(name: str, why: str) -> Refusal:
    """Return the refusal of a field with an invalid value."""
    return Refusal(INVALID, f"Field '{name}' has an invalid value: {why}.")


def text(body: Json, name: str, *, most: int, required: bool = False) -> str | None:
    """Return a text field of at most `most` characters, or None if absent or null.

    Raises Refusal if it is too long, or if a required one is absent or blank.
    """
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
    """Return a required text field. Raises Refusal."""
    return text(body, name, most=most, required=True) or ""


def number(body: Json, name: str, *, least: int = 1) -> int | None:
    """Return a whole number, which may be sent as a text, or None if absent. Raises Refusal."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool | dict | list):
        raise unreadable()
    try:
        found = int(value)
    except (ValueError, OverflowError):
        raise unreadable() from None
    if found < least:
        raise invalid(name, f"less than {least}")
    if found > MOST:
        raise unreadable()
    return found


def required_number(body: Json, name: str) -> int:
    """Return a required whole number. Raises Refusal."""
    value = number(body, name)
    if value is None:
        raise Refusal(MISSING, f"Required field '{name}' is missing.")
    return value


def texts(body: Json, name: str) -> list[str] | None:
    """Return a list of texts, or None if absent. Raises Refusal."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise unreadable()
    return value


def numbers(body: Json, name: str) -> list[int] | None:
    """Return a list of whole numbers, or None if absent. Raises Refusal."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise unreadable()
    return value


def flag(body: Json, name: str) -> bool | None:
    """Return True, False, or None if absent. Raises Refusal."""
    value: Any = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise unreadable()
    return value


def asked_number(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a query parameter that is a whole number of 0 or more, or the default. Raises Refusal."""
    value = query.get(name)
    if value is None or value == "":
        return default
    return _whole(name, value)


def path_id(value: str) -> int:
    """Return an id sent in a path or a query. Raises Refusal."""
    return _whole("id", value)


def _whole(name: str, value: str) -> int:
    # Python refuses to read a number of more than 4,300 digits.
    if not value.isascii() or not value.isdigit() or len(value) > len(str(MOST)):
        raise invalid(name, "not a whole number")
    return int(value)

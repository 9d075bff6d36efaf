"""The error for a command that cannot be accepted, and pydantic's errors as sentences."""

from typing import Any

from pydantic import ValidationError


class BadCommandError(Exception):
    """A command that cannot be accepted; `problems` has one line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def problems_of(error: ValidationError) -> list[str]:
    """Return one sentence for each validation error, beginning with the field's name."""
    return [_sentence(dict(fault)) for fault in error.errors()]


def _sentence(fault: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in fault["loc"]) or "the command"
    kind, given, limits = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{field}: there is no such field"
    if kind == "missing":
        return f"{field}: is missing"
    if kind == "string_too_long":
        return f"{field}: has {len(given)} characters, at most {limits['max_length']} are allowed"
    if kind == "literal_error":
        return f"{field}: {given!r} is not one of {limits['expected']}"
    if kind == "dict_type":
        return f"{field}: should be an object"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{field}: {message}"

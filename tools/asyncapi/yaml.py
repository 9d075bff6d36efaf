"""A JSON document as YAML that people can read: block style, and texts quoted unless they are plain."""

import json
import re
from collections.abc import Iterator
from typing import Any

# Read by no YAML as anything else than the text that it is.
PLAIN = re.compile(r"[A-Za-z_][\w.-]*")
WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def as_yaml(document: Any) -> str:
    """The document as YAML, which ends with a line break."""
    return "\n".join(_lines(document)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _entry(f"{_scalar(name)}:", inner, indent="  ")
    elif isinstance(value, list) and value:
        for inner in value:
            first, *others = _lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)
    else:
        yield _scalar(value)


def _entry(head: str, value: Any, *, indent: str) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from (indent + line for line in _lines(value))
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)

"""Rendering of a JSON document as readable YAML: block style, strings quoted unless they are plain."""

import json
import re
from collections.abc import Iterator
from typing import Any

# Strings that every YAML version reads as strings, so they need no quotes; WORDS are the exceptions
# (YAML 1.1 reads them as booleans or null).
PLAIN = re.compile(r"[A-Za-z_][\w.-]*")
WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def as_yaml(document: Any) -> str:
    """Return the document as YAML, ending with a line break."""
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
    # JSON scalars are valid YAML, quoting and escapes included.
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)

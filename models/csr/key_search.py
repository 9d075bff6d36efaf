"""Finds private keys in JSON documents from outside, in a time that grows with their length and not faster."""

import json
import re
from collections.abc import Iterator
from typing import Any

from certline.models.csr.private_key import (
    NOTICE,
    Budget,
    begins_with_key,
    holds_private_key,
    shows_key,
)

# Values of a document that are looked at one by one: entries of lists, names and values of objects. A command has
# at most 1,000 names, or as many orders.
MOST_VALUES = 2_500
# Commas and opening brackets of a body that is parsed at all; those within texts count too.
MOST_SEPARATORS = 2 * MOST_VALUES
# Between the texts of a document when they are searched together; no mark of a key goes over it.
BETWEEN = "\n;\n"
# Stands for a JSON Web Key with a secret: MARKS finds it.
JWK = '"d":"' + 40 * "x"
# A line of a key, without what would tell that it is one.
REST = re.compile(r"[A-Za-z0-9+/]{40}")


def is_crowded(body: bytes) -> bool:
    """Return True for a body with so many commas and brackets that parsing it would take long."""
    return sum(map(body.count, (b",", b"[", b"{"))) > MOST_SEPARATORS


def private_key_in(value: object) -> str | None:
    """Return where in a JSON document a private key is, such as `data.csr`, or None if there is none."""
    if not _may_hold_key(value):
        return None
    budget = Budget()
    for place, text in _texts(value, budget):
        if begins_with_key(text) or shows_key(text, budget):
            return place
    return None


def _may_hold_key(value: object) -> bool:
    """Search all texts of a document together. Returns False if none of them holds a private key."""
    texts, found = _looked_through(value)
    return found or shows_key(BETWEEN.join(texts), Budget())


def _looked_through(value: object) -> tuple[list[str], bool]:
    """Return all texts of a document, and whether one of them begins with DER of a key, or an object is a JWK."""
    texts: list[str] = []
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if begins_with_key(value):
                return texts, True
            texts.append(value)
        elif isinstance(value, dict):
            if _is_jwk(value):
                return texts, True
            waiting += value
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
    return texts, False


def without_private_keys(body: bytes) -> bytes:
    """Return a message's body with NOTICE in place of each text that holds a private key.

    Texts that may be further lines of that key are replaced, too. If the body can't be taken apart, or
    is crowded, NOTICE replaces all of it.
    """
    try:
        document = None if is_crowded(body) else json.loads(body)
        texts, found = _looked_through(document)
    except (ValueError, RecursionError):
        document, texts, found = None, [], False
    # Escapes such as \u0050 hide a letter from a search of the body itself.
    hidden = b"\\u" in body and shows_key(BETWEEN.join(texts), Budget())
    if not found and not hidden and not holds_private_key(body):
        return body
    cleaned = _cleaned(document, Budget())
    # The key may be outside of what was parsed, as the first of two values of one name is.
    if document is None or cleaned == document:
        return NOTICE.encode()
    kept = json.dumps(cleaned, ensure_ascii=False).encode("utf-8", "replace")
    return NOTICE.encode() if holds_private_key(kept) else kept


def _cleaned(value: Any, budget: Budget) -> Any:
    match value:
        case str():
            # A key may be in pieces, one a line; only the first ones tell that it is a key.
            is_part = REST.search(value) or begins_with_key(value) or shows_key(value, budget)
            return NOTICE if is_part else value
        case dict() if _is_jwk(value):
            return NOTICE
        case list():
            return [_cleaned(each, budget) for each in value]
        case dict():
            return {_cleaned(name, budget): _cleaned(each, budget) for name, each in value.items()}
        case _:
            return value


def _texts(value: object, budget: Budget) -> Iterator[tuple[str, str]]:
    """Yield each text in a JSON document with its place, without recursion: a document may be nested deeply."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        place, value = waiting.pop()
        inner: list[tuple[str, object]] = []
        if isinstance(value, str):
            yield place, value
        elif isinstance(value, dict):
            if _is_jwk(value):
                yield place, JWK
            for name, each in value.items():
                if isinstance(name, str) and shows_key(name, budget):
                    yield f"{place}.(a name)".removeprefix("."), name
                inner.append((f"{place}.{name}".removeprefix("."), each))
        elif isinstance(value, list | tuple):
            inner = [(f"{place}.{number}", each) for number, each in enumerate(value)]
        waiting += reversed(inner)


def _is_jwk(value: dict[Any, Any]) -> bool:
    """Return True for a private key as a JSON Web Key (RFC 7518), whose `d` is the secret."""
    return "kty" in value and isinstance(value.get("d"), str)

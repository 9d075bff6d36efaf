"""Texts of the largest size that make some pattern, codec or conversion slow."""

import base64
import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from certline.models.commands.envelope import LARGEST

# Texts that make some pattern, codec or conversion slow: what is repeated, until the message has LARGEST bytes.
WORST = {
    "plain": "a",
    "dots of an address": ".",
    "address": "a@b.",
    "labels": "a.",
    "other alphabet": "ü",
    "other alphabet in labels": "ü.",
    "ideographs": "".join(chr(0x4E00 + 300 * n) for n in range(59)) + ".",
    "unordered marks": "a\u0323\u0301\u0327\u0335",
    "right to left": "\u05d0\u0660",
    "punycode": "xn--" + "a" * 59 + ".",
    "groups of IPv6": "1:",
    "digits": "9",
    "blanks": " ",
    "line ends": "\r\n",
    "dashes": "-",
    "backslashes": "\\",
    "quotation marks": '"',
    "controls": "\x1b",
    "percent": "%41",
    "end of PEM": "END ",
    "escapes": "\\u002b",
    "heading of PEM": "--" + "A" * 60,
    "private": "PRIVATE ",
    "request in PEM": "-----BEGIN CERTIFICATE REQUEST-----\n",
    "key in Base64": "MAAAAAAAAAAA ",
    "key in Base64 in Base64": "TUlJRXZRSUJBREFO ",
    "key in hex": "30 " * 22 + "zz ",
    "secret of a JWK": '"d":"aaaa',
    "media type": "+",
    "type": "certline.command.",
    "time": "2026-11-23T12:00:00Z",
    "DER of tiny values": base64.b64encode(b"\x05\x00" * 6000).decode(),
}
SOME = ("ideographs", "other alphabet in labels", "key in Base64")
# Characters of each member of a list, or name of an object, into which a long text is cut.
LENGTHS = (1, 60, 253)
# Bytes that the longest value may have.
ROOM = LARGEST - 4_000


def long_values() -> Iterator[tuple[str, Any]]:
    """Yield (a description, a value) for every worst value of about LARGEST bytes in JSON."""
    for name, unit in WORST.items():
        yield name, filled(partial(times, unit))
        if name in SOME:
            yield f"{name}, as long as a request", (unit * 32_767)[:32_767]
            yield f"{name}, like DER", filled(partial(like_der, unit))
            for length in LENGTHS:
                each = (unit * length)[:length]
                yield f"{name} in texts of {length}", filled(partial(times, [each]))
                yield f"{name} in names of {length}", filled(partial(names_like, each))
                yield f"{name} in entries of {length}", filled(partial(entries_of, each))
    yield "numbers", filled(partial(times, [1]))
    yield "long numbers", filled(partial(times, [10**4000]))
    yield "a long number", int("9" * 4000)
    yield "objects", filled(partial(times, [{}]))
    yield "lists in lists", filled(partial(times, [[[[[[[]]]]]]]))


@cache
def long_texts() -> list[tuple[str, bytes]]:
    """Return the descriptions and the JSON of `long_values`."""
    return [(name, in_json(value)) for name, value in long_values()]


def times(unit: Any, size: int) -> Any:
    """Return a text or a list that is repeated so often."""
    return unit * size


def like_der(unit: str, size: int) -> str:
    """Return a text that begins as DER does in Base64."""
    return "MIIB" + unit * size


def names_like(each: str, size: int) -> dict[str, str]:
    """Return an object with that many different names, which resemble a text."""
    return {f"{each}{n:x}"[-max(len(each), 5) :]: "" for n in range(size)}


def entries_of(each: str, size: int) -> dict[str, str]:
    """Return an object in which that many names have the same text."""
    return {f"{n:x}": each for n in range(size)}


def filled(of_size: Callable[[int], Any]) -> Any:
    """Return a value whose JSON has nearly ROOM bytes; `of_size` returns one of so many units."""
    size = 8
    while (length := len(in_json(of_size(size)))) > ROOM or length < ROOM // 2:
        size = max(1, size * ROOM // length - (size > 100 and length > ROOM))
    return of_size(size)


def in_json(document: Any) -> bytes:
    """Return a document as compact JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

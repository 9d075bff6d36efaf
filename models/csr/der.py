"""Reads DER (ITU-T X.690), as far as a certificate signing request needs it."""

from dataclasses import dataclass

# Tags: universal ones, and the context-specific [0] of a request's attributes.
BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OBJECT_ID = 1, 2, 3, 4, 5, 6
SEQUENCE, SET, ATTRIBUTES = 0x30, 0x31, 0xA0
# Character sets of the text types. TeletexString has no codec of its own; everybody writes Latin-1 into it.
TEXTS = {
    12: "utf-8",
    18: "ascii",
    19: "ascii",
    20: "latin-1",
    22: "ascii",
    26: "ascii",
    28: "utf-32-be",
    30: "utf-16-be",
}


class DerError(ValueError):
    """Bytes that are not the expected DER; the text says what is wrong."""


@dataclass(frozen=True)
class DerValue:
    """One value. `content`: its bytes without tag and length; `whole`: with them."""

    tag: int
    content: bytes
    whole: bytes


def first_value(der: bytes) -> tuple[DerValue, bytes]:
    """Return the first value, and the bytes after it. Raises DerError."""
    value, end = _value_at(der, 0)
    return value, der[end:]


def values(der: bytes) -> list[DerValue]:
    """Return all values of a sequence of values. Raises DerError."""
    found, start = [], 0
    while start < len(der):
        # By places, since cutting off each of thousands of values would copy the rest as often.
        value, start = _value_at(der, start)
        found.append(value)
    return found


def _value_at(der: bytes, begin: int) -> tuple[DerValue, int]:
    """Return the value that begins at a place, and the place after it. Raises DerError."""
    if len(der) < begin + 2:
        raise DerError("it ends too early")
    tag, length, start = der[begin], der[begin + 1], begin + 2
    if tag & 0x1F == 0x1F:
        raise DerError("a tag of several bytes")
    if length >= 0x80:
        size = length - 0x80
        first = start
        start += size
        if not 1 <= size <= 4:
            raise DerError("a length that DER does not allow")
        length = int.from_bytes(der[first:start])
        if length < 0x80 or der[first] == 0:
            raise DerError("a length that is not written in the shortest way")
    end = start + length
    if len(der) < end:
        raise DerError("it ends too early")
    return DerValue(tag, der[start:end], der[begin:end]), end


def inside(value: DerValue, tag: int, *, least: int = 0, most: int | None = None) -> list[DerValue]:
    """Return the values in a value of that tag. Raises DerError for another tag or number of values."""
    found = values(content(value, tag))
    if len(found) < least or (most is not None and len(found) > most):
        raise DerError(f"{len(found)} values where {least} are expected")
    return found


def content(value: DerValue, tag: int) -> bytes:
    """Return the content of a value of that tag. Raises DerError."""
    if value.tag != tag:
        raise DerError(f"the tag {value.tag:#04x} where {tag:#04x} is expected")
    return value.content


def integer(value: DerValue) -> int:
    """Return an integer. Raises DerError."""
    digits = content(value, INTEGER)
    padded = digits[:1] in (b"\0", b"\xff") and digits[1:2] and (digits[0] ^ digits[1]) < 0x80
    if not digits or padded:
        raise DerError("an integer that is not written in the shortest way")
    return int.from_bytes(digits, signed=True)


def object_id(value: DerValue) -> str:
    """Return an object identifier in dotted form. Raises DerError."""
    octets = content(value, OBJECT_ID)
    if not octets or octets[-1] & 0x80 or len(octets) > 64:
        raise DerError("an object identifier that can't be read")
    arcs, arc = [], 0
    for octet in octets:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def bits(value: DerValue) -> bytes:
    """Return a bit string of whole bytes. Raises DerError."""
    octets = content(value, BIT_STRING)
    if octets[:1] != b"\0":
        raise DerError("a bit string that does not consist of bytes")
    return octets[1:]


def text(value: DerValue) -> str:
    """Return a text for people, with escapes for what is not printable; other types as hexadecimal digits."""
    if value.tag not in TEXTS:
        return value.content.hex()
    return printable(value.content.decode(TEXTS[value.tag], "replace"))


def printable(found: str) -> str:
    """Return a text with escapes for characters that are not printable, such as NUL."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in found
    )

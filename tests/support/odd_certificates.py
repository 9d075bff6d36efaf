"""Certificates that no sound library would sign, put together in DER by hand, and the CA that signs them."""

import base64
import textwrap
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SEQUENCE, SET, INTEGER, OCTETS, UTF8, UTC, GENERALIZED = 0x30, 0x31, 0x02, 0x04, 0x0C, 0x17, 0x18
# OIDs in DER.
COMMON_NAME = bytes.fromhex("0603550403")
BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")
ALTERNATIVE_NAMES = bytes.fromhex("0603551d11")
KEY_ID = bytes.fromhex("0603551d0e")
EC_KEY = bytes.fromhex("06072a8648ce3d0201")
ECDSA = bytes.fromhex("300a06082a8648ce3d040302")
SM2 = bytes.fromhex("06082a811ccf5501822d")
SECT283R1 = bytes.fromhex("06052b81040011")

CA_KEY = ec.generate_private_key(ec.SECP256R1())
LEAF_KEY = ec.generate_private_key(ec.SECP256R1())


def der(tag: int, *parts: bytes) -> bytes:
    """Return an element in DER."""
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def number(value: int) -> bytes:
    """Return an INTEGER."""
    return der(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def name(common_name: bytes) -> bytes:
    """Return a distinguished name; empty for an empty common name."""
    if not common_name:
        return der(SEQUENCE)
    return der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8, common_name))))


def extension(oid: bytes, value: bytes) -> bytes:
    """Return an extension that is not critical."""
    return der(SEQUENCE, oid, der(OCTETS, value))


def constraints(*, ca: bool) -> bytes:
    """Return the extension basicConstraints."""
    return extension(BASIC_CONSTRAINTS, der(SEQUENCE, b"\x01\x01\xff" if ca else b""))


def alternative_names(*names: bytes) -> bytes:
    """Return the extension subjectAltName."""
    return extension(ALTERNATIVE_NAMES, der(SEQUENCE, *names))


def dns(text: bytes) -> bytes:
    """Return a DNS name of a subjectAltName."""
    return der(0x82, text)


def public(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """Return a SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def on_curve(oid: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a key on a curve, with a point that may not be on it."""
    point = der(0x03, b"\0\x04" + b"\x11" * 64)
    return der(SEQUENCE, der(SEQUENCE, EC_KEY, oid), point)


def signed(
    serial: int,
    subject: bytes,
    extensions: Sequence[bytes],
    *,
    issuer: bytes = b"Odd Root",
    version: int = 2,
    begin: bytes = der(UTC, b"260101000000Z"),
    end: bytes = der(UTC, b"491231235959Z"),
    key: bytes | None = None,
    by: ec.EllipticCurvePrivateKey = CA_KEY,
) -> str:
    """Return a certificate in PEM, signed by the CA's key."""
    body = der(
        SEQUENCE,
        der(0xA0, number(version)),
        number(serial),
        ECDSA,
        name(issuer),
        der(SEQUENCE, begin, end),
        name(subject),
        key or public(LEAF_KEY),
        der(0xA3, der(SEQUENCE, *extensions)),
    )
    signature = by.sign(body, ec.ECDSA(hashes.SHA256()))
    whole = der(SEQUENCE, body, ECDSA, der(0x03, b"\0" + signature))
    text = "\n".join(textwrap.wrap(base64.b64encode(whole).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"


ROOT = signed(1, b"Odd Root", [constraints(ca=True)], key=public(CA_KEY))


def _with(*names: bytes) -> list[bytes]:
    return [constraints(ca=False), alternative_names(dns(b"odd.nordhafen.example"), *names)]


PLAIN = _with()
SUBJECT = b"odd.nordhafen.example"

# What makes a certificate odd, each as a function of its serial number; none of them can be stored.
ODD: dict[str, Callable[[int], str]] = {
    "an extension twice": lambda n: signed(
        n, SUBJECT, [*PLAIN, *[extension(KEY_ID, der(OCTETS, b"\1" * 20))] * 2]
    ),
    "version 4": lambda n: signed(n, SUBJECT, PLAIN, version=3),
    "an EDI party name": lambda n: signed(n, SUBJECT, _with(der(0xA5, der(0xA1, der(UTF8, b"x"))))),
    "an X.400 address": lambda n: signed(n, SUBJECT, _with(der(0xA3, der(SEQUENCE)))),
    "an address of three bytes": lambda n: signed(n, SUBJECT, _with(der(0x87, b"\1\2\3"))),
    "a name with NUL": lambda n: signed(n, SUBJECT, _with(dns(b"a\0.nordhafen.example"))),
    "a mail address with NUL": lambda n: signed(n, SUBJECT, _with(der(0x81, b"a\0@b.example"))),
    "a name that is not ASCII": lambda n: signed(n, SUBJECT, _with(dns(b"h\xe4fen.example"))),
    "a key on SM2": lambda n: signed(n, SUBJECT, PLAIN, key=on_curve(SM2)),
    "a key on sect283r1": lambda n: signed(n, SUBJECT, PLAIN, key=on_curve(SECT283R1)),
    "a key of Ed25519": lambda n: signed(
        n, SUBJECT, PLAIN, key=public(ed25519.Ed25519PrivateKey.generate())
    ),
    "a key that is none": lambda n: signed(n, SUBJECT, PLAIN, key=der(SEQUENCE, b"\5\0")),
    "a subject that is not UTF-8": lambda n: signed(n, b"\xff\xfe\xfa", PLAIN),
    "an end before its beginning": lambda n: signed(
        n, SUBJECT, PLAIN, end=der(UTC, b"250101000000Z")
    ),
    "an end after the year 9999": lambda n: signed(
        n, SUBJECT, PLAIN, end=der(GENERALIZED, b"100000101000000Z")
    ),
    "a thirteenth month": lambda n: signed(n, SUBJECT, PLAIN, end=der(UTC, b"291301000000Z")),
    "constraints that are none": lambda n: signed(
        n, SUBJECT, [extension(BASIC_CONSTRAINTS, b"\xff"), PLAIN[1]]
    ),
}
# What is unusual, and stored nevertheless.
UNUSUAL: dict[str, Callable[[int], str]] = {
    "no subject": lambda n: signed(n, b"", PLAIN),
    "no alternative names": lambda n: signed(n, SUBJECT, PLAIN[:1]),
    "a beginning before 1950": lambda n: signed(
        n, SUBJECT, PLAIN, begin=der(GENERALIZED, b"19400101000000Z")
    ),
    "an end in the year 9999": lambda n: signed(
        n, SUBJECT, PLAIN, end=der(GENERALIZED, b"99991231235959Z")
    ),
    "every kind of name": lambda n: signed(
        n,
        SUBJECT,
        _with(
            der(0x87, bytes([192, 0, 2, 7])),
            der(0x87, bytes.fromhex("20010db8000000000000000000000007")),
            der(0x81, b"ops@nordhafen.example"),
            der(0x86, b"https://nordhafen.example/x"),
            der(0xA4, name(b"A name")),
            der(0x88, b"\x2a\x03\x04"),
            der(0xA0, bytes.fromhex("06032a0304"), der(0xA0, der(UTF8, b"x"))),
        ),
    ),
}

"""Signing requests of every shape, written byte by byte: no library writes the odd ones."""

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

NAME = "shop.nordhafen.example"
KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
# A line of the key, to search for.
PRIVATE_LINE = PRIVATE.splitlines()[1]
COMMON_NAME, MAIL_ADDRESS, DEVICE_NAME = "2.5.4.3", "1.2.840.113549.1.9.1", "1.2.840.113549.1.9.2"
EXTENSION_REQUEST, MICROSOFT_EXTENSIONS = "1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"
OS_VERSION = "1.3.6.1.4.1.311.13.2.3"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return a value in DER."""
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = (len(content).bit_length() + 7) // 8
    return bytes([tag, 0x80 + size]) + len(content).to_bytes(size) + content


def oid(dotted: str) -> bytes:
    """Return an object identifier in DER."""
    first, second, *others = map(int, dotted.split("."))
    octets = b""
    for arc in (40 * first + second, *others):
        groups = [arc >> shift & 0x7F for shift in range(0, max(arc.bit_length(), 1), 7)][::-1]
        octets += bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
    return tlv(6, octets)


def dns(name: str) -> bytes:
    """Return a DNS name as an alternative name."""
    return tlv(0x82, name.encode())


def extensions(*names: bytes, kind: str = EXTENSION_REQUEST) -> bytes:
    """Return an attribute that asks for a certificate with these alternative names."""
    extension = tlv(0x30, oid("2.5.29.17"), tlv(4, tlv(0x30, *names)))
    return tlv(0x30, oid(kind), tlv(0x31, tlv(0x30, extension)))


def os_version() -> bytes:
    """Return an attribute that Windows adds, and that sorts before the extensions."""
    return tlv(0x30, oid(OS_VERSION), tlv(0x31, tlv(0x16, b"6.2.9200.2")))


def request(
    *attributes: bytes,
    subject: list[tuple[str, str]] | None = None,
    version: int = 0,
    without_attributes: bool = False,
    public_key: bytes | None = None,
    key: ec.EllipticCurvePrivateKey = KEY,
) -> bytes:
    """Return a request in DER, signed by `key`; `public_key`: what is written instead of its own."""
    named = [
        tlv(0x31, tlv(0x30, oid(kind), tlv(12, value.encode())))
        for kind, value in subject or [(COMMON_NAME, NAME)]
    ]
    spki = public_key or key.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    asked = [] if without_attributes else [tlv(0xA0, *attributes)]
    info = tlv(0x30, tlv(2, bytes([version])), tlv(0x30, *named), spki, *asked)
    signature = key.sign(info, ec.ECDSA(hashes.SHA256()))
    return tlv(0x30, info, tlv(0x30, oid(ECDSA_SHA256)), tlv(3, b"\0", signature))


def in_pem(der: bytes, label: str = "CERTIFICATE REQUEST") -> str:
    """Return a request in PEM, as openssl writes it."""
    letters = base64.b64encode(der).decode()
    lines = [letters[start : start + 64] for start in range(0, len(letters), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])

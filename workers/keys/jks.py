"""Writes Java's own keystore format (JKS), used since Java 1.2; Java 8 and later also read PKCS#12.

The format is the one that `keytool -storetype JKS` reads (OpenJDK, sun.security.provider.JavaKeyStore and
KeyProtector). It encrypts the key with nothing stronger than SHA-1, so its real protection is the mode of the
file. docs/decisions/jks.md explains why certline writes it without a library.
"""

import hashlib
import os
import struct
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certline.workers.keys.chain import Chain
from certline.workers.keys.key_pair import PrivateKey

MAGIC, VERSION = 0xFEEDFEED, 2
A_KEY = 1  # kind of entry: a private key with its chain
SALT = 20  # bytes: the length of a SHA-1 digest
# Constant of the format, part of the final digest with which Java checks the store's integrity.
WHITENER = b"Mighty Aphrodite"
# keytool rejects a shorter password.
SHORTEST_PASSWORD = 6

# AlgorithmIdentifier of a protected key, in DER: OID 1.3.6.1.4.1.42.2.17.1.1, without parameters.
_PROTECTED_BY_SUN = bytes.fromhex("300e060a2b060104012a021101010500")


def jks(key: PrivateKey, chain: Chain, alias: str, password: str) -> bytes:
    """Return a JKS with key, leaf and issuers under one alias, which is stored in lower case, as Java does.

    The store and the key have the same password. Raises ValueError if it has fewer than 6 characters.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"a JKS password needs at least {SHORTEST_PASSWORD} characters")
    secret = password.encode("utf-16-be")
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    made = int(datetime.now(UTC).timestamp() * 1000)
    certificates = [chain.leaf, *chain.issuers]
    body = b"".join(
        [
            struct.pack(">III", MAGIC, VERSION, 1),
            struct.pack(">I", A_KEY),
            _text(alias.lower()),
            struct.pack(">Q", made),
            _sized(_protected(der, secret, os.urandom(SALT))),
            struct.pack(">I", len(certificates)),
            *(_text("X.509") + _sized(cert.public_bytes(Encoding.DER)) for cert in certificates),
        ]
    )
    return body + _sha1(secret, WHITENER, body)


def _protected(der: bytes, secret: bytes, salt: bytes) -> bytes:
    """Return a key as encrypted by Sun's KeyProtector: salt, key XOR a stream of digests, checksum."""
    stream, block = b"", salt
    while len(stream) < len(der):
        block = _sha1(secret, block)
        stream += block
    hidden = bytes(one ^ other for one, other in zip(der, stream, strict=False))
    value = salt + hidden + _sha1(secret, der)
    return _tagged(0x30, _PROTECTED_BY_SUN + _tagged(0x04, value))


def _sha1(*parts: bytes) -> bytes:
    # SHA-1 is prescribed by the format.
    return hashlib.sha1(b"".join(parts), usedforsecurity=False).digest()


def _tagged(tag: int, content: bytes) -> bytes:
    """Encode a DER value: tag, length, content."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">H", len(encoded)) + encoded


def _sized(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content

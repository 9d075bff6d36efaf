"""Java's own keystore, as Java has written it since 1.2; Java 8 and later also read PKCS#12.

The format is what `keytool -storetype JKS` reads (OpenJDK, sun.security.provider.JavaKeyStore and
KeyProtector). It hides a key behind SHA-1 and nothing slower: what protects it is its file's mode.
Why it is written here: docs/decisions/jks.md.
"""

import hashlib
import os
import struct
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certline.workers.keys.chain import Chain
from certline.workers.keys.key_pair import PrivateKey

MAGIC, VERSION = 0xFEEDFEED, 2
A_KEY = 1  # the kind of an entry: a private key with its chain
SALT = 20  # bytes, as many as SHA-1 makes
# Mixed into the last digest, by which Java sees that the store is whole.
WHITENER = b"Mighty Aphrodite"
# keytool takes no shorter one.
SHORTEST_PASSWORD = 6

# The algorithm of a protected key: OID 1.3.6.1.4.1.42.2.17.1.1, without parameters.
_PROTECTED_BY_SUN = bytes.fromhex("300e060a2b060104012a021101010500")


def jks(key: PrivateKey, chain: Chain, alias: str, password: str) -> bytes:
    """Key, leaf and issuers under one alias, which Java reads in lower case; store and key have the
    same password. ValueError for one that is shorter than 6 characters.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"a Java keystore needs a password of {SHORTEST_PASSWORD} characters")
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
    """A key as Sun's KeyProtector writes it: salt, key xor a stream of digests, and its check sum."""
    stream, block = b"", salt
    while len(stream) < len(der):
        block = _sha1(secret, block)
        stream += block
    hidden = bytes(one ^ other for one, other in zip(der, stream, strict=False))
    value = salt + hidden + _sha1(secret, der)
    return _tagged(0x30, _PROTECTED_BY_SUN + _tagged(0x04, value))


def _sha1(*parts: bytes) -> bytes:
    # What the format prescribes.
    return hashlib.sha1(b"".join(parts), usedforsecurity=False).digest()


def _tagged(tag: int, content: bytes) -> bytes:
    """DER: tag, length, content."""
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

"""Sealed texts: short secrets that another system encrypts with a public key of the installation.

`certline:sealed:v1:<id of the public key>:<RSA-OAEP ciphertext, base64url>`, with SHA-256 for both OAEP and MGF1,
and as OAEP's label the RabbitMQ user that sends the text, or nothing (docs/decisions/sealing.md).
"""

import base64
import hashlib
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

PREFIX = "certline:sealed:v1:"
# Base64url of 384 bytes is 512 characters; a few more are left to a form with `=` or another size of key.
FORM = re.compile(re.escape(PREFIX) + r"([0-9a-f]{16}):([A-Za-z0-9_-]{1,1400}={0,2})")
LONGEST_TEXT = 1_500
# Bits of the key, and the bytes that it can encrypt with OAEP and SHA-256 (384 - 2 * 32 - 2), rounded down.
BITS = 3072
LONGEST_SECRET = 300


class SealedTextError(Exception):
    """A text cannot be sealed or opened; the message says why, and never repeats it."""


def new_private_key() -> bytes:
    """Return a new private key (PEM, PKCS#8, not encrypted)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_key_of(private_pem: bytes) -> bytes:
    """Return the public key (PEM) of a private one."""
    return (
        _private(private_pem)
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


def id_of(public_pem: bytes) -> str:
    """Return the id of a public key: the first 16 hex digits of the SHA-256 of its DER form.

    Raises SealedTextError if it is not an RSA key in PEM.
    """
    der = _public(public_pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:16]


def seal(public_pem: bytes, secret: bytes, sender: str = "") -> str:
    """Return a secret sealed with a public key, for the RabbitMQ user `sender` alone if one is named.

    Raises SealedTextError if the key is not an RSA key in PEM, or the secret is longer than LONGEST_SECRET bytes.
    """
    if len(secret) > LONGEST_SECRET:
        raise SealedTextError(
            f"the password has {len(secret)} bytes, and at most {LONGEST_SECRET} can be sealed"
        )
    encrypted = _public(public_pem).encrypt(secret, _oaep(sender))
    return f"{PREFIX}{id_of(public_pem)}:{base64.urlsafe_b64encode(encrypted).decode()}"


def is_sealed(text: str) -> bool:
    """Return True if a text claims to be sealed with a public key."""
    return text.startswith(PREFIX)


def key_id_in(text: str) -> str:
    """Return the id of the public key that a text was sealed with. Raises SealedTextError if it is malformed."""
    return _parts(text)[0]


def open_sealed(private_pem: bytes, text: str, sender: str | None) -> bytes:
    """Return the secret of a sealed text that `sender` (None: not known) has sent.

    A text that is sealed for nobody in particular opens for everybody. Raises SealedTextError if it was sealed for
    another sender, or was changed.
    """
    try:
        encrypted = base64.urlsafe_b64decode(_parts(text)[1].rstrip("=") + "==")
    except ValueError:  # a length that base64 does not have
        encrypted = b""
    key = _private(private_pem)
    for label in dict.fromkeys([sender or "", ""]):
        try:
            return key.decrypt(encrypted, _oaep(label))
        except ValueError:
            continue
    whom = "a sender that RabbitMQ does not vouch for" if sender is None else repr(sender)
    raise SealedTextError(
        f"does not open for {whom}: it was sealed for another sender, in another way, or was changed"
    )


def _parts(text: str) -> tuple[str, str]:
    # The length first: the text is from outside.
    found = FORM.fullmatch(text) if len(text) <= LONGEST_TEXT else None
    if found is None:
        raise SealedTextError(f"is not of the form {PREFIX}<key id>:<base64url>")
    return found[1], found[2]


def _oaep(sender: str) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(SHA256()), SHA256(), sender.encode() or None)


def _private(pem: bytes) -> rsa.RSAPrivateKey:
    # The key is our own, and authentic once it was decrypted: its primes need no further test.
    key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101  # made by `new_private_key`
    return key


def _public(pem: bytes) -> rsa.RSAPublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SealedTextError("is not a public key in PEM") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < BITS:
        raise SealedTextError(f"is not an RSA key of {BITS} bits, as certline keys public prints")
    return key

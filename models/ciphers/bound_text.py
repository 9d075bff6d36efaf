"""Bound texts: secrets encrypted for one place, with AES-256-GCM and the place as associated data.

`certline:bound:v1:<name of the secret key>:<nonce and ciphertext, base64url>`
"""

import base64
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from certline.models.ciphers.place import SecretPlace

PREFIX = b"certline:bound:v1:"
FORM = re.compile(re.escape(PREFIX) + rb"([0-9a-f]{12}):([A-Za-z0-9_-]+={0,2})")
# Bytes of a nonce, random for each text (NIST SP 800-38D: at most 2^32 of them under one key).
NONCE = 12


class MisplacedError(Exception):
    """A bound text does not belong to this place, or was changed."""


def cipher_of(key: str) -> AESGCM:
    """Return the cipher for a secret key of the installation (32 bytes, base64url).

    The key is derived, because the secret key itself also encrypts and signs Fernet tokens.
    """
    derived = HKDF(SHA256(), 32, salt=None, info=b"certline bound secret v1")
    return AESGCM(derived.derive(base64.urlsafe_b64decode(key)))


def is_bound(sealed: bytes) -> bool:
    """Return True if a stored text has the form of a bound one; it need not be genuine."""
    return sealed.startswith(PREFIX)


def key_named_in(sealed: bytes) -> str:
    """Return the name of the secret key that a bound text claims. Raises MisplacedError if it is malformed."""
    return _parts(sealed)[0].decode()


def encrypt(cipher: AESGCM, key_name: str, secret: bytes, place: SecretPlace) -> bytes:
    """Return a secret as a bound text."""
    nonce = os.urandom(NONCE)
    encrypted = nonce + cipher.encrypt(nonce, secret, place.associated_data)
    return PREFIX + key_name.encode() + b":" + base64.urlsafe_b64encode(encrypted)


def decrypt(cipher: AESGCM, sealed: bytes, place: SecretPlace) -> bytes:
    """Return the secret of a bound text. Raises MisplacedError if it belongs elsewhere or was changed."""
    try:
        encrypted = base64.b64decode(_parts(sealed)[1], altchars=b"-_", validate=True)
        return cipher.decrypt(encrypted[:NONCE], encrypted[NONCE:], place.associated_data)
    except (InvalidTag, ValueError) as error:
        raise MisplacedError from error


def _parts(sealed: bytes) -> tuple[bytes, bytes]:
    found = FORM.fullmatch(sealed)
    if found is None:
        raise MisplacedError
    return found[1], found[2]

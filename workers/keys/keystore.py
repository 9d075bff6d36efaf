"""Writes keystores for servers: PKCS#12, PKCS#7 and PEM. Java's own format is in jks.py."""

import secrets
import string

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs7
from cryptography.hazmat.primitives.serialization import pkcs12 as p12

from certline.workers.keys.certificate import pem
from certline.workers.keys.chain import Chain
from certline.workers.keys.key_pair import PrivateKey, to_pem

# Letters and digits only, because passwords are typed into web forms and shell commands. 24 characters of 62
# have 142 bits.
ALPHABET = string.ascii_letters + string.digits
SHORTEST_PASSWORD = 12


def pkcs12(
    key: PrivateKey, chain: Chain, friendly_name: str, password: str, *, legacy: bool = False
) -> bytes:
    """Return a PKCS#12 keystore with key, leaf and issuers. Raises ValueError for an empty password.

    It uses AES-256 with PBKDF2 and HMAC-SHA-256, which Java 8u301, Windows Server 2019 and later versions can
    read. `legacy` selects 3DES and SHA-1 for older software.
    """
    if not password:
        raise ValueError("a keystore needs a password")
    algorithm = (
        p12.PBES.PBESv1SHA1And3KeyTripleDESCBC if legacy else p12.PBES.PBESv2SHA256AndAES256CBC
    )
    digest = hashes.SHA1() if legacy else hashes.SHA256()  # noqa: S303  # what old readers know
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .key_cert_algorithm(algorithm)
        .hmac_hash(digest)
        .build(password.encode())
    )
    return p12.serialize_key_and_certificates(
        friendly_name.encode(), key, chain.leaf, list(chain.issuers), encryption
    )


def pkcs7_bundle(chain: Chain) -> bytes:
    """Return the leaf and its issuers as PKCS#7 in PEM (`.p7b`), as imported by Windows and Tomcat."""
    return pkcs7.serialize_certificates([chain.leaf, *chain.issuers], Encoding.PEM)


def pem_bundle(key: PrivateKey | None, chain: Chain) -> bytes:
    """Return the key if given (**not encrypted**), the leaf and the issuers in PEM, as web servers expect."""
    certificates = "".join(pem(cert) for cert in (chain.leaf, *chain.issuers)).encode()
    return certificates if key is None else to_pem(key) + certificates


def generate_password(length: int = 24) -> str:
    """Return a random password of letters and digits. Raises ValueError for a length below 12."""
    if length < SHORTEST_PASSWORD:
        raise ValueError(f"a password needs at least {SHORTEST_PASSWORD} characters")
    return "".join(secrets.choice(ALPHABET) for _ in range(length))

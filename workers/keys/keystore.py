"""What a server loads: PKCS#12 or PEM. Java's own keystore is in jks.py."""

import secrets
import string

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs7
from cryptography.hazmat.primitives.serialization import pkcs12 as p12

from certline.workers.keys.chain import Chain, pem
from certline.workers.keys.key_pair import PrivateKey, to_pem

# Letters and digits only: it is typed into web forms and shell lines. 24 of 62 are 142 bits.
ALPHABET = string.ascii_letters + string.digits
SHORTEST_PASSWORD = 12


def pkcs12(
    key: PrivateKey, chain: Chain, friendly_name: str, password: str, *, legacy: bool = False
) -> bytes:
    """Key, leaf and issuers. AES-256 with PBKDF2 and an HMAC of SHA-256: read by Java 8u301 and
    later, Windows Server 2019 and later. `legacy`: 3DES and SHA-1, for what is older.

    ValueError for an empty password.
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
    """The leaf and its issuers as PKCS#7 in PEM (`.p7b`), as Windows and Tomcat import them."""
    return pkcs7.serialize_certificates([chain.leaf, *chain.issuers], Encoding.PEM)


def pem_bundle(key: PrivateKey | None, chain: Chain) -> bytes:
    """The key if given (**not encrypted**), the leaf, then the issuers: as a web server wants them."""
    certificates = "".join(pem(cert) for cert in (chain.leaf, *chain.issuers)).encode()
    return certificates if key is None else to_pem(key) + certificates


def generate_password(length: int = 24) -> str:
    """A random password of letters and digits. ValueError under 12."""
    if length < SHORTEST_PASSWORD:
        raise ValueError(f"a password has {SHORTEST_PASSWORD} characters or more")
    return "".join(secrets.choice(ALPHABET) for _ in range(length))

"""Key pairs: made, written, read, and told apart by their public half."""

import hashlib
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

# What SCM's profiles call them; sizes are texts there too.
RSA_SIZES = ("2048", "3072", "4096")
CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}

_CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def generate(algorithm: str, size: str) -> PrivateKey:
    """A new key: RSA of 2048, 3072 or 4096 bits, EC on P-256 or P-384. Else ValueError."""
    if algorithm == "RSA" and size in RSA_SIZES:
        return rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    if algorithm == "EC" and size in CURVES:
        return ec.generate_private_key(CURVES[size])
    allowed = f"RSA {'|'.join(RSA_SIZES)} or EC {'|'.join(CURVES)}"
    raise ValueError(f"no key {algorithm} {size}: allowed are {allowed}")


def to_pem(key: PrivateKey) -> bytes:
    """PKCS#8, **not encrypted**: whoever stores it encrypts it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def from_pem(pem: bytes) -> PrivateKey:
    """An unencrypted private key. ValueError if it is none, or neither RSA nor EC."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    # Raised here, so that no error drags along what the parser saw of the key.
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("not an unencrypted RSA or EC private key in PEM")  # noqa: TRY004 (of a file)
    return key


def public_key_sha256(public_key: object) -> str:
    """Hex SHA-256 of the DER SubjectPublicKeyInfo: the one sure link between key and certificate."""
    if not hasattr(public_key, "public_bytes"):
        raise ValueError("not a public key")
    der: bytes = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def describe(public_key: object) -> tuple[str, str]:
    """Algorithm and size in SCM's words, ("EC", "P-256"). ValueError for another kind of key."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return "RSA", str(public_key.key_size)
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return "EC", _CURVE_NAMES.get(public_key.curve.name, public_key.curve.name)
    raise ValueError("neither an RSA nor an EC key")

"""Generates, serialises, reads and identifies key pairs."""

import hashlib
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

# Names used by SCM's profiles, where sizes are texts too.
RSA_SIZES = ("2048", "3072", "4096")
CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}

_CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def generate(algorithm: str, size: str) -> PrivateKey:
    """Generate a key: RSA with 2048, 3072 or 4096 bits, or EC on P-256 or P-384. Raises ValueError for others."""
    if algorithm == "RSA" and size in RSA_SIZES:
        return rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    if algorithm == "EC" and size in CURVES:
        return ec.generate_private_key(CURVES[size])
    allowed = f"RSA {'|'.join(RSA_SIZES)} or EC {'|'.join(CURVES)}"
    raise ValueError(f"unsupported key {algorithm} {size}: choose {allowed}")


def to_pem(key: PrivateKey) -> bytes:
    """Return the key as PKCS#8 in PEM, **not encrypted**: the caller must encrypt it before storing it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def from_pem(pem: bytes) -> PrivateKey:
    """Read an unencrypted private key in PEM. Raises ValueError if it isn't one, or is neither RSA nor EC."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    # Raised outside the `except`, so that no traceback chains a parser error that quotes parts of the key.
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("not an unencrypted RSA or EC private key in PEM")  # noqa: TRY004 (of a file)
    return key


def public_key_sha256(public_key: object) -> str:
    """Return the hex SHA-256 of the DER SubjectPublicKeyInfo, by which a certificate is matched to its key."""
    if not hasattr(public_key, "public_bytes"):
        raise ValueError("not a public key")
    der: bytes = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def describe(public_key: object) -> tuple[str, str]:
    """Return algorithm and size in SCM's words, e.g. ("EC", "P-256"). Raises ValueError for other kinds of key."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return "RSA", str(public_key.key_size)
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return "EC", _CURVE_NAMES.get(public_key.curve.name, public_key.curve.name)
    raise ValueError("neither an RSA nor an EC key")

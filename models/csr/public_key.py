"""The public key of a signing request: its form, its size, and the signature that proves its owner has the key."""

from dataclasses import dataclass

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from certline.models.csr import der
from certline.models.csr.armor import SigningRequestError
from certline.models.csr.der import DerError, DerValue

# Bits (Baseline Requirements, 6.1.5). OpenSSL verifies nothing with a larger key than the latter.
SMALLEST_RSA, LARGEST_RSA = 2048, 16384
RSA, RSA_PSS, EC = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10045.2.1"
# By object identifier: the name of SCM's profiles, and the curve (Baseline Requirements, 6.1.5).
CURVES: dict[str, tuple[str, type[ec.EllipticCurve]]] = {
    "1.2.840.10045.3.1.7": ("P-256", ec.SECP256R1),
    "1.3.132.0.34": ("P-384", ec.SECP384R1),
    "1.3.132.0.35": ("P-521", ec.SECP521R1),
}
# For error texts only.
OTHER_CURVES = {
    "1.2.156.10197.1.301": "SM2",
    "1.3.132.0.10": "secp256k1",
    "1.3.132.0.33": "P-224",
    "1.2.840.10045.3.1.1": "P-192",
    "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
    "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1",
}
OTHER_KEYS = {
    "1.2.840.10040.4.1": "DSA",
    "1.3.101.110": "X25519",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
    "2.16.840.1.101.3.4.3.17": "ML-DSA",
    "2.16.840.1.101.3.4.3.18": "ML-DSA",
    "2.16.840.1.101.3.4.3.19": "ML-DSA",
}
# Hash functions by the object identifier of the signature (PKCS#1, X9.62), and of the hash itself for RSASSA-PSS.
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "1.2.840.113549.1.1.14": hashes.SHA224,
    "1.2.840.113549.1.1.11": hashes.SHA256,
    "1.2.840.113549.1.1.12": hashes.SHA384,
    "1.2.840.113549.1.1.13": hashes.SHA512,
    "1.2.840.10045.4.3.1": hashes.SHA224,
    "1.2.840.10045.4.3.2": hashes.SHA256,
    "1.2.840.10045.4.3.3": hashes.SHA384,
    "1.2.840.10045.4.3.4": hashes.SHA512,
    "2.16.840.1.101.3.4.2.1": hashes.SHA256,
    "2.16.840.1.101.3.4.2.2": hashes.SHA384,
    "2.16.840.1.101.3.4.2.3": hashes.SHA512,
}
WEAK = {
    "1.2.840.113549.1.1.2": "md2",
    "1.2.840.113549.1.1.4": "md5",
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.10045.4.1": "sha1",
}


@dataclass(frozen=True)
class RequestKey:
    """A public key; `algorithm` and `size` are in SCM's words: "RSA" and "2048", "EC" and "P-256"."""

    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    algorithm: str
    size: str


def key_of(info: DerValue) -> RequestKey:
    """Return the key of a SubjectPublicKeyInfo. Raises SigningRequestError for one that CAs refuse, DerError."""
    algorithm, bits = der.inside(info, der.SEQUENCE, least=2, most=2)
    kind, *parameters = der.inside(algorithm, der.SEQUENCE, least=1, most=2)
    name = der.object_id(kind)
    if name == RSA:
        return _rsa_key(parameters, der.bits(bits))
    if name == EC:
        return _ec_key(parameters, der.bits(bits))
    if name == RSA_PSS:
        raise SigningRequestError(
            "its key is of the type id-RSASSA-PSS; CAs take RSA keys as rsaEncryption only (Baseline "
            "Requirements, 7.1.3.1.1): make a key with `openssl genrsa 2048`, and the request anew"
        )
    raise SigningRequestError(
        f"its key is {OTHER_KEYS.get(name, f'of the type {name}')}, neither an RSA nor an EC key; CAs take "
        "no other: make an RSA or P-256 key, and the request anew"
    )


def require_signature(
    signed: bytes, algorithm: DerValue, signature: bytes, key: RequestKey
) -> None:
    """Raise SigningRequestError unless the request is signed by its own key with a good hash; DerError."""
    kind, *parameters = der.inside(algorithm, der.SEQUENCE, least=1, most=2)
    name = der.object_id(kind)
    if name in WEAK:
        raise SigningRequestError(f"the request is signed with {WEAK[name]}; use SHA-256")
    pss = name == RSA_PSS
    if pss:
        name = _pss_hash(parameters)
    if name not in HASHES:
        raise SigningRequestError(
            f"the request is signed with {name}, which is not known; use SHA-256"
        )
    digest = HASHES[name]()
    try:
        if isinstance(key.key, ec.EllipticCurvePublicKey):
            key.key.verify(signature, signed, ec.ECDSA(digest))
        else:
            way = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO) if pss else padding.PKCS1v15()
            key.key.verify(signature, signed, way, digest)
    except (InvalidSignature, InternalError, UnsupportedAlgorithm, ValueError):
        raise SigningRequestError(
            "the request isn't signed by its own key: it was altered or truncated; give the original file, "
            "or make the request anew"
        ) from None


def _rsa_key(parameters: list[DerValue], octets: bytes) -> RequestKey:
    if [each.whole for each in parameters] != [b"\x05\x00"]:
        raise SigningRequestError(
            "the type of its RSA key is written without NULL, which CAs refuse (Baseline Requirements, "
            "7.1.3.1.1): make the request anew with another program"
        )
    whole, rest = der.first_value(octets)
    modulus, exponent = map(der.integer, der.inside(whole, der.SEQUENCE, least=2, most=2))
    size = modulus.bit_length()
    if rest or modulus <= 0 or modulus % 2 == 0:
        raise DerError("an RSA key that is none")
    if size < SMALLEST_RSA:
        raise SigningRequestError(
            f"an RSA key needs {SMALLEST_RSA} bits or more; this one has {size}"
        )
    if size > LARGEST_RSA or size % 8:
        raise SigningRequestError(
            f"its RSA key has {size} bits, which CAs refuse (Baseline Requirements, 6.1.5.1); use 2048 or 3072"
        )
    # OpenSSL takes at most 64 bits for large keys; every key in use has 65537.
    if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > 64:
        raise SigningRequestError(
            "the exponent of its RSA key is not accepted (Baseline Requirements, 6.1.6); use 65537"
        )
    try:
        key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise DerError("an RSA key that is none") from None
    return RequestKey(key, "RSA", str(size))


def _ec_key(parameters: list[DerValue], octets: bytes) -> RequestKey:
    if parameters and parameters[0].tag == der.SEQUENCE:
        raise SigningRequestError(
            "the curve of its key is written out; CAs take named curves only (Baseline Requirements, "
            "7.1.3.1.2): make a key with `openssl ecparam -name prime256v1 -genkey`, and the request anew"
        )
    if not parameters:
        raise DerError("an EC key without a curve")
    name = der.object_id(parameters[0])
    if name not in CURVES:
        curve = OTHER_CURVES.get(name, name)
        raise SigningRequestError(f"the curve {curve} is not accepted; use P-256 or P-384")
    size, curve_type = CURVES[name]
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve_type(), octets)
    except (ValueError, UnsupportedAlgorithm):
        raise DerError(f"a key that is no point of {size}") from None
    return RequestKey(key, "EC", size)


def _pss_hash(parameters: list[DerValue]) -> str:
    """Return the object identifier of the hash of RSASSA-PSS (RFC 4055); SHA-1 is the default."""
    for each in der.inside(parameters[0], der.SEQUENCE) if parameters else []:
        if each.tag == 0xA0:
            (algorithm,) = der.inside(each, 0xA0, least=1, most=1)
            return der.object_id(der.inside(algorithm, der.SEQUENCE, least=1)[0])
    raise SigningRequestError("the request is signed with sha1; use SHA-256")

"""Reads the parts of a CSR that SCM uses: the public key and the common name, nothing else."""

import base64
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certline.simulator.state.customer_parts import SimProfile
from certline.simulator.wire.answers import Refusal

CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}

_ARMOUR = re.compile(r"-----(BEGIN|END) (NEW )?CERTIFICATE REQUEST-----")


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: `EC` and `P-256`, or `RSA` and `2048`. Without `spki`, a key is generated on issue."""

    algorithm: str
    param: str
    spki: bytes = b""

    @property
    def size(self) -> int:
        """Size in bits."""
        return int(self.param.removeprefix("P-"))


@dataclass(frozen=True, slots=True)
class Csr:
    """A CSR that was read and whose signature is valid."""

    key: Key
    common_name: str | None


def read(sent: str) -> Csr:
    """Read a CSR, in PEM or as plain Base64. Raises Refusal."""
    try:
        der = base64.b64decode("".join(_ARMOUR.sub("", sent).split()), validate=True)
    except ValueError:  # not Base-64, or not ASCII
        raise Refusal(-9, "The CSR is not valid Base-64 data.") from None
    try:
        request = _loaded(der)
        names = request.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        key = _key(request)
        good = _signed(der, request)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.InvalidVersion):
        raise _undecodable() from None
    if not good:
        raise _undecodable()
    return Csr(key, str(names[0].value) if names else None)


def _loaded(der: bytes) -> x509.CertificateSigningRequest:
    """Load a CSR whose attributes may be missing or unsorted, as SCM's Java does; its signature is not checked."""
    try:
        return x509.load_der_x509_csr(der)
    except ValueError:
        info, *rest = _parts(_content(der))
        version, subject, key, *attributes = _parts(_content(info))
        listed = sorted(_parts(_content(attributes[0]))) if attributes else []
        strict = _value(0x30, version + subject + key + _value(0xA0, b"".join(listed)))
        return x509.load_der_x509_csr(_value(0x30, strict + b"".join(rest)))


def _signed(der: bytes, request: x509.CertificateSigningRequest) -> bool:
    """Return whether the CSR, as it was sent, is signed by its own key."""
    if request.public_bytes(serialization.Encoding.DER) == der:
        return request.is_signature_valid
    info = _parts(_content(der))[0]
    public, digest = request.public_key(), request.signature_hash_algorithm
    way = request.signature_algorithm_parameters
    try:
        if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(way, ec.ECDSA):
            public.verify(request.signature, info, way)
        elif (
            isinstance(public, rsa.RSAPublicKey)
            and not isinstance(way, ec.ECDSA)
            and way
            and digest
        ):
            public.verify(request.signature, info, way, digest)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _parts(der: bytes) -> list[bytes]:
    """Return the values in a row of values in DER, each with its tag and length. Raises ValueError."""
    found = []
    while der:
        size = len(der) - len(_after_head(der)) + _length(der)
        if size > len(der):
            raise ValueError("cut off")
        found.append(der[:size])
        der = der[size:]
    return found


def _content(der: bytes) -> bytes:
    return _after_head(der)[: _length(der)]


def _after_head(der: bytes) -> bytes:
    return der[2 + (der[1] & 0x7F if der[1:2] >= b"\x80" else 0) :]


def _length(der: bytes) -> int:
    if len(der) < 2:
        raise ValueError("cut off")
    return der[1] if der[1] < 0x80 else int.from_bytes(der[2 : 2 + (der[1] & 0x7F)])


def _value(tag: int, content: bytes) -> bytes:
    size = len(content).to_bytes(4).lstrip(b"\0") or b"\0"
    head = size if len(content) < 0x80 else bytes([0x80 | len(size)]) + size
    return bytes([tag]) + head + content


def check(key: Key, profile: SimProfile) -> None:
    """Raise Refusal if the profile doesn't allow the key."""
    sizes = profile.key_types.get(key.algorithm)
    if sizes is None:
        raise Refusal(-11, "The CSR uses an unsupported algorithm.")
    if key.param not in sizes:
        raise Refusal(-13, "The CSR uses an unsupported key size.")


def _undecodable() -> Refusal:
    return Refusal(-10, "The CSR cannot be decoded.")


def _key(request: x509.CertificateSigningRequest) -> Key:
    public = request.public_key()
    spki = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if isinstance(public, rsa.RSAPublicKey):
        return Key("RSA", str(public.key_size), spki)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return Key("EC", CURVES.get(public.curve.name, public.curve.name), spki)
    return Key(type(public).__name__, "0", spki)

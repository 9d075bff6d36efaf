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
        request = x509.load_der_x509_csr(der)
        names = request.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        key = _key(request)
        good = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.InvalidVersion):
        raise _undecodable() from None
    if not good:
        raise _undecodable()
    return Csr(key, str(names[0].value) if names else None)


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

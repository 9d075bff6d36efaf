"""Chains: read from whatever SCM sends, and rebuilt. The order it sends them in is never trusted."""

import base64
import hashlib
import re
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from certline.workers.keys.key_pair import public_key_sha256 as key_sha256

Way: TypeAlias = tuple[x509.Certificate, ...]  # from our leaf upwards

# Armour lines may be glued to each other, and the last may lack its line end.
_BLOCK = re.compile(
    rb"-----BEGIN (X509 CERTIFICATE|CERTIFICATE|PKCS7)-----(.*?)-----END \1-----", re.DOTALL
)


class ChainError(Exception):
    """The answer holds no chain for our key.

    ├── Unreadable   neither PEM nor DER certificates
    ├── NoMatch      no certificate in it has our public key
    └── Broken       the leaf is there; an issuer is missing or a signature is wrong
    """


class Unreadable(ChainError):
    """Neither certificates nor PKCS#7."""


class NoMatch(ChainError):
    """No certificate has our public key: it belongs to another order, or to the one before."""


class Broken(ChainError):
    """An issuer is missing, or a signature is wrong."""


@dataclass(frozen=True)
class Chain:
    """A leaf and those who vouch for it: the issuing CA first, the root last if it was sent."""

    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]


def read_certificates(body: bytes) -> list[x509.Certificate]:
    """All certificates in PEM, DER or PKCS#7 (PEM or DER), in the order they came. Unreadable if none."""
    try:
        blocks = _BLOCK.findall(body)
        if blocks:
            return [cert for kind, text in blocks for cert in _block(kind, text)]
        found = _der(body)
    except (ValueError, UnsupportedAlgorithm) as wrong:
        raise Unreadable("neither certificates nor PKCS#7") from wrong
    if not found:
        raise Unreadable("there is no certificate in it")
    return found


def _block(kind: bytes, text: bytes) -> list[x509.Certificate]:
    der = base64.b64decode(b"".join(text.split()), validate=True)
    if kind == b"PKCS7":
        return pkcs7.load_der_pkcs7_certificates(der)
    return [x509.load_der_x509_certificate(der)]


def _der(body: bytes) -> list[x509.Certificate]:
    try:
        return [x509.load_der_x509_certificate(body)]
    except ValueError:
        return pkcs7.load_der_pkcs7_certificates(body)


def has_key(certificates: list[x509.Certificate], public_key_sha256: str) -> bool:
    """Whether one of them is for this public key."""
    return any(_key(cert) == public_key_sha256 for cert in certificates)


def build_chain(certificates: list[x509.Certificate], public_key_sha256: str) -> Chain:
    """Our leaf, found by its key, and its chain. Raises NoMatch or Broken."""
    ours = [cert for cert in certificates if _key(cert) == public_key_sha256]
    if not ours:
        raise NoMatch("no certificate in the answer has our public key")
    return chain_of(max(ours, key=lambda cert: cert.not_valid_before_utc), certificates)


def leaf_numbered(certificates: list[x509.Certificate], serial: str | None) -> x509.Certificate:
    """The certificate of that serial number (as `serial_hex` writes it), for whom we have no key.

    Without a number it is the only one that is no CA's. Raises NoMatch.
    """
    if serial is not None:
        found = [cert for cert in certificates if serial_hex(cert) == serial]
    else:
        found = [cert for cert in set(certificates) if not _may_issue(cert)]
    if not found or (serial is None and len(found) > 1):
        wanted = f"has the serial number {serial}" if serial else "is the only one of a server"
        raise NoMatch(f"no certificate in the answer {wanted}")
    return found[0]


def chain_of(leaf: x509.Certificate, certificates: list[x509.Certificate]) -> Chain:
    """A leaf and the shortest way from it to a root.

    Every link's signature is verified. Duplicates and strangers, such as a root's cross-signed
    twin, are dropped. A chain may end below its root only if no root was sent at all.
    Raises Broken.
    """
    if _is_root(leaf):
        return Chain(leaf, ())

    # Breadth first: the first root met is the nearest.
    ways: deque[Way] = deque([(leaf,)])
    ends: list[Way] = []
    seen = {leaf}
    while ways:
        way = ways.popleft()
        if _is_root(way[-1]):
            return Chain(leaf, way[1:])
        issuers = [cert for cert in certificates if _issued(cert, way[-1])]
        if not issuers:
            ends.append(way)
        for issuer in issuers:
            if issuer not in seen:
                seen.add(issuer)
                ways.append((*way, issuer))
    faults = [_fault(way, certificates) for way in ends]
    if "" in faults:
        return Chain(leaf, ends[faults.index("")][1:])
    raise Broken(next(iter(faults), "the issuers vouch for each other in a circle"))


def _fault(way: Way, certificates: list[x509.Certificate]) -> str:
    """Why a way that ends below a root is no chain; "" if only the root was left out."""
    last = way[-1]
    missing = last.issuer.rfc4514_string()
    if any(cert.subject == last.issuer for cert in certificates):
        return f"{missing} is there, and didn't sign {last.subject.rfc4514_string()}"
    if len(way) == 1 or any(_is_root(cert) for cert in certificates):
        return f"the certificate of the issuer {missing} is missing"
    return ""


def _issued(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    # A CA's certificates come again with each of its leaves.
    if issuer.subject == cert.issuer and _may_issue(cert):
        return _issued_to_a_ca(issuer, cert)
    return _has_issued(issuer, cert)


@lru_cache(maxsize=256)
def _issued_to_a_ca(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    return _has_issued(issuer, cert)


def _has_issued(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    if issuer.subject != cert.issuer or not _may_issue(issuer):
        return False
    try:
        cert.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _may_issue(cert: x509.Certificate) -> bool:
    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return True  # old roots have none
    except ValueError:
        return False


def _is_root(cert: x509.Certificate) -> bool:
    return _issued(cert, cert)


def _key(cert: x509.Certificate) -> str:
    try:
        return key_sha256(cert.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return ""


def fingerprint_sha256(cert: x509.Certificate) -> str:
    """Hex SHA-256 of the whole certificate, lower case."""
    return hashlib.sha256(cert.public_bytes(Encoding.DER)).hexdigest()


def serial_hex(cert: x509.Certificate) -> str:
    """The serial number in lower case hex without leading zeros, as workers.scm normalises it."""
    return f"{cert.serial_number:x}"


def dns_names(cert: x509.Certificate) -> tuple[str, ...]:
    """The DNS names of the SAN extension, in its order."""
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def pem(cert: x509.Certificate) -> str:
    """The certificate in PEM, with its final line end."""
    return cert.public_bytes(Encoding.PEM).decode()

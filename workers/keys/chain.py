"""Reads the certificates in SCM's response and rebuilds the chain; the order they arrive in is ignored."""

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

Way: TypeAlias = tuple[x509.Certificate, ...]  # path from our leaf upwards

# PEM blocks may follow each other without a line break, and the last may lack its final one.
_BLOCK = re.compile(
    rb"-----BEGIN (X509 CERTIFICATE|CERTIFICATE|PKCS7)-----(.*?)-----END \1-----", re.DOTALL
)


class ChainError(Exception):
    """The response contains no valid chain for our key.

    ├── Unreadable   contains neither certificates nor PKCS#7
    ├── NoMatch      no certificate in it has our public key
    └── Broken       the leaf is present, but an issuer is missing or a signature is wrong
    """


class Unreadable(ChainError):
    """The response contains neither certificates (PEM or DER) nor PKCS#7."""


class NoMatch(ChainError):
    """No certificate has our public key: the response is for another order, or for the predecessor."""


class Broken(ChainError):
    """The chain is incomplete: an issuer is missing, or a signature is wrong."""


@dataclass(frozen=True)
class Chain:
    """A leaf with its issuers: the issuing CA first, and the root last if it was sent."""

    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]


def read_certificates(body: bytes) -> list[x509.Certificate]:
    """Return all certificates of a body in PEM, DER or PKCS#7 (PEM or DER), in their order there.

    Raises Unreadable if there is none.
    """
    try:
        blocks = _BLOCK.findall(body)
        if blocks:
            return [cert for kind, text in blocks for cert in _block(kind, text)]
        found = _der(body)
    except (ValueError, UnsupportedAlgorithm) as wrong:
        raise Unreadable("neither certificates nor PKCS#7") from wrong
    if not found:
        raise Unreadable("no certificate in it")
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
    """Return True if one of the certificates has this public key (a hex SHA-256)."""
    return any(_key(cert) == public_key_sha256 for cert in certificates)


def build_chain(certificates: list[x509.Certificate], public_key_sha256: str) -> Chain:
    """Find our leaf by its public key (a hex SHA-256) and return it with its chain. Raises NoMatch or Broken."""
    ours = [cert for cert in certificates if _key(cert) == public_key_sha256]
    if not ours:
        raise NoMatch("no certificate in the response has our public key")
    # After a renewal or reissue with the same key, both certificates match: the newest counts.
    return chain_of(max(ours, key=lambda cert: cert.not_valid_before_utc), certificates)


def leaf_numbered(certificates: list[x509.Certificate], serial: str | None) -> x509.Certificate:
    """Return the leaf of an imported order, whose key we don't have, by its serial number (as from `serial_hex`).

    Without a serial number, returns the only certificate that isn't a CA's. Raises NoMatch if there is none, or
    more than one.
    """
    if serial is not None:
        found = [cert for cert in certificates if serial_hex(cert) == serial]
    else:
        found = [cert for cert in set(certificates) if not _may_issue(cert)]
    if not found or (serial is None and len(found) > 1):
        wanted = f"has the serial number {serial}" if serial else "can be identified as the leaf"
        raise NoMatch(f"no certificate in the response {wanted}")
    return found[0]


def chain_of(leaf: x509.Certificate, certificates: list[x509.Certificate]) -> Chain:
    """Return a leaf with the shortest path from it to a root.

    The signature of every link is verified. Duplicates and unrelated certificates, such as a cross-signed twin of
    the root, are dropped. A chain may end below its root only if no root was sent at all. Raises Broken.
    """
    if _is_root(leaf):
        return Chain(leaf, ())

    # Breadth-first search, so the first root found has the shortest path. `seen` ends it if issuers form a loop.
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
    raise Broken(next(iter(faults), "the issuers sign each other in a loop"))


def _fault(way: Way, certificates: list[x509.Certificate]) -> str:
    """Return why a path that ends below a root isn't a valid chain, or "" if only the root was left out."""
    last = way[-1]
    missing = last.issuer.rfc4514_string()
    if any(cert.subject == last.issuer for cert in certificates):
        return f"{missing} is present but didn't sign {last.subject.rfc4514_string()}"
    if len(way) == 1 or any(_is_root(cert) for cert in certificates):
        return f"the certificate of the issuer {missing} is missing"
    return ""


def _issued(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    # The same CA certificates arrive with every leaf, so verified links between CAs are cached.
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
        return True  # old roots have no BasicConstraints
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
    """Return the hex SHA-256 of the DER certificate, in lower case."""
    return hashlib.sha256(cert.public_bytes(Encoding.DER)).hexdigest()


def serial_hex(cert: x509.Certificate) -> str:
    """Return the serial number in lower-case hex without leading zeros, as normalised by workers.scm."""
    return f"{cert.serial_number:x}"


def dns_names(cert: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names of the SAN extension, in their order; empty without the extension."""
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def pem(cert: x509.Certificate) -> str:
    """Return the certificate in PEM, with a final line break."""
    return cert.public_bytes(Encoding.PEM).decode()

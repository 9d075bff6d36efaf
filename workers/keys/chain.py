"""Reads the certificates in SCM's response and rebuilds the chain; the order they arrive in is ignored."""

import base64
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from certline.workers.keys.certificate import (
    fingerprint_sha256,
    is_ca,
    is_valid_at,
    key_sha256,
    names_itself,
    require_sound,
    serial_hex,
)
from certline.workers.keys.errors import Broken, NoMatch, Unreadable, outside_data

Way: TypeAlias = tuple[x509.Certificate, ...]  # path from our leaf upwards

# PEM blocks may follow each other without a line break, and the last may lack its final one.
_BLOCK = re.compile(
    rb"-----BEGIN (X509 CERTIFICATE|CERTIFICATE|PKCS7)-----(.*?)-----END \1-----", re.DOTALL
)


@dataclass(frozen=True)
class Chain:
    """A leaf with its issuers: the issuing CA first, and the root last if it was sent."""

    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]

    @property
    def root(self) -> x509.Certificate | None:
        """The root at the chain's end, or None if it was not sent."""
        return self.issuers[-1] if self.issuers and _is_root(self.issuers[-1]) else None

    def below_the_root(self) -> "Chain":
        """Return the chain without its root, which whoever checks the chain has to have anyway."""
        return self if self.root is None else Chain(self.leaf, self.issuers[:-1])


def read_certificates(body: bytes) -> list[x509.Certificate]:
    """Return all certificates of a body in PEM, DER or PKCS#7 (PEM or DER), in their order there.

    One that can't be read is left out, as if it hadn't been sent: a CA's may be dispensable. Raises Unreadable if
    there is no certificate, or if the one that can't be read must be the leaf.
    """
    sound: list[x509.Certificate] = []
    faults: list[Unreadable] = []
    for read in _parts(body):
        try:
            certificates = read()
            for cert in certificates:
                require_sound(cert)
            sound += certificates
        except Unreadable as fault:
            faults.append(fault)
    if faults and not any(_may_be_a_leaf(cert) for cert in sound):
        raise faults[0]
    if not sound:
        raise Unreadable("no certificate in it")
    return sound


@dataclass(frozen=True)
class _Part:
    """A part of a body; `kind` is that of its PEM armour, or empty for DER."""

    kind: bytes
    text: bytes

    def __call__(self) -> list[x509.Certificate]:
        """Return its certificates. Raises Unreadable."""
        if not self.kind:
            return _der(self.text)
        with outside_data("the certificate" if self.kind != b"PKCS7" else "the PKCS#7"):
            der = base64.b64decode(b"".join(self.text.split()), validate=True)
            if self.kind == b"PKCS7":
                return pkcs7.load_der_pkcs7_certificates(der)
            return [x509.load_der_x509_certificate(der)]


def _parts(body: bytes) -> list[_Part]:
    return [_Part(kind, text) for kind, text in _BLOCK.findall(body)] or [_Part(b"", body)]


def _der(body: bytes) -> list[x509.Certificate]:
    try:
        with outside_data("the certificate"):
            return [x509.load_der_x509_certificate(body)]
    except Unreadable as fault:
        try:
            with outside_data("the PKCS#7"):
                return pkcs7.load_der_pkcs7_certificates(body)
        except Unreadable:
            raise Unreadable(f"neither certificates nor PKCS#7 ({fault})") from None


def has_key(certificates: Iterable[x509.Certificate], public_key_sha256: str) -> bool:
    """Return True if one of the certificates has this public key (a hex SHA-256)."""
    return any(key_sha256(cert) == public_key_sha256 for cert in certificates)


def build_chain(
    certificates: Sequence[x509.Certificate], public_key_sha256: str, now: datetime | None = None
) -> Chain:
    """Find our leaf by its public key (a hex SHA-256) and return it with its chain. Raises NoMatch or Broken."""
    ours = [cert for cert in certificates if key_sha256(cert) == public_key_sha256]
    if not ours:
        raise NoMatch("no certificate in the response has our public key")
    # After a renewal or reissue with the same key, both certificates match: the newest counts.
    chain = chain_of(max(ours, key=lambda cert: cert.not_valid_before_utc), certificates, now)
    if not chain.issuers:
        raise Broken(f"{_subject(chain.leaf)} is self-signed: no CA has issued it")
    return chain


def leaf_numbered(certificates: Sequence[x509.Certificate], serial: str | None) -> x509.Certificate:
    """Return the leaf of an imported order, whose key we don't have, by its serial number (as from `serial_hex`).

    Without a serial number, returns the only certificate that isn't a CA's. Raises NoMatch if there is none, or
    more than one.
    """
    if serial is not None:
        found = [cert for cert in certificates if serial_hex(cert) == serial]
    else:
        found = [cert for cert in set(certificates) if not _may_issue(cert)]
        found = found or [cert for cert in set(certificates) if _may_be_a_leaf(cert)]
    if not found or (serial is None and len(found) > 1):
        wanted = f"has the serial number {serial}" if serial else "can be identified as the leaf"
        raise NoMatch(f"no certificate in the response {wanted}")
    # Serial numbers are unique only per CA: a CA's certificate may have the leaf's.
    return min(found, key=_may_issue)


def chain_of(
    leaf: x509.Certificate, certificates: Iterable[x509.Certificate], now: datetime | None = None
) -> Chain:
    """Return a leaf with the best path from it to a root: all certificates valid `now`, and the shortest of those.

    The signature of every link is verified, but not a root's own: it proves nothing (RFC 5280, 6.1). Duplicates
    and unrelated certificates, such as a cross-signed twin of the root, are dropped. A chain may end below its
    root only if no root was sent at all. A self-signed leaf is its whole chain. Raises Broken.
    """
    if names_itself(leaf) and (_may_issue(leaf) or _has_signed(leaf, leaf)):
        return Chain(leaf, ())
    moment = now or datetime.now(UTC)
    # Among paths of one length, the one that is valid longest is found first, whatever the response's order.
    longest = sorted({*certificates} - {leaf}, key=fingerprint_sha256)
    longest.sort(key=lambda cert: cert.not_valid_after_utc, reverse=True)
    valid = [cert for cert in longest if is_valid_at(cert, moment)]
    rooted = any(_is_root(cert) for cert in longest)
    for usable in (valid, longest):
        for way in _ways(leaf, usable):
            last = way[-1]
            left_out = len(way) > 1 and not rooted and not any(_named_above(last, longest))
            if left_out or (len(way) > 1 and _is_root(last)):
                return Chain(leaf, way[1:])
    raise Broken(_fault(leaf, longest))


def _ways(leaf: x509.Certificate, certificates: Sequence[x509.Certificate]) -> Iterator[Way]:
    """Yield the shortest path from the leaf to each certificate above it, shorter ones first."""
    # Breadth-first search. `seen` ends it if issuers form a loop.
    ways: deque[Way] = deque([(leaf,)])
    seen = {leaf}
    while ways:
        way = ways.popleft()
        yield way
        if len(way) > 1 and _is_root(way[-1]):
            continue
        for issuer in _named_above(way[-1], certificates):
            if issuer not in seen and _issued(issuer, way[-1]):
                seen.add(issuer)
                ways.append((*way, issuer))


def _named_above(
    cert: x509.Certificate, certificates: Iterable[x509.Certificate]
) -> Iterator[x509.Certificate]:
    """Yield the certificates whose subject is named as the issuer."""
    return (above for above in certificates if above.subject == cert.issuer)


def _fault(leaf: x509.Certificate, certificates: Sequence[x509.Certificate]) -> str:
    """Return why none of the paths is a chain; the first that ends below a root is described."""
    if names_itself(leaf):
        return (
            f"{_subject(leaf)} names itself as its issuer, but isn't a CA's certificate and isn't "
            "signed with its own key"
        )
    for way in _ways(leaf, certificates):
        last = way[-1]
        above = list(_named_above(last, certificates))
        if any(_issued(cert, last) for cert in above):
            continue
        missing = last.issuer.rfc4514_string()
        if not above:
            return f"the certificate of the issuer {missing} is missing"
        if not any(_can_be_above(cert) for cert in above):
            return f"{missing} is present but isn't a CA's certificate"
        return f"{missing} is present but didn't sign {_subject(last)}{_weakness(last)}"
    return "the issuers sign each other in a loop"


def _weakness(cert: x509.Certificate) -> str:
    """Return the reason why a signature isn't accepted whoever made it, or an empty text."""
    try:
        with outside_data("its signature"):
            digest = cert.signature_hash_algorithm
    except Unreadable as fault:
        return f": {fault}"
    if digest is not None and digest.name in ("md5", "sha1"):
        return f" in a way that is still accepted: with {digest.name.upper()}"
    return ""


def _issued(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    # The same CA certificates arrive with every leaf, so verified links between CAs are cached.
    if _may_issue(cert):
        return _issued_to_a_ca(issuer, cert)
    return _has_issued(issuer, cert)


@lru_cache(maxsize=256)
def _issued_to_a_ca(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    return _has_issued(issuer, cert)


def _has_issued(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    return _can_be_above(issuer) and _has_signed(issuer, cert)


def _has_signed(issuer: x509.Certificate, cert: x509.Certificate) -> bool:
    try:
        with outside_data("its signature"):
            cert.verify_directly_issued_by(issuer)
    except Unreadable:
        return False
    return True


def _can_be_above(cert: x509.Certificate) -> bool:
    return _may_issue(cert) or _is_root(cert)


def _may_issue(cert: x509.Certificate) -> bool:
    try:
        return is_ca(cert) is not False  # old roots don't say
    except Unreadable:
        return False


def _may_be_a_leaf(cert: x509.Certificate) -> bool:
    try:
        return not names_itself(cert) and not is_ca(cert)
    except Unreadable:
        return True


def _is_root(cert: x509.Certificate) -> bool:
    """Return True for a trust anchor: it names itself as its issuer, and doesn't say that it is no CA's."""
    try:
        return names_itself(cert) and is_ca(cert) is not False
    except Unreadable:
        return True


def _subject(cert: x509.Certificate) -> str:
    return cert.subject.rfc4514_string() or f"the certificate {serial_hex(cert)} without a subject"

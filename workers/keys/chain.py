"""Reads the certificates in SCM's response and rebuilds the chain; the order they arrive in is ignored."""

import base64
from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from certline.workers.keys.ca_roles import (
    can_be_above,
    has_signed,
    is_root,
    may_be_a_leaf,
    may_issue,
)
from certline.workers.keys.certificate import (
    fingerprint_sha256,
    is_valid_at,
    key_sha256,
    names_itself,
    require_sound,
    serial_hex,
)
from certline.workers.keys.errors import Broken, NoMatch, Unreadable, outside_data
from certline.workers.keys.known_cas import KNOWN_CAS
from certline.workers.keys.links import Links
from certline.workers.keys.pem_blocks import pem_blocks

Way: TypeAlias = tuple[x509.Certificate, ...]  # path from our leaf upwards

# Certificates in a response at most. Usual are 2 to 5; PKCS#7 of a CA with cross-signed roots has some more.
MOST_CERTIFICATES = 20


@dataclass(frozen=True)
class Chain:
    """A leaf with its issuers: the issuing CA first, and the root last if it was sent."""

    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]

    @property
    def root(self) -> x509.Certificate | None:
        """The root at the chain's end, or None if it was not sent."""
        return self.issuers[-1] if self.issuers and is_root(self.issuers[-1]) else None

    def below_the_root(self) -> "Chain":
        """Return the chain without its root, which whoever checks the chain has to have anyway."""
        return self if self.root is None else Chain(self.leaf, self.issuers[:-1])


def read_certificates(body: bytes) -> list[x509.Certificate]:
    """Return all certificates of a body in PEM, DER or PKCS#7 (PEM or DER), in their order there.

    One that can't be read is left out, as if it hadn't been sent: a CA's may be dispensable. Raises Unreadable if
    there is no certificate, if there are more than MOST_CERTIFICATES, or if the one that can't be read must be the
    leaf.
    """
    sound: list[x509.Certificate] = []
    faults: list[Unreadable] = []
    for read in _parts(body):
        try:
            certificates = read()
        except Unreadable as fault:
            faults.append(fault)
        else:
            sound += certificates
            _require_few(sound)
    if faults and not any(may_be_a_leaf(cert) for cert in sound):
        raise faults[0]
    if not sound:
        raise Unreadable("no certificate in it")
    return sound


# PEM armour of a single certificate.
CERTIFICATES = {b"CERTIFICATE", b"X509 CERTIFICATE"}


@dataclass(frozen=True)
class _Part:
    """A part of a body; `kind` is that of its PEM armour, or empty for DER."""

    kind: bytes
    text: bytes

    def __call__(self) -> list[x509.Certificate]:
        """Return its certificates, of which everything but key and extensions can be read. Raises Unreadable."""
        if self.kind in CERTIFICATES:
            with outside_data("the certificate"):
                der = base64.b64decode(b"".join(self.text.split()), validate=True)
                return [KNOWN_CAS.read(der)]
        found = self._several() if self.kind else _der(self.text)
        for cert in found:
            require_sound(cert)
        return found

    def _several(self) -> list[x509.Certificate]:
        with outside_data("the PKCS#7"):
            der = base64.b64decode(b"".join(self.text.split()), validate=True)
            return pkcs7.load_der_pkcs7_certificates(der)


def _parts(body: bytes) -> list[_Part]:
    found = [_Part(*block) for block in islice(pem_blocks(body), MOST_CERTIFICATES + 1)]
    _require_few(found)
    return found or [_Part(b"", body)]


def _require_few(found: Sequence[object]) -> None:
    if len(found) > MOST_CERTIFICATES:
        raise Unreadable(f"more than {MOST_CERTIFICATES} certificates in it")


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
        found = [cert for cert in set(certificates) if not may_issue(cert)]
        found = found or [cert for cert in set(certificates) if may_be_a_leaf(cert)]
    if not found or (serial is None and len(found) > 1):
        wanted = f"has the serial number {serial}" if serial else "can be identified as the leaf"
        raise NoMatch(f"no certificate in the response {wanted}")
    # Serial numbers are unique only per CA: a CA's certificate may have the leaf's.
    return min(found, key=may_issue)


def chain_of(
    leaf: x509.Certificate, certificates: Iterable[x509.Certificate], now: datetime | None = None
) -> Chain:
    """Return a leaf with the best path from it to a root: all certificates valid `now`, and the shortest of those.

    The signature of every link is verified, but not a root's own: it proves nothing (RFC 5280, 6.1). Duplicates
    and unrelated certificates, such as a cross-signed twin of the root, are dropped. A chain may end below its
    root only if no root was sent at all. A self-signed leaf is its whole chain. Raises Broken, also if more
    signatures would have to be verified than any real response needs.
    """
    if names_itself(leaf) and (may_issue(leaf) or has_signed(leaf, leaf)):
        return Chain(leaf, ())
    moment = now or datetime.now(UTC)
    # Among paths of one length, the one that is valid longest is found first, whatever the response's order.
    longest = sorted({*certificates} - {leaf}, key=fingerprint_sha256)
    longest.sort(key=lambda cert: cert.not_valid_after_utc, reverse=True)
    links = Links(longest)
    valid = {cert for cert in longest if is_valid_at(cert, moment)}
    rooted = any(is_root(cert) for cert in longest)
    for usable in (valid, {*longest}):
        for way in _ways(leaf, links, usable):
            last = way[-1]
            left_out = len(way) > 1 and not rooted and not links.above(last)
            if left_out or (len(way) > 1 and is_root(last)):
                return Chain(leaf, way[1:])
    raise Broken(_fault(leaf, links, {*longest}))


def _ways(leaf: x509.Certificate, links: Links, usable: Set[x509.Certificate]) -> Iterator[Way]:
    """Yield the shortest path from the leaf to each usable certificate above it, shorter ones first."""
    # Breadth-first search. `seen` ends it if issuers form a loop.
    ways: deque[Way] = deque([(leaf,)])
    seen = {leaf}
    while ways:
        way = ways.popleft()
        yield way
        if len(way) > 1 and is_root(way[-1]):
            continue
        for issuer in links.above(way[-1]):
            if issuer in usable and issuer not in seen and links.issued(issuer, way[-1]):
                seen.add(issuer)
                ways.append((*way, issuer))


def _fault(leaf: x509.Certificate, links: Links, usable: Set[x509.Certificate]) -> str:
    """Return why none of the paths is a chain; the first that ends below a root is described."""
    if names_itself(leaf):
        return (
            f"{_subject(leaf)} names itself as its issuer, but isn't a CA's certificate and isn't "
            "signed with its own key"
        )
    for way in _ways(leaf, links, usable):
        last = way[-1]
        above = links.above(last)
        if any(links.issued(cert, last) for cert in above):
            continue
        missing = last.issuer.rfc4514_string()
        if not above:
            return f"the certificate of the issuer {missing} is missing"
        if not any(can_be_above(cert) for cert in above):
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


def _subject(cert: x509.Certificate) -> str:
    return cert.subject.rfc4514_string() or f"the certificate {serial_hex(cert)} without a subject"

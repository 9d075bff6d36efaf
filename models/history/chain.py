"""The chain of a certificate: its issuers as they are stored, each with its dates. They are public."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Issuer:
    """A certificate of the chain. `own`: it names itself as its issuer, so it is a root."""

    subject: str
    issuer: str
    serial_number: str
    sha256_fingerprint: str
    not_before: datetime
    not_after: datetime
    own: bool


def chain_of(issuers: Sequence[str]) -> list[Issuer | None]:
    """Return the certificates of a chain, from the issuing CA upwards; None for one that cannot be read."""
    return [_read(pem) for pem in issuers]


def _read(pem: str) -> Issuer | None:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        subject, issuer = found.subject.rfc4514_string(), found.issuer.rfc4514_string()
    except ValueError:
        return None
    return Issuer(
        subject,
        issuer,
        f"{found.serial_number:x}",
        found.fingerprint(SHA256()).hex(),
        found.not_valid_before_utc,
        found.not_valid_after_utc,
        own=found.subject == found.issuer,
    )

"""Small CAs, created for one test."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from certline.workers.keys import PrivateKey, generate, public_key_sha256

NOW = datetime.now(UTC).replace(microsecond=0)


def named(common_name: str) -> x509.Name:
    """Return a distinguished name consisting of a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True)
class Authority:
    """A CA or a leaf: its key and its certificate."""

    key: PrivateKey
    cert: x509.Certificate

    @classmethod
    def root(cls, name: str, *, key: PrivateKey | None = None, days: int = 0) -> Self:
        """Return a self-signed CA; `days` shifts its validity that much later."""
        key = key or generate("EC", "P-256")
        return cls(key, _sign(name, key, name, key, ca=True, days=days))

    def issue(
        self, name: str, *, ca: bool = False, key: PrivateKey | None = None, days: int = 0
    ) -> "Authority":
        """Issue a certificate; `days` shifts its validity that much later."""
        key = key or generate("EC", "P-256")
        issuer = self.cert.subject.rfc4514_string().removeprefix("CN=")
        return Authority(key, _sign(name, key, issuer, self.key, ca=ca, days=days))

    @property
    def sha256(self) -> str:
        """Hash of the public key, by which build_chain finds the leaf."""
        return public_key_sha256(self.key.public_key())


def _sign(
    name: str, key: PrivateKey, issuer: str, by: PrivateKey, *, ca: bool, days: int = 0
) -> x509.Certificate:
    start = NOW - timedelta(days=10 - days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.DNSName(f"www.{name}")])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(by, hashes.SHA256())

"""Simulated CA with a root and an issuing CA, which signs real certificates and CRLs."""

import datetime as dt
import ipaddress
from collections.abc import Iterable
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certline.simulator.state.csr import Key
from certline.simulator.wire.dates import now

YEAR = dt.timedelta(days=365)
WEEK = dt.timedelta(days=7)
SIGNATURE = "SHA256WITHECDSA"
ISSUER = "CN=Example OV TLS CA,O=Example CA Ltd,C=GB"


class Authority:
    """Root and issuing CA of one simulator. Its keys are P-256, for hundreds of signatures per second."""

    def __init__(self, base: str = "http://127.0.0.1:8500") -> None:
        self._root_key = root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        root_name = _name("Example Simulated Root", "Example CA Ltd", "GB")
        self.root = _ca(root_name, root_key.public_key(), root_name, root_key, path_length=1)
        self.issuing = _ca(
            _name("Example OV TLS CA", "Example CA Ltd", "GB"),
            self._key.public_key(),
            root_name,
            root_key,
            path_length=0,
            revocations=_point(f"{base}/crl/root.crl"),
        )
        self._revocations = _point(f"{base}/crl/issuing.crl")
        self._key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())

    @property
    def root_pem(self) -> str:
        """Root certificate in PEM, which a client has to trust."""
        return self.root.public_bytes(serialization.Encoding.PEM).decode()

    def sign(
        self,
        key: Key,
        names: tuple[str, ...],
        organization: str,
        *,
        serial: int,
        not_before: dt.datetime,
        not_after: dt.datetime,
    ) -> x509.Certificate:
        """Return a signed server certificate; the first name is its common name."""
        public = _public_key(key)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(names[0], organization, "DE"))
            .issuer_name(self.issuing.subject)
            .public_key(public)
            .serial_number(serial)
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_usage(encipher=key.algorithm == "RSA"), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(self._key_id, False)
            .add_extension(self._revocations, False)
            .sign(self._key, hashes.SHA256())
        )

    def revocations(
        self, revoked: Iterable[x509.RevokedCertificate]
    ) -> x509.CertificateRevocationList:
        """Return the CRL of the issuing CA, with these revoked server certificates."""
        return _revocations(self.issuing, self._key, revoked)

    def root_revocations(self) -> x509.CertificateRevocationList:
        """Return the root's CRL, needed to check the whole chain. It is empty: the issuing CA is never revoked."""
        return _revocations(self.root, self._root_key, ())


def _ca(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    path_length: int,
    revocations: x509.CRLDistributionPoints | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        # Ten years back, so that the CA is older than every seeded certificate.
        .not_valid_before(now() - 10 * YEAR)
        .not_valid_after(now() + 10 * YEAR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), True)
        .add_extension(_usage(signs_certificates=True), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
        )
    )
    if revocations:
        builder = builder.add_extension(revocations, False)
    return builder.sign(signer, hashes.SHA256())


def _revocations(
    issuer: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    revoked: Iterable[x509.RevokedCertificate],
) -> x509.CertificateRevocationList:
    moment = now()
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(moment - dt.timedelta(minutes=1))
        .next_update(moment + WEEK)
        .add_extension(key_id, False)
        # RFC 5280: the number must increase with every CRL.
        .add_extension(x509.CRLNumber(int(moment.timestamp() * 1000)), False)
    )
    for each in revoked:
        builder = builder.add_revoked_certificate(each)
    return builder.sign(signer, hashes.SHA256())


def _point(url: str) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return x509.CRLDistributionPoints([point])


def _usage(*, signs_certificates: bool = False, encipher: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=encipher,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str, organization: str, country: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _public_key(key: Key) -> CertificatePublicKeyTypes:
    if not key.spki:
        return _made_up_rsa(key.size) if key.algorithm == "RSA" else _made_up_ec(key.param)
    # The check against the profile lets only RSA and EC keys through.
    return serialization.load_der_public_key(key.spki)  # type: ignore[return-value]


def _made_up_ec(param: str) -> ec.EllipticCurvePublicKey:
    curve = ec.SECP384R1() if param == "P-384" else ec.SECP256R1()
    return ec.generate_private_key(curve).public_key()


@cache
def _made_up_rsa(size: int) -> rsa.RSAPublicKey:
    """Return the same RSA key for all seeded certificates of a size: generating one takes a tenth of a second."""
    return rsa.generate_private_key(65537, size).public_key()

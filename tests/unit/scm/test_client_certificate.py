"""Tests of logging in with a client certificate, to a server that requires one."""

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from certline.workers.scm import CertificateLogin, LoginRefused, NotSent, ScmClient
from tests.unit.scm.conftest import ORDER
from tests.unit.scm.odd_server import OddServer, as_json

EMPTY = as_json("200 OK", [])


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The private key as PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def an_identity(name: str) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Identity(certificate, key)


HOST = an_identity("localhost")
OURS = an_identity("svc-pipeline")
STRANGER = an_identity("stranger")


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> ssl.SSLContext:
    """Return a server's TLS context that requires our certificate."""
    both = tmp_path / "host.pem"
    both.write_text(HOST.certificate_pem + HOST.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion[request.param]
    context.load_cert_chain(both)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=OURS.certificate_pem)
    return context


@pytest.fixture
def roots(tmp_path: Path) -> str:
    """Return the path of a CA bundle with the server's root."""
    bundle = tmp_path / "roots.pem"
    bundle.write_text(HOST.certificate_pem)
    return str(bundle)


def login(url: str, who: Identity = OURS) -> CertificateLogin:
    return CertificateLogin(url, "nordhafen", "svc-pipeline", who.certificate_pem, who.key_pem)


def test_the_certificate_is_shown_and_the_path_is_private(tls: ssl.SSLContext, roots: str) -> None:
    with OddServer([EMPTY, as_json("200 OK", {"sslId": 7})], tls=tls) as server:
        client = ScmClient(login(server.url), ca_bundle=roots)
        client.organizations()
        client.enroll(ORDER)
        client.close()

        assert [seen.target for seen in server.seen] == [
            "GET /private/api/organization/v1",
            "POST /private/api/ssl/v1/enroll",
        ]
        headers = server.seen[0].headers
        assert (headers["login"], headers["customeruri"]) == ("svc-pipeline", "nordhafen")
        assert "password" not in headers


def test_a_refused_certificate_is_a_refused_login(tls: ssl.SSLContext, roots: str) -> None:
    with OddServer([EMPTY], tls=tls) as server:
        client = ScmClient(login(server.url, STRANGER), ca_bundle=roots)
        with pytest.raises(LoginRefused):
            client.organizations()

        assert server.seen == []


def test_an_unknown_server_is_not_told_anything(tls: ssl.SSLContext) -> None:
    with OddServer([EMPTY], tls=tls) as server:
        with pytest.raises(NotSent, match="verify failed"):
            ScmClient(login(server.url)).organizations()

        assert server.seen == []


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://cert-manager.com", "https://cert-manager.com/private/api"),
        ("https://cert-manager.com/api/", "https://cert-manager.com/private/api"),
        ("https://cert-manager.com/private", "https://cert-manager.com/private/api"),
        ("https://cert-manager.com/private/api", "https://cert-manager.com/private/api"),
        ("https://gate.example/scm/api", "https://gate.example/scm/private/api"),
    ],
)
def test_the_address_becomes_private(url: str, base: str) -> None:
    assert login(url).url == base


def test_no_file_is_left_and_no_key_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    written: list[tuple[int, str]] = []
    load = ssl.SSLContext.load_cert_chain

    def spy(context: ssl.SSLContext, path: str, **rest: str) -> None:
        written.append((Path(path).stat().st_mode & 0o777, Path(path).read_text()))
        load(context, path, **rest)

    monkeypatch.setattr("urllib3.util.ssl_.SSLContext.load_cert_chain", spy)
    client = ScmClient(login("https://cert-manager.com"))

    ((mode, text),) = written
    assert mode == 0o600
    assert "BEGIN ENCRYPTED PRIVATE KEY" in text
    assert "BEGIN PRIVATE KEY" not in text
    assert list(tmp_path.iterdir()) == []
    assert OURS.key_pem.splitlines()[1] not in repr(client)


def test_a_login_is_a_key_of_a_dictionary_as_text_or_bytes() -> None:
    as_bytes = CertificateLogin(
        "https://x", "c", "l", OURS.certificate_pem.encode(), OURS.key_pem.encode()
    )

    assert hash(login("https://x")) == hash(login("https://x/api"))
    assert as_bytes.pair() == login("https://x").pair()
    assert hash(as_bytes)


ENCRYPTED = OURS.key.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)


@pytest.mark.parametrize(
    ("certificate", "key", "field"),
    [
        ("", OURS.key_pem, "certificate_pem"),
        (OURS.key_pem, OURS.key_pem, "certificate_pem"),
        (OURS.certificate_pem, "", "key_pem"),
        (OURS.certificate_pem, ENCRYPTED, "key_pem .* not encrypted"),
        (OURS.certificate_pem, STRANGER.key_pem, "key_pem isn't the key"),
    ],
)
def test_what_is_no_pair_is_refused_without_showing_it(
    certificate: str | bytes, key: str | bytes, field: str
) -> None:
    with pytest.raises(ValueError, match=field) as caught:
        CertificateLogin("https://x", "c", "l", certificate, key)

    assert OURS.key_pem.splitlines()[1] not in str(caught.value)
    assert caught.value.__cause__ is None

"""Tests of keys and certificate signing requests."""

import subprocess
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certline.models.csr.request import read_request
from certline.workers.keys import (
    describe,
    from_pem,
    generate,
    public_key_sha256,
    sign_request,
    to_pem,
)
from tests.unit.keys.authority import named


def request_of(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> str:
    """Return a CSR that certline itself would not create."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(named("a.example"))
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("algorithm", "size"),
    [("RSA", "2048"), ("RSA", "3072"), ("RSA", "4096"), ("EC", "P-256"), ("EC", "P-384")],
)
def test_a_key_is_what_was_asked_for_and_comes_back_from_pem(algorithm: str, size: str) -> None:
    key = generate(algorithm, size)

    again = from_pem(to_pem(key))

    assert describe(again.public_key()) == (algorithm, size)
    assert public_key_sha256(again.public_key()) == public_key_sha256(key.public_key())


@pytest.mark.parametrize(
    ("algorithm", "size"), [("RSA", "1024"), ("EC", "P-521"), ("DSA", "2048"), ("EC", "2048")]
)
def test_another_key_is_refused_with_what_is_allowed(algorithm: str, size: str) -> None:
    with pytest.raises(ValueError, match=r"RSA 2048\|3072\|4096 or EC P-256\|P-384"):
        generate(algorithm, size)


def test_what_is_no_key_is_refused_without_showing_it() -> None:
    secret = to_pem(generate("EC", "P-256")).replace(b"PRIVATE KEY", b"SECRET KEY")

    with pytest.raises(ValueError, match="not an unencrypted") as caught:
        from_pem(secret)
    assert caught.value.__context__ is None
    with pytest.raises(ValueError, match="not an unencrypted"):
        from_pem(
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )


def test_a_request_names_the_common_name_first_and_each_name_once() -> None:
    key = generate("EC", "P-256")
    sans = ["www.a.example", "A.example", "10.0.0.1", "www.a.example", "*.a.example"]

    request = read_request(sign_request(key, "a.example", sans))

    assert request.common_name == "a.example"
    assert request.names == ("a.example", "www.a.example", "10.0.0.1", "*.a.example")
    assert request.key.key == key.public_key()
    assert (request.key.algorithm, request.key.size) == ("EC", "P-256")


def test_openssl_verifies_our_request_and_sees_the_same_key(tmp_path: Path) -> None:
    key = generate("RSA", "2048")
    (tmp_path / "csr.pem").write_text(sign_request(key, "a.example", ["b.example"]))

    command = "openssl req -in csr.pem -verify -noout -text"
    said = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=True)
    pipe = "openssl req -in csr.pem -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum"
    digest = subprocess.run(["sh", "-c", pipe], cwd=tmp_path, capture_output=True, check=True)

    assert "DNS:a.example, DNS:b.example" in said.stdout
    assert digest.stdout.decode().split()[0] == public_key_sha256(key.public_key())


@pytest.mark.parametrize("common_name", ["", "a" * 65, "büro.example"])
def test_a_common_name_no_ca_takes_is_refused(common_name: str) -> None:
    with pytest.raises(ValueError, match=r"common name|ASCII"):
        sign_request(generate("EC", "P-256"), common_name, [])


def test_a_request_without_names_is_read() -> None:
    assert read_request(request_of(generate("EC", "P-256"))).names == ()


def test_a_changed_request_is_refused() -> None:
    request = x509.load_pem_x509_csr(
        sign_request(generate("EC", "P-256"), "a.example", []).encode()
    )
    der = request.public_bytes(serialization.Encoding.DER).replace(b"a.example", b"b.example")
    changed = x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM).decode()

    with pytest.raises(ValueError, match="its own key"):
        read_request(changed)


@pytest.mark.parametrize("text", ["", "MIIC", "-----BEGIN CERTIFICATE REQUEST-----\nMIIC\n"])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a certificate signing request"):
        read_request(text)


def test_weak_keys_and_signatures_are_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the test creates a weak key on purpose
        weak_key = request_of(rsa.generate_private_key(65537, 1024))  # noqa: S505
        curve = request_of(ec.generate_private_key(ec.SECP256K1()))

    with pytest.raises(ValueError, match="2048 bits or more"):
        read_request(weak_key)
    with pytest.raises(ValueError, match="secp256k1"):
        read_request(curve)
    with pytest.raises(ValueError, match="neither an RSA nor an EC"):
        read_request(request_of(ed25519.Ed25519PrivateKey.generate()))


def test_a_request_signed_with_sha1_is_refused(tmp_path: Path) -> None:
    command = "openssl req -new -newkey rsa:2048 -nodes -keyout k.pem -sha1 -subj /CN=a.example"
    said = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=True)

    with pytest.raises(ValueError, match="SHA-256"):
        read_request(said.stdout)

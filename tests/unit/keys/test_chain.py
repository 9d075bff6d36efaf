"""Tests of chains, rebuilt from SCM's response whatever its order and its wrapping."""

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from certline.workers.keys import (
    Broken,
    NoMatch,
    Unreadable,
    build_chain,
    dns_names,
    fingerprint_sha256,
    generate,
    pem,
    public_key_sha256,
    read_certificates,
    serial_hex,
)
from tests.unit.keys.authority import Authority


@dataclass(frozen=True)
class Line:
    """A root, two CAs below it, and our leaf."""

    root: Authority
    upper: Authority
    issuing: Authority
    leaf: Authority

    @property
    def certs(self) -> list[x509.Certificate]:
        """Certificates in the order of SCM's `x509`: root first."""
        return [self.root.cert, self.upper.cert, self.issuing.cert, self.leaf.cert]


@pytest.fixture(scope="module")
def line() -> Line:
    root = Authority.root("Root R1")
    upper = root.issue("Upper CA", ca=True)
    issuing = upper.issue("Issuing CA", ca=True)
    return Line(root, upper, issuing, issuing.issue("shop.example"))


def test_the_order_sent_does_not_matter_and_openssl_agrees(line: Line, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text(pem(line.root.cert))
    for seed in range(10):
        shuffled = random.Random(seed).sample(line.certs, 4)  # noqa: S311 (an order, not a secret)

        chain = build_chain(shuffled, line.leaf.sha256)

        assert chain.leaf == line.leaf.cert
        assert chain.issuers == (line.issuing.cert, line.upper.cert, line.root.cert)
    (tmp_path / "leaf.pem").write_text(pem(chain.leaf))
    (tmp_path / "between.pem").write_text("".join(map(pem, chain.issuers[:-1])))
    command = "openssl verify -CAfile root.pem -untrusted between.pem leaf.pem"
    said = subprocess.run(
        command.split(), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert said.stdout == "leaf.pem: OK\n", said.stderr


def test_a_root_that_was_not_sent_is_not_missed(line: Line) -> None:
    chain = build_chain([line.leaf.cert, line.upper.cert, line.issuing.cert], line.leaf.sha256)

    assert chain.issuers == (line.issuing.cert, line.upper.cert)


def test_duplicates_strangers_and_cross_signed_twins_are_dropped(line: Line) -> None:
    old_root = Authority.root("Old Root")
    twin = old_root.issue("Root R1", ca=True, key=line.root.key)
    stranger = Authority.root("Stranger")
    extras = [old_root.cert, twin.cert, stranger.cert, stranger.issue("x.example").cert]

    chain = build_chain([*extras, *line.certs, *line.certs], line.leaf.sha256)

    assert chain.issuers == (line.issuing.cert, line.upper.cert, line.root.cert)


def test_a_cross_signed_twin_serves_where_the_root_itself_is_absent(line: Line) -> None:
    old_root = Authority.root("Old Root")
    twin = old_root.issue("Root R1", ca=True, key=line.root.key)

    chain = build_chain([old_root.cert, twin.cert, *line.certs[1:]], line.leaf.sha256)

    assert chain.issuers == (line.issuing.cert, line.upper.cert, twin.cert, old_root.cert)


def test_of_two_leaves_with_our_key_the_younger_counts(line: Line) -> None:
    newer = line.issuing.issue("shop.example", key=line.leaf.key, days=3)

    for certs in ([*line.certs, newer.cert], [newer.cert, *line.certs]):
        assert build_chain(certs, line.leaf.sha256).leaf == newer.cert


def test_a_certificate_for_another_key_is_no_match(line: Line) -> None:
    other = public_key_sha256(generate("EC", "P-256").public_key())

    with pytest.raises(NoMatch):
        build_chain(line.certs, other)
    with pytest.raises(NoMatch):
        build_chain([], other)


@pytest.mark.parametrize("absent", ["upper", "issuing"])
def test_a_missing_issuer_is_named(line: Line, absent: str) -> None:
    gone = getattr(line, absent).cert
    certs = [cert for cert in line.certs if cert != gone]

    with pytest.raises(Broken, match=f"{gone.subject.rfc4514_string()} is missing"):
        build_chain(certs, line.leaf.sha256)


def test_a_leaf_alone_is_broken(line: Line) -> None:
    with pytest.raises(Broken, match="missing"):
        build_chain([line.leaf.cert], line.leaf.sha256)


def test_an_issuer_of_the_right_name_and_the_wrong_key_is_broken(line: Line) -> None:
    impostor = line.upper.issue("Issuing CA", ca=True)

    with pytest.raises(Broken, match="didn't sign"):
        build_chain(
            [line.root.cert, line.upper.cert, impostor.cert, line.leaf.cert], line.leaf.sha256
        )


def test_a_leaf_cannot_issue(line: Line) -> None:
    forged = line.leaf.issue("bank.example")

    with pytest.raises(Broken):
        build_chain([*line.certs, forged.cert], forged.sha256)


def test_every_wrapping_is_read(line: Line) -> None:
    blocks = [pem(cert) for cert in line.certs]
    bodies = {
        "PEM": "".join(blocks).encode(),
        "glued armour, no final line end": "".join(block.strip() for block in blocks).encode(),
        "CRLF and words between": "\r\n".join(
            f"subject=/CN=x\r\n{block.strip()}" for block in blocks
        ).encode(),
        "PKCS#7 PEM": pkcs7.serialize_certificates(line.certs, Encoding.PEM),
        "PKCS#7 DER": pkcs7.serialize_certificates(line.certs, Encoding.DER),
    }
    for name, body in bodies.items():
        assert set(read_certificates(body)) == set(line.certs), name
    assert read_certificates(line.leaf.cert.public_bytes(Encoding.DER)) == [line.leaf.cert]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x30\x82\x01",
        b"<html>",
        b"-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nMIIB",
    ],
)
def test_what_is_no_certificate_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_certificates(body)


def test_the_facts_of_a_certificate(line: Line, tmp_path: Path) -> None:
    (tmp_path / "leaf.pem").write_text(pem(line.leaf.cert))
    command = "openssl x509 -in leaf.pem -noout -serial -fingerprint -sha256"
    said = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=True)
    serial, fingerprint = (row.split("=")[1] for row in said.stdout.split("\n")[:2])

    assert serial_hex(line.leaf.cert) == serial.lower().lstrip("0")
    assert fingerprint_sha256(line.leaf.cert) == fingerprint.replace(":", "").lower()
    assert dns_names(line.leaf.cert) == ("shop.example", "www.shop.example")
    assert dns_names(line.root.cert) == ()

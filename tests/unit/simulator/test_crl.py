"""Tests of revocation lists, to which the certificates point."""

import subprocess
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.unit.simulator.customer import TIMEOUT, Customer, csr

REVOKE = {"reasonCode": 4, "reason": "superseded"}


def points_to(certificate: x509.Certificate) -> str:
    """Return the URL of the list that a certificate points to."""
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    names = next(iter(points)).full_name or []
    return str(names[0].value)


def revocations(certificate: x509.Certificate) -> x509.CertificateRevocationList:
    """Fetch the list that a certificate points to."""
    answer = requests.get(points_to(certificate), timeout=TIMEOUT)
    assert answer.headers["Content-Type"] == "application/pkix-crl"
    return x509.load_der_x509_crl(answer.content)


@pytest.fixture
def folder(scm: Customer, tmp_path: Path) -> Path:
    """Return a folder with the root and the issuing CA as files for openssl."""
    (tmp_path / "root").write_bytes(scm.door("GET", "/root.pem").content)
    above = scm.get(f"/ssl/v1/collect/{scm.issued()}/x509IOR").content
    (tmp_path / "issuing").write_bytes(above)
    return tmp_path


def verified(folder: Path, leaf: x509.Certificate) -> str:
    """Verify the whole chain with openssl and the current lists. Returns its output."""
    issuing = x509.load_pem_x509_certificates((folder / "issuing").read_bytes())[0]
    lists = [revocations(each).public_bytes(Encoding.PEM) for each in (leaf, issuing)]
    (folder / "lists").write_bytes(b"".join(lists))
    (folder / "leaf").write_bytes(leaf.public_bytes(Encoding.PEM))
    options = ["-crl_check_all", "-x509_strict", "-CRLfile", "lists"]
    done = subprocess.run(
        ["openssl", "verify", *options, "-CAfile", "root", "-untrusted", "issuing", "leaf"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_openssl_refuses_a_revoked_certificate_and_no_other(scm: Customer, folder: Path) -> None:
    gone, stays = scm.issued(), scm.issued()
    leaves = [scm.leaf(gone), scm.leaf(stays)]
    assert [verified(folder, leaf) for leaf in leaves] == ["leaf: OK\n"] * 2

    scm.post(f"/ssl/v1/revoke/{gone}", REVOKE)

    assert "certificate revoked" in verified(folder, leaves[0])
    assert verified(folder, leaves[1]) == "leaf: OK\n"


def test_an_entry_has_the_reason(scm: Customer) -> None:
    ssl_id = scm.issued()
    leaf = scm.leaf(ssl_id)
    scm.post(f"/ssl/v1/revoke/{ssl_id}", REVOKE)

    entry = revocations(leaf).get_revoked_certificate_by_serial_number(leaf.serial_number)

    assert entry is not None
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value
    assert reason.reason is x509.ReasonFlags.superseded


def test_a_certificate_that_was_replaced_is_on_the_list_once_it_is_revoked(scm: Customer) -> None:
    ssl_id = scm.issued()
    old = scm.leaf(ssl_id)
    scm.post(f"/ssl/v1/replace/{ssl_id}", {"csr": csr(), "reason": "key leaked"})
    scm.deed(ssl_id, "issue")
    assert not list(revocations(old))

    serial = old.serial_number.to_bytes(16).hex(":")
    scm.post(f"/ssl/v1/revoke/serial/{serial}", {"reason": "key leaked"})

    assert [entry.serial_number for entry in revocations(old)] == [old.serial_number]


def test_a_replacement_may_revoke_what_it_replaces(scm: Customer) -> None:
    scm.set(replace_revokes_old=True)
    ssl_id = scm.issued()
    old = scm.leaf(ssl_id)

    scm.post(f"/ssl/v1/replace/{ssl_id}", {"csr": csr(), "reason": "new key"})
    scm.deed(ssl_id, "issue")

    assert [entry.serial_number for entry in revocations(old)] == [old.serial_number]


def test_a_revocation_that_was_only_noted_is_not_on_the_list(scm: Customer) -> None:
    ssl_id = scm.issued()
    leaf = scm.leaf(ssl_id)

    body = {"certId": ssl_id, "revokeDate": "2026-11-02", "reasonCode": 1}
    assert scm.post("/ssl/v1/revoke/manual", body).status_code == 204

    assert not list(revocations(leaf))

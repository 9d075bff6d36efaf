"""Tests of collecting certificates: every format, and when there is none."""

import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.simulator.customer import EC_KEY, SHOP, Customer, csr, refused

ROOT, ISSUING = "Example Simulated Root", "Example OV TLS CA"

PEM_ORDERS = [
    ("x509", [ROOT, ISSUING, SHOP]),
    ("x509CO", [SHOP]),
    ("x509IO", [ROOT, ISSUING]),
    ("x509IOR", [ISSUING, ROOT]),
    ("x509R", [SHOP, ISSUING, ROOT]),
    ("pem", [ROOT, ISSUING, SHOP]),
    ("pemco", [SHOP]),
    ("pemia", [SHOP, ISSUING]),
]


def names(certificates: list[x509.Certificate]) -> list[str]:
    return [
        str(each.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
        for each in certificates
    ]


@pytest.mark.parametrize(("form", "expected"), PEM_ORDERS)
def test_a_pem_format_has_its_certificates_in_its_order(
    scm: Customer, form: str, expected: list[str]
) -> None:
    ssl_id = scm.issued()

    in_path = scm.get(f"/ssl/v1/collect/{ssl_id}/{form}")
    in_query = scm.get(f"/ssl/v1/collect/{ssl_id}", format=form)

    assert names(x509.load_pem_x509_certificates(in_path.content)) == expected
    assert in_query.content == in_path.content


def test_the_default_format_is_pkcs7_with_armour(scm: Customer) -> None:
    ssl_id = scm.issued()

    default = scm.get(f"/ssl/v1/collect/{ssl_id}").content
    named = scm.get(f"/ssl/v1/collect/{ssl_id}/base64").content
    binary = scm.get(f"/ssl/v1/collect/{ssl_id}/bin").content

    assert default == named
    assert default.startswith(b"-----BEGIN PKCS7-----")
    assert sorted(names(pkcs7.load_pem_pkcs7_certificates(default))) == sorted(
        [ROOT, ISSUING, SHOP]
    )
    assert sorted(names(pkcs7.load_der_pkcs7_certificates(binary))) == sorted([ROOT, ISSUING, SHOP])


def test_a_certificate_comes_as_a_file(scm: Customer) -> None:
    headers = scm.get(f"/ssl/v1/collect/{scm.issued()}/x509CO").headers

    assert headers["Content-Type"] == "application/octet-stream;charset=UTF-8"
    assert headers["Content-Disposition"] == 'attachment; filename="shop_nordhafen_example.cer"'
    assert int(headers["Content-Length"]) > 0


def test_openssl_trusts_the_chain(scm: Customer, tmp_path: Path) -> None:
    ssl_id = scm.issued()
    for form in ("x509CO", "x509IOR"):
        (tmp_path / form).write_bytes(scm.get(f"/ssl/v1/collect/{ssl_id}/{form}").content)
    (tmp_path / "root").write_bytes(scm.door("GET", "/root.pem").content)

    options = ["-x509_strict", "-purpose", "sslserver", "-verify_hostname", SHOP]
    done = subprocess.run(
        ["openssl", "verify", *options, "-CAfile", "root", "-untrusted", "x509IOR", "x509CO"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_the_certificate_is_what_was_ordered(scm: Customer) -> None:
    request = csr(sans=("ignored.nordhafen.example",))
    ssl_id = scm.issued(csr=request, subjAltNames=f"www.{SHOP}", term=90)

    leaf = scm.leaf(ssl_id)
    details = scm.details(ssl_id)

    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    info = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert san.get_values_for_type(x509.DNSName) == [SHOP, f"www.{SHOP}"]
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert leaf.public_key().public_bytes(*info) == EC_KEY.public_key().public_bytes(*info)
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 89
    assert details["serialNumber"].replace(":", "") == f"{leaf.serial_number:032X}"
    assert details["expires"] == f"{leaf.not_valid_after_utc:%m/%d/%Y}"
    assert details["certificateDetails"]["issuer"] == leaf.issuer.rfc4514_string()


def test_the_root_at_the_door_is_the_one_the_simulator_names(scm: Customer) -> None:
    assert scm.door("GET", "/root.pem").text == scm.simulator.root_pem


@pytest.mark.parametrize("code", [0, -183, -1400])
def test_a_certificate_that_is_not_ready_is_pending(scm: Customer, code: int) -> None:
    scm.set(pending_code=code)

    assert refused(scm.get(f"/ssl/v1/collect/{scm.enroll()}/x509"), code)


def test_the_pending_answer_has_scms_own_words(scm: Customer) -> None:
    answer = scm.get(f"/ssl/v1/collect/{scm.enroll()}")

    assert answer.json() == {"code": 0, "description": "Being processed by Sectigo"}
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"


def test_an_issued_certificate_may_not_be_collectable_yet(scm: Customer) -> None:
    scm.set(collect_lag_ms=3_600_000)
    ssl_id = scm.issued()

    assert scm.details(ssl_id)["status"] == "Issued"
    assert refused(scm.get(f"/ssl/v1/collect/{ssl_id}"), 0)


def test_the_ca_issues_by_itself_after_a_while(scm: Customer) -> None:
    scm.set(issue_after_ms=50)
    ssl_id = scm.enroll()

    deadline = time.monotonic() + 10
    while scm.details(ssl_id)["status"] != "Issued":
        assert time.monotonic() < deadline

    assert scm.get(f"/ssl/v1/collect/{ssl_id}").status_code == 200


def test_what_cannot_be_collected_says_why(scm: Customer) -> None:
    revoked, rejected, expired = scm.issued(), scm.enroll(), scm.issued()
    scm.post(f"/ssl/v1/revoke/{revoked}", {"reasonCode": 4, "reason": "superseded"})
    scm.deed(rejected, "reject")
    scm.deed(expired, "expire")

    assert refused(scm.get(f"/ssl/v1/collect/{revoked}"), -110)
    assert refused(scm.get(f"/ssl/v1/collect/{rejected}"), -130)
    assert scm.get(f"/ssl/v1/collect/{expired}").status_code == 200
    assert refused(scm.get(f"/ssl/v1/collect/{expired}/x509XX"), -126)
    assert refused(scm.get("/ssl/v1/collect/1"), -5101, status=404)

"""Tests of the client `cert-manager`, in production at universities, against the simulator."""

from pathlib import Path
from typing import Any

import pytest
import requests
from cert_manager import (  # type: ignore[import-untyped, unused-ignore]  # it has no types
    SSL,
    Client,
    PendingError,
    Report,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7

from certline.simulator.http.login import TOKEN_PATH
from certline.simulator.server import Simulator
from tests.integration.strangers.conftest import TIMEOUT, Door
from tests.unit.simulator.customer import SHOP, csr

PROFILE = "OV Multi-Domain SSL"
ROOT, ISSUING = "Example Simulated Root", "Example OV TLS CA"


def enrolled(client: Any, **changes: Any) -> int:
    order = {
        "cert_type_name": PROFILE,
        "csr": csr(),
        "term": 199,
        "org_id": 9102,
        "subject_alt_names": [SHOP, f"www.{SHOP}"],
        **changes,
    }
    return int(SSL(client=client).enroll(**order)["sslId"])


def names(certificates: list[x509.Certificate]) -> list[str]:
    common = x509.NameOID.COMMON_NAME
    return [str(c.subject.get_attributes_for_oid(common)[0].value) for c in certificates]


def test_it_knows_the_profiles_and_the_custom_fields(client: Any) -> None:
    ssl = SSL(client=client)

    assert ssl.types[PROFILE] == {"id": 21790, "terms": [90, 199]}
    assert ssl.custom_fields[0] == {"id": 611, "name": "CostCentre", "mandatory": False}


def test_it_orders_and_reads_a_certificate(client: Any) -> None:
    ssl_id = enrolled(
        client,
        external_requester="team@nordhafen.example",
        custom_fields=[{"name": "CostCentre", "value": "4711"}],
    )

    details = SSL(client=client).get(ssl_id)

    assert details["status"] == "Issued"
    assert details["subjectAlternativeNames"] == [SHOP, f"www.{SHOP}"]
    assert details["comments"].startswith("Enrolled by cert_manager/")
    assert details["customFields"] == [{"name": "CostCentre", "value": "4711"}]


def test_it_orders_without_alternative_names_by_sending_null(client: Any) -> None:
    ssl_id = enrolled(client, subject_alt_names=None)

    assert SSL(client=client).get(ssl_id)["subjectAlternativeNames"] == [SHOP]


def test_it_lists_and_counts_over_pages(client: Any) -> None:
    ids = [enrolled(client) for _ in range(5)]
    ssl = SSL(client=client)

    # An exactly full last page makes it request one more.
    assert [row["sslId"] for row in ssl.list(size=5)] == ids
    assert [row["sslId"] for row in ssl.list(size=2, status="Issued")] == ids
    assert ssl.count(status="Issued") == 5
    assert ssl.count(status="Revoked") == 0


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("x509", [ROOT, ISSUING, SHOP]),
        ("x509CO", [SHOP]),
        ("x509IO", [ROOT, ISSUING]),
        ("x509IOR", [ISSUING, ROOT]),
        ("pem", [ROOT, ISSUING, SHOP]),
        ("pemco", [SHOP]),
        ("pemia", [SHOP, ISSUING]),
    ],
)
def test_it_collects_pem(client: Any, form: str, expected: list[str]) -> None:
    text = SSL(client=client).collect(enrolled(client), form)

    assert names(x509.load_pem_x509_certificates(text.encode())) == expected


def test_it_collects_pkcs7_with_armour(client: Any) -> None:
    text = SSL(client=client).collect(enrolled(client), "base64")

    found = pkcs7.load_pem_pkcs7_certificates(text.encode())
    assert sorted(names(found)) == sorted([ROOT, ISSUING, SHOP])


def test_its_binary_collect_fails_as_it_would_at_scm(client: Any) -> None:
    # It decodes every body as text in the response's charset; DER in UTF-8 cannot be read.
    with pytest.raises(UnicodeDecodeError):
        SSL(client=client).collect(enrolled(client), "bin")


def test_it_knows_no_leaf_first_format_and_no_other(client: Any) -> None:
    assert set(SSL.valid_formats) | {"x509R"} == {
        *("x509", "x509CO", "x509IO", "x509IOR", "x509R", "base64", "bin", "pem", "pemco", "pemia")
    }
    with pytest.raises(ValueError, match="Invalid cert format"):
        SSL(client=client).collect(1, "x509R")


def test_it_waits_for_a_certificate_that_is_not_issued(client: Any, door: Door) -> None:
    door("/settings", {"issue_after_ms": 3_600_000})

    with pytest.raises(PendingError):
        SSL(client=client).collect(enrolled(client), "x509CO")


def test_it_renews_only_where_a_bare_text_is_still_a_body(client: Any, door: Door) -> None:
    ssl = SSL(client=client)
    old = enrolled(client)

    door("/settings", {"strict_renew_body": True})
    with pytest.raises(requests.HTTPError) as strict:
        ssl.renew(old)
    door("/settings", {"strict_renew_body": False})
    new = ssl.renew(old)["sslId"]

    assert strict.value.response.json()["code"] == -1002
    assert new > old
    assert ssl.get(old)["renewed"] is True
    assert ssl.get(new)["status"] == "Issued"


def test_it_replaces_a_certificate_under_the_same_id(client: Any) -> None:
    ssl = SSL(client=client)
    ssl_id = enrolled(client)
    before = ssl.get(ssl_id)["serialNumber"]

    answer = ssl.replace(
        cert_id=ssl_id,
        csr=csr(),
        common_name=SHOP,
        reason="key moved",
        subject_alt_names=f"{SHOP},new.{SHOP}",
    )

    assert answer == {}
    after = ssl.get(ssl_id)
    assert after["serialNumber"] != before
    assert after["subjectAlternativeNames"] == [SHOP, f"new.{SHOP}"]


def test_its_blank_reason_for_a_replacement_is_refused(client: Any) -> None:
    # Its documentation allows a blank one; SCM's requires one character at least.
    with pytest.raises(requests.HTTPError) as refused:
        SSL(client=client).replace(cert_id=enrolled(client), csr=csr(), common_name=SHOP, reason="")

    assert refused.value.response.json()["code"] == -7


def test_it_revokes_a_certificate_once(client: Any) -> None:
    ssl = SSL(client=client)
    ssl_id = enrolled(client)

    assert ssl.revoke(ssl_id, "no longer used") == {}

    assert ssl.get(ssl_id)["status"] == "Revoked"
    with pytest.raises(requests.HTTPError) as again:
        ssl.revoke(ssl_id, "no longer used")
    assert again.value.response.json()["code"] == -102


def test_it_reads_the_report(client: Any) -> None:
    ssl_id = enrolled(client)
    report = Report(client=client)

    found = report.get_ssl_certs(certificateStatus=2, certificateDateAttribute=4)

    assert found["statusCode"] == 0
    assert [row["id"] for row in found["reports"]] == [ssl_id]
    with pytest.raises(ValueError, match="certificateStatus"):
        report.get_ssl_certs(certificateStatus=9)


def test_it_logs_in_by_token_and_is_lost_when_that_ends(scm: Simulator, door: Door) -> None:
    token_url = scm.url.removesuffix("/api") + TOKEN_PATH
    keys = {"client_id": "admin", "client_secret": "secret"}
    client = Client(auth_url=token_url, base_url=scm.url, **keys)
    assert SSL(client=client).count() == 0

    door("/settings", {"token_life_s": 0})
    late = Client(auth_url=token_url, base_url=scm.url, **keys)
    with pytest.raises(requests.HTTPError) as ended:
        SSL(client=late).count()

    assert ended.value.response.status_code == 401
    assert ended.value.response.headers["WWW-Authenticate"] == token_url
    client.session.close()
    late.session.close()


@pytest.mark.usefixtures("door")
def test_it_logs_in_by_client_certificate(scm: Simulator, tmp_path: Path) -> None:
    # Over plain HTTP no certificate is requested: the path alone says that there was one.
    files = [tmp_path / "admin.crt", tmp_path / "admin.key"]
    for file in files:
        file.touch()
    with requests.Session() as session:
        client = Client(
            base_url=scm.url.removesuffix("/api") + "/private/api",
            login_uri="demo",
            username="admin",
            cert_auth=True,
            user_crt_file=str(files[0]),
            user_key_file=str(files[1]),
            session=session,
        )

        assert SSL(client=client).count() == 0


@pytest.mark.usefixtures("door")
def test_it_is_refused_without_the_right_password(scm: Simulator) -> None:
    with requests.Session() as session:
        stranger = Client(
            base_url=scm.url, login_uri="demo", username="admin", password="x", session=session
        )
        with pytest.raises(requests.HTTPError) as refused:
            SSL(client=stranger).get(1)

    assert refused.value.response.json() == {"code": -16, "description": "Unknown user"}
    assert requests.get(f"{scm.door}/health", timeout=TIMEOUT).ok

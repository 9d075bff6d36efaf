"""Tests of the list of certificates: rows, pages, filters."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.unit.simulator.customer import (
    EC_ONLY,
    SHOP,
    Customer,
    csr,
    refused,
)


def found(scm: Customer, **query: Any) -> list[int]:
    return [row["sslId"] for row in scm.get("/ssl/v1", **query).json()]


def test_a_row_has_no_key_without_a_value(scm: Customer) -> None:
    applied, issued = scm.enroll(), scm.issued()

    rows = scm.get("/ssl/v1").json()

    assert rows[0] == {"sslId": applied, "commonName": SHOP}
    assert rows[1] == {
        "sslId": issued,
        "commonName": SHOP,
        "subjectAlternativeNames": [SHOP],
        "serialNumber": scm.details(issued)["serialNumber"],
    }


def test_the_list_comes_by_pages_of_twelve(scm: Customer) -> None:
    ids = [scm.enroll() for _ in range(15)]

    first, second = scm.get("/ssl/v1"), scm.get("/ssl/v1", position=12)

    assert [row["sslId"] for row in first.json() + second.json()] == ids
    assert first.headers["X-Total-Count"] == second.headers["X-Total-Count"] == "15"
    assert scm.get("/ssl/v1", size=5, position=15).json() == []
    assert refused(scm.get("/ssl/v1", size=-1), -1601)
    assert refused(scm.get("/ssl/v1", size="many"), -1601)


def test_head_tells_only_how_many(scm: Customer) -> None:
    scm.issued()
    scm.enroll()

    answer = scm.call("HEAD", "/ssl/v1", params={"status": "Issued"})

    assert answer.headers["X-Total-Count"] == "1"
    assert answer.content == b""
    assert scm.door("GET", "/calls").json()["HEAD /ssl/v1"] == 1


FILTERS: list[dict[str, Any]] = [
    {"commonName": "mail"},
    {"subjectAlternativeName": "smtp"},
    {"status": "ISSUED"},
    {"sslTypeId": EC_ONLY},
    {"orgId": 9101},
    {"externalRequester": "post@"},
    {"signatureAlgorithm": "SHA256WITHECDSA"},
    {"keyUsage": "digitalSignature"},
    {"extendedKeyUsage": "serverAuth"},
    {"renewalStatus": "SCHEDULED"},
    {"keyParam": "P-256"},
    {"keySize": 256},
    {"keyAlgorithm": "EC", "vendor": "Sectigo Limited", "requestedVia": "REST"},
]


@pytest.mark.parametrize("query", FILTERS, ids="-".join)
def test_a_filter_finds_what_it_names_and_nothing_else(
    scm: Customer, query: dict[str, Any]
) -> None:
    scm.enroll(csr=csr(key=rsa.generate_private_key(65537, 2048)))
    mail = scm.issued(
        csr=csr("mail.nordhafen.example"),
        subjAltNames="smtp.nordhafen.example",
        certType=EC_ONLY,
        orgId=9101,
        externalRequester="post@nordhafen.example",
    )
    renewal = {"state": "Scheduled", "daysBeforeExpiration": 20}
    scm.call("PUT", "/ssl/v1", json={"sslId": mail, "autoRenewDetails": renewal})

    assert found(scm, **query) == [mail]


def test_a_certificate_is_found_by_its_serial_and_its_hashes(scm: Customer) -> None:
    scm.issued()
    wanted = scm.issued()
    details = scm.details(wanted)

    assert found(scm, serialNumber=details["serialNumber"]) == [wanted]
    assert found(scm, serialNumber=details["serialNumber"].replace(":", "").lower()) == [wanted]
    for name in ("md5Hash", "sha1Hash", "sha256Hash"):
        assert found(scm, **{name: details["certificateDetails"][name]}) == [wanted]


def test_comments_cannot_be_searched(scm: Customer) -> None:
    scm.enroll(comments="one")

    assert len(found(scm, comments="other")) == 1


def test_a_status_is_known_or_refused(scm: Customer) -> None:
    scm.enroll()

    assert found(scm, status="SA Approved") == []
    assert found(scm, status="Unmanaged") == []
    assert refused(scm.get("/ssl/v1", status="Lost"), -1601)


def test_filters_can_be_exact_and_the_newest_first(scm: Customer) -> None:
    first, second = scm.enroll(), scm.enroll()
    scm.set(exact_filters=True, newest_first=True)

    assert found(scm, commonName="shop") == []
    assert found(scm, commonName=SHOP) == [second, first]


def test_the_list_may_lag_behind_the_details(scm: Customer) -> None:
    scm.set(list_lag_ms=3_600_000)
    ssl_id = scm.enroll()

    assert found(scm) == []
    assert scm.details(ssl_id)["status"] == "Applied"


def test_an_unknown_certificate_is_not_found(scm: Customer) -> None:
    assert refused(scm.get("/ssl/v1/1"), -5101, status=404)

    scm.set(unknown_id_status=400, unknown_id_code=-124)

    assert refused(scm.get("/ssl/v1/1"), -124)


def test_dates_come_as_asked(scm: Customer) -> None:
    ssl_id = scm.enroll()

    def requested(form: str) -> str:
        return str(scm.get(f"/ssl/v1/{ssl_id}", dateFormat=form).json()["requested"])

    iso = requested("iso_hms")
    year, month, day = iso[:10].split("-")
    assert iso.endswith("Z")
    assert len(iso) == len("2026-04-14T09:12:33.418Z")
    assert requested("ISO") == iso[:10]
    assert requested("yyyyMMdd") == f"{year}{month}{day}"
    assert scm.details(ssl_id)["requested"] == f"{month}/{day}/{year}"
    assert refused(scm.get(f"/ssl/v1/{ssl_id}", dateFormat="whenever"), -1601)

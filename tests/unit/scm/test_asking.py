"""Tests of requests to SCM, as they are written on the wire."""

from collections.abc import Callable
from dataclasses import fields
from datetime import date
from urllib.parse import parse_qsl, urlsplit

import pytest

from certline.workers.scm import (
    AutoRenew,
    CertificateFilter,
    Garbled,
    LoginRefused,
    NotFound,
    ReportDate,
    ReportQuery,
    ReportStatus,
    RequestSource,
    RevocationReason,
    ScmClient,
    ScmStatus,
)
from certline.workers.scm.api.certificates import parameters
from tests.unit.scm.conftest import Connect
from tests.unit.scm.odd_server import OddServer, as_json, http

DONE = http("204 No Content")


@pytest.mark.parametrize(
    ("call", "target", "body"),
    [
        (
            lambda scm: scm.replace(7, "MIIC", "moved", common_name="a.example", sans=["a", "b"]),
            "POST /api/ssl/v1/replace/7",
            {
                "csr": "MIIC",
                "reason": "moved",
                "commonName": "a.example",
                "subjectAlternativeNames": ["a", "b"],
            },
        ),
        (
            lambda scm: scm.replace(7, "MIIC", "moved"),
            "POST /api/ssl/v1/replace/7",
            {"csr": "MIIC", "reason": "moved"},
        ),
        (
            lambda scm: scm.revoke(7, RevocationReason.SUPERSEDED, "by 8"),
            "POST /api/ssl/v1/revoke/7",
            {"reasonCode": 4, "reason": "by 8"},
        ),
        (
            lambda scm: scm.revoke_by_serial("abc12", RevocationReason.KEY_COMPROMISE, "leaked"),
            "POST /api/ssl/v1/revoke/serial/0A:BC:12",
            {"reasonCode": 1, "reason": "leaked"},
        ),
        (
            lambda scm: scm.revoke_by_serial("00:ab:CD", RevocationReason.UNSPECIFIED, "x"),
            "POST /api/ssl/v1/revoke/serial/00:AB:CD",
            {"reasonCode": 0, "reason": "x"},
        ),
        (lambda scm: scm.approve(7, "fine"), "POST /api/ssl/v1/approve/7", {"message": "fine"}),
        (lambda scm: scm.decline(7, "no"), "POST /api/ssl/v1/decline/7", {"message": "no"}),
    ],
)
def test_a_change_is_sent_as_documented(
    call: Callable[[ScmClient], object], target: str, body: object, connect: Connect
) -> None:
    with OddServer([DONE]) as server:
        call(connect(server))

        assert server.seen[0].target == target
        assert server.seen[0].json() == body


@pytest.mark.parametrize("serial", ["", "xyz", "0A:B", "../7", "0A:BC/..", ":", "٣"])
def test_what_is_no_serial_number_is_not_sent(serial: str, connect: Connect) -> None:
    with OddServer([DONE]) as server:
        with pytest.raises(ValueError, match="serial number"):
            connect(server).revoke_by_serial(serial, RevocationReason.UNSPECIFIED, "x")

        assert server.seen == []


def test_a_renewal_brings_a_csr_and_answers_the_successor(connect: Connect) -> None:
    with OddServer([as_json("200 OK", {"sslId": 8})]) as server:
        assert connect(server).renew(7, "MIIC") == 8

        assert server.seen[0].target == "POST /api/ssl/v1/renewById/7"
        assert server.seen[0].json() == {"csr": "MIIC"}


def test_an_update_sends_what_changes_and_answers_the_record(connect: Connect) -> None:
    record = {
        "sslId": 7,
        "status": "Issued",
        "comments": "",
        "autoRenewDetails": {"state": "Scheduled", "daysBeforeExpiration": 20},
    }
    with OddServer([as_json("200 OK", record)]) as server:
        scm = connect(server)
        found = scm.update(7, comments="", auto_renew=AutoRenew(scheduled=True, days=20))
        scm.update(7, external_requester="a@x.example", auto_renew=AutoRenew(scheduled=False))

        assert server.seen[0].target == "PUT /api/ssl/v1"
        assert [seen.json() for seen in server.seen] == [
            {
                "sslId": 7,
                "comments": "",
                "autoRenewDetails": {"state": "Scheduled", "daysBeforeExpiration": 20},
            },
            {
                "sslId": 7,
                "externalRequester": "a@x.example",
                "autoRenewDetails": {"state": "Not scheduled"},
            },
        ]
    assert (found.auto_renew_state, found.auto_renew_days) == ("Scheduled", 20)


def test_an_update_of_another_certificate_is_not_believed(connect: Connect) -> None:
    with OddServer([as_json("200 OK", {"sslId": 8})]) as server, pytest.raises(Garbled):
        connect(server).update(7, comments="x")


# The parameters of GET /ssl/v1 that SCM documents, without those of paging.
FILTERS = """
commonName subjectAlternativeName status sslTypeId orgId vendor issuer serialNumber requester
externalRequester signatureAlgorithm keyAlgorithm keyParam keySize sha1Hash md5Hash sha256Hash
keyUsage extendedKeyUsage installStatus renewalStatus requestedVia discoveryStatus
"""


def test_the_filter_has_all_parameters_of_scm() -> None:
    everything = CertificateFilter(*("x" for _ in fields(CertificateFilter)))  # type: ignore[arg-type]

    assert list(parameters(everything)) == FILTERS.split()
    assert parameters(CertificateFilter(common_name="")) == {}


def test_a_list_is_asked_for_with_its_filter(connect: Connect) -> None:
    wanted = CertificateFilter(common_name="a&b.example", status=ScmStatus.SA_APPROVED, org_id=9102)
    rows = [{"sslId": 5, "commonName": "a.example"}, {"sslId": 6, "serialNumber": "0A:BC"}]
    with OddServer([as_json("200 OK", rows)]) as server:
        found = connect(server).certificates(wanted)

        method, _, target = server.seen[0].target.partition(" ")
        assert (method, urlsplit(target).path) == ("GET", "/api/ssl/v1")
        assert dict(parse_qsl(urlsplit(target).query)) == {
            "commonName": "a&b.example",
            "status": "SAApproved",
            "orgId": "9102",
            "size": "200",
            "position": "0",
        }
    assert [(row.ssl_id, row.serial_number) for row in found] == [(5, None), (6, "abc")]


def test_counting_asks_for_the_head_alone(connect: Connect) -> None:
    with OddServer([http("200 OK", length=999, headers=("X-Total-Count: 57",))]) as server:
        assert connect(server).count_certificates(CertificateFilter(org_id=5)) == 57

        assert server.seen[0].target == "HEAD /api/ssl/v1?orgId=5"


@pytest.mark.parametrize("status", ["404 Not Found", "405 Method Not Allowed", "501 No"])
def test_a_host_without_head_is_asked_for_a_page_of_one(status: str, connect: Connect) -> None:
    page = http("200 OK", b"[]", headers=("X-Total-Count: 57",))
    with OddServer([http(status), page]) as server:
        assert connect(server).count_certificates() == 57

        assert server.seen[1].target == "GET /api/ssl/v1?size=1&position=0"


@pytest.mark.parametrize("total", ["", "many", "-1", "9" * 50])
def test_without_a_total_nothing_is_counted(total: str, connect: Connect) -> None:
    answer = http("200 OK", headers=(f"X-Total-Count: {total}",))
    with OddServer([answer]) as server, pytest.raises(Garbled, match="X-Total-Count"):
        connect(server).count_certificates()


def test_a_refused_login_is_not_asked_again_for_a_count(connect: Connect) -> None:
    with OddServer([http("401 Unauthorized")]) as server:
        with pytest.raises(LoginRefused):
            connect(server).count_certificates()

        assert len(server.seen) == 1


def test_a_report_is_asked_for_with_numbers_and_days(connect: Connect) -> None:
    query = ReportQuery(
        start=date(2026, 4, 13),
        end=date(2026, 4, 16),
        about=ReportDate.REQUEST,
        status=ReportStatus.ISSUED,
        organization_ids=(9102,),
        common_name="shop.nordhafen.example",
        source=RequestSource.REST,
    )
    with OddServer([as_json("200 OK", {"statusCode": 0, "reports": []})]) as server:
        scm = connect(server)
        assert scm.ssl_report(query) == []
        scm.ssl_report(ReportQuery())

        assert server.seen[0].target == "POST /api/report/v1/ssl-certificates?output_type=buffered"
        assert [seen.json() for seen in server.seen] == [
            {
                "from": "2026-04-13",
                "to": "2026-04-16",
                "certificateDateAttribute": 4,
                "certificateStatus": 2,
                "certificateRequestSource": 12,
                "organizationIds": [9102],
                "commonName": "shop.nordhafen.example",
            },
            {"certificateStatus": 0},
        ]


def test_validations_are_asked_for_in_the_version_that_the_host_has(connect: Connect) -> None:
    rows = as_json("200 OK", [{"domain": "a.example", "dcvStatus": "VALIDATED"}])
    with OddServer([http("404 Not Found", b"<html>"), rows]) as server:
        found = connect(server).validations(org_id=9101, expires_within_days=30)

        where = "?org=9101&expiresIn=30&size=200&position=0"
        assert [seen.target for seen in server.seen[:2]] == [
            f"GET /api/dcv/v1/validation{where}",
            f"GET /api/dcv/v2/validation{where}",
        ]
    assert [row.domain for row in found] == ["a.example"]


def test_other_trouble_with_validations_is_told(connect: Connect) -> None:
    with OddServer([http("404 Not Found")]) as server:
        with pytest.raises(NotFound):
            connect(server).validations()

        assert len(server.seen) == 2

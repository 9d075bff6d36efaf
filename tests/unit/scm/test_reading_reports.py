"""Tests of parsing rows of SCM's report; one that may be incomplete is rejected."""

from datetime import UTC, datetime

import pytest

from certline.workers.scm import Garbled, ReportQuery, ScmStatus
from certline.workers.scm.api import parser
from tests.unit.scm.conftest import Connect
from tests.unit.scm.odd_server import OddServer, ok
from tests.unit.scm.records import DETAILS

REPORTED = {
    "id": 18440127,
    "type": "OV Multi-Domain SSL",
    "typeId": 21790,
    "orgId": 9102,
    "commonName": "shop.nordhafen.example",
    "subjAltNames": "shop.nordhafen.example; www.shop.nordhafen.example",
    "status": "Issued",
    "orderNumber": 2907713345,
    "comments": "[certline:01JQ8Z5N3V7K]",
    "requested": "2026-04-14T09:12:33.418Z",
    "approved": "2026-04-14T11:12:33.418+02:00",
    "expires": "10/30/2026",
    "revoked": "",
    "serialNumber": "C910E",
    "customFields": [{"name": "CostCentre", "value": "4711"}],
}


def test_a_report_has_names_comments_and_moments(connect: Connect) -> None:
    with OddServer([ok({"statusCode": 0, "reports": [REPORTED]})]) as server:
        (row,) = connect(server).ssl_report(ReportQuery())

    assert (row.ssl_id, row.state, row.profile_id) == (18440127, ScmStatus.ISSUED, 21790)
    assert row.sans == ("shop.nordhafen.example", "www.shop.nordhafen.example")
    assert row.comments == "[certline:01JQ8Z5N3V7K]"
    assert row.requested == datetime(2026, 4, 14, 9, 12, 33, 418_000, UTC)
    assert row.approved == row.requested
    assert row.expires == datetime(2026, 10, 30, tzinfo=UTC)
    assert row.revoked is None
    assert row.serial_number == parser.details(DETAILS).serial_number
    assert row.custom_fields == (("CostCentre", "4711"),)


@pytest.mark.parametrize(
    "answer", [{"statusCode": 5, "reports": []}, {}, {"reports": [{"commonName": "a"}]}, []]
)
def test_a_report_that_may_lack_rows_is_garbled(answer: object, connect: Connect) -> None:
    with OddServer([ok(answer)]) as server, pytest.raises(Garbled):
        connect(server).ssl_report(ReportQuery())

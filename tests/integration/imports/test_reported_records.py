"""Tests that SCM's report stands in for the details of new records where it can, and nowhere else."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import ImportRun, Order, OrderStatus, ReportedRecord
from certline.workers.importing import scm_report
from tests.integration.imports.conftest import DETAILS, LIST, Estate

REPORT = "POST /report/v1/ssl-certificates"
PATH = "/report/v1/ssl-certificates"
# Kept apart: when they were stored, and what is random.
OWN = {"id", "line_id", "certificate_id", "predecessor_id", "reference"}
OWN |= {"updated_at", "issued_at", "next_poll_at"}


class Killed(BaseException):
    """The end of the worker's process."""


@pytest.fixture(autouse=True)
def worth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the report read for a few records too."""
    monkeypatch.setattr(scm_report, "WORTH", 1)


def report(estate: Estate) -> list[dict[str, Any]]:
    """Return the rows of SCM's report."""
    asked = {"certificateStatus": 0}
    rows: list[dict[str, Any]] = estate.by_a_stranger(
        "POST", f"{PATH}?output_type=buffered", asked
    )["reports"]
    return rows


def have_reported(estate: Estate, change: Callable[[dict[str, Any]], Any]) -> None:
    """Have SCM report its rows changed by this function; a row for which it returns None is left out."""
    rows = [row for row in map(change, report(estate)) if row is not None]
    body = json.dumps({"statusCode": 0, "reports": rows})
    estate.fault("POST", f"{PATH}$", "status", status=200, body=body, times=None)


def facts_of(order: Order) -> dict[str, Any]:
    """Return the columns of an order that come from SCM."""
    columns = [column.name for column in Order.__table__.columns if column.name not in OWN]
    facts = {name: getattr(order, name) for name in columns}
    facts["created_at"] = order.created_at.date()  # SCM's day, or else the time of the import
    if order.status is not OrderStatus.STORED:
        del facts["scm_renewed"]  # of a certificate that has ended nobody asks
    return facts


def in_twos(estate: Estate) -> list[int]:
    """Order two certificates with the same names, the older of which is renewed. Returns their sslIds."""
    older = estate.order_by_a_stranger()
    return [older, estate.renewed_by_a_stranger(older)]


def test_orders_that_are_read_from_the_report_are_stored_as_from_their_details(
    estate: Estate,
) -> None:
    result = estate.take_in()
    by_report, details = estate.orders(), estate.calls(DETAILS)
    with estate.database.transaction() as db:
        for order in db.scalars(select(Order)):
            order.certificate_id = None
        db.flush()
        for table in ("certificate", "webhook", '"order"', "command"):
            db.connection().exec_driver_sql(f"TRUNCATE {table} CASCADE")
    estate.fault("POST", f"{PATH}$", "status", status=403, times=None)

    again = estate.take_in()

    assert estate.calls(DETAILS) - details == 50
    # Those that end soon, are renewed by SCM, were ordered over ACME, or are older than another with their names.
    assert details < 25
    assert again == result
    assert estate.orders().keys() == by_report.keys()
    for scm_id, order in estate.orders().items():
        assert facts_of(order) == facts_of(by_report[scm_id])


def test_a_record_that_the_list_shows_otherwise_is_read_from_its_details(empty: Estate) -> None:
    serial, names, sound = (empty.order_by_a_stranger(f"n{n}.nordhafen.example") for n in range(3))

    def change(row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] == serial:
            return row | {"serialNumber": "ABC"}
        if row["id"] == names:
            return row | {"subjAltNames": f"{row['subjAltNames']}; more.nordhafen.example"}
        return row

    have_reported(empty, change)

    result = empty.take_in()

    assert result["stored"] == 3
    assert empty.calls(DETAILS) == 2
    assert empty.orders()[names].sans == []
    assert sound in empty.orders()


@pytest.mark.parametrize(
    "field",
    ["typeId", "type", "orgId", "term", "requester", "requested", "expires", "publicKeyType"],
)
def test_a_record_of_which_the_report_lacks_a_field_is_read_from_its_details(
    empty: Estate, field: str
) -> None:
    lacking = empty.order_by_a_stranger("lacking.nordhafen.example")
    empty.order_by_a_stranger("whole.nordhafen.example")
    have_reported(
        empty,
        lambda row: {
            key: value for key, value in row.items() if key != field or row["id"] != lacking
        },
    )

    assert empty.take_in()["stored"] == 2
    assert empty.calls(DETAILS) == 1


def test_a_row_that_cannot_be_read_concerns_its_record_only(empty: Estate) -> None:
    odd = empty.order_by_a_stranger("odd.nordhafen.example")
    empty.order_by_a_stranger("whole.nordhafen.example")
    have_reported(empty, lambda row: row | {"term": "long"} if row["id"] == odd else row)

    assert empty.take_in()["stored"] == 2
    assert empty.calls(DETAILS) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 501, 200])
def test_an_import_goes_on_without_a_report_that_scm_refuses_and_says_so(
    empty: Estate, status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = {empty.order_by_a_stranger(f"n{n}.nordhafen.example") for n in range(3)}
    empty.fault("POST", f"{PATH}$", "status", status=status, body="<h1>no</h1>", times=None)

    result = empty.take_in()

    assert (result["stored"], empty.calls(DETAILS)) == (3, 3)
    assert empty.orders().keys() == ids
    assert "import.report_unusable" in caplog.text + capsys.readouterr().out


def test_an_order_that_the_report_does_not_show_yet_is_read_from_its_details(empty: Estate) -> None:
    empty.order_by_a_stranger("old.nordhafen.example")
    late = empty.order_by_a_stranger("late.nordhafen.example")
    have_reported(empty, lambda row: None if row["id"] == late else row)

    assert empty.take_in()["stored"] == 2
    assert empty.calls(DETAILS) == 1


def test_a_renewal_shares_the_line_although_the_report_does_not_know_what_was_renewed(
    empty: Estate,
) -> None:
    older, newer = in_twos(empty)

    result = empty.take_in()

    orders = empty.orders()
    assert result["stored"] == 2
    assert orders[older].line_id == orders[newer].line_id
    assert orders[older].scm_renewed
    assert empty.calls(DETAILS) == 1  # of the older one


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_renewal_that_the_report_does_not_show_yet_shares_the_line(
    empty: Estate, monkeypatch: pytest.MonkeyPatch, newest_first: bool
) -> None:
    monkeypatch.setattr("certline.models.imports.progress.BATCH", 1)
    older, newer = in_twos(empty)
    have_reported(empty, lambda row: None if row["id"] == newer else row)
    empty.settings(newest_first=newest_first)

    result = empty.take_in()

    orders = empty.orders()
    assert result["stored"] == 2
    assert orders[older].line_id == orders[newer].line_id
    assert orders[older].scm_renewed


def test_a_certificate_revoked_after_the_report_is_stored_as_revoked(empty: Estate) -> None:
    scm_id = empty.order_by_a_stranger()
    have_reported(empty, lambda row: row)
    empty.by_a_stranger("POST", f"/ssl/v1/revoke/{scm_id}", {"reasonCode": 4, "reason": "left"})

    result = empty.take_in()

    assert (result["closed"], result["failed"]) == (1, 0)
    assert empty.orders()[scm_id].scm_status == "Revoked"


def test_what_scm_renews_by_itself_is_read_from_its_details(empty: Estate) -> None:
    scheduled = empty.order_by_a_stranger("a.nordhafen.example")
    empty.order_by_a_stranger("b.nordhafen.example")
    body = {"sslId": scheduled, "autoRenewDetails": {"state": "Scheduled"}}
    empty.by_a_stranger("PUT", "/ssl/v1", body)

    empty.take_in()

    assert empty.calls(DETAILS) == 1
    assert empty.orders()[scheduled].scm_auto_renew


def test_what_ends_soon_is_read_from_its_details(empty: Estate) -> None:
    soon = empty.order_by_a_stranger("a.nordhafen.example")
    empty.order_by_a_stranger("b.nordhafen.example")
    end = (datetime.now(UTC) + timedelta(days=29)).isoformat()
    have_reported(empty, lambda row: row | {"expires": end} if row["id"] == soon else row)

    assert empty.take_in()["stored"] == 2
    assert empty.calls(DETAILS) == 1


def test_without_a_list_of_what_scm_renews_all_details_are_read(empty: Estate) -> None:
    for n in range(2):
        empty.order_by_a_stranger(f"n{n}.nordhafen.example")
    no = '{"code": -1601, "description": "renewalStatus has an invalid value"}'
    empty.fault("GET", "/ssl/v1$", "delay")  # the first page of the main list
    empty.fault("GET", "/ssl/v1$", "status", status=400, body=no)

    assert empty.take_in()["stored"] == 2
    assert empty.calls(DETAILS) == 2


def test_a_large_report_is_read_in_pieces_and_goes_on_after_a_break(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scm_report, "MOST_ROWS", 10)
    monkeypatch.setattr(scm_report, "SLICE", -1.0)

    result = estate.take_in()

    assert result["listed"] == 50
    assert estate.calls(REPORT) > 3
    assert estate.calls(DETAILS) < 25


def test_killed_while_it_reads_the_report_an_import_goes_on_at_that_piece(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scm_report, "MOST_ROWS", 10)
    note_piece, pieces = scm_report.note_piece, iter(range(100))

    def killed_in_the_third(*args: object, **named: object) -> None:
        if next(pieces) == 2:
            raise Killed
        note_piece(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(scm_report, "note_piece", killed_in_the_third)
    command = estate.ask()
    with pytest.raises(Killed):
        estate.run(command.id)
    pages, reports = estate.calls(LIST), estate.calls(REPORT)
    estate.run(command.id)  # RabbitMQ delivers its message once more
    estate.finish(command)

    assert (pages, reports) == (1, 3)
    assert len(estate.orders()) == 50
    assert estate.calls(DETAILS) < 25


def test_a_report_that_is_too_large_is_asked_for_in_smaller_pieces(estate: Estate) -> None:
    too_large = "[" * 100
    estate.fault("POST", f"{PATH}$", "status", status=200, body=too_large, times=2)

    assert estate.take_in()["listed"] == 50
    assert estate.calls(DETAILS) < 25


def test_nothing_of_the_report_is_kept_once_the_import_has_ended(estate: Estate) -> None:
    command = estate.ask()
    estate.finish(command)

    with estate.database.transaction() as db:
        assert db.scalars(select(ReportedRecord)).all() == []
        assert db.get_one(ImportRun, command.id).reported


def test_a_later_import_of_few_new_records_reads_no_report(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.take_in()
    reports = estate.calls(REPORT)
    monkeypatch.setattr(scm_report, "WORTH", 5)
    estate.order_by_a_stranger()

    assert estate.take_in()["stored"] == 1
    assert estate.calls(REPORT) == reports


def test_pieces_follow_one_another_without_a_gap() -> None:
    piece = scm_report.ReportPiece(scm_report.BEGINNING + timedelta(days=9_000), 32)
    for rows in (4_000, 0, 40_000, 3):
        following = piece.after(rows)
        assert following.end == piece.start
        assert 1 <= following.days <= piece.days * scm_report.GROWTH
        piece = following

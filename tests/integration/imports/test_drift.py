"""Tests of drift: changes made in SCM's own portal are noticed by an import and by the daily check."""

from typing import Any

import pytest

from certline.models import CertificateStatus, CommandType, OrderKind, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import ReissueCommand
from certline.producers.requests.certificates import request_successor
from certline.producers.requests.license import set_license
from certline.producers.schedule import poll_open
from tests.integration.imports.conftest import FLEET, Estate


@pytest.fixture
def taken(empty: Estate) -> tuple[Estate, int]:
    """Yield an imported certificate that others ordered at SCM, with its sslId."""
    scm_id = empty.order_by_a_stranger()
    assert empty.take_in()["stored"] == 1
    return empty, scm_id


def revoke(estate: Estate, scm_id: int) -> None:
    body = {"reasonCode": 1, "reason": "lost"}
    estate.by_a_stranger("POST", f"/ssl/v1/revoke/{scm_id}", body)


def schedule_renewal(estate: Estate, scm_id: int, state: str) -> None:
    body = {"sslId": scm_id, "autoRenewDetails": {"state": state}}
    estate.by_a_stranger("PUT", "/ssl/v1", body)


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_that_was_revoked_there_is_revoked_here(
    taken: tuple[Estate, int], *, known: bool
) -> None:
    estate, scm_id = taken
    revoke(estate, scm_id)

    result = estate.take_in(known=known)

    (certificate,) = estate.certificates()
    assert certificate.status is CertificateStatus.REVOKED
    assert certificate.revocation_reason == "key-compromise"
    assert (result["news"]["revoked"], result["updated"]) == (1, 1)
    (told,) = estate.told("certificate.revoked")
    assert told["scm_id"] == scm_id
    assert estate.take_in(known=known)["news"]["revoked"] == 0


def test_a_certificate_that_was_replaced_there_becomes_a_new_version_of_its_line(
    taken: tuple[Estate, int],
) -> None:
    estate, scm_id = taken
    estate.replaced_by_a_stranger(scm_id)

    result = estate.take_in()
    estate.go_on()

    old, new = estate.certificates()
    assert (old.scm_id, new.scm_id) == (scm_id, scm_id)
    assert (old.status, new.status) == (CertificateStatus.SUPERSEDED, CertificateStatus.ACTIVE)
    assert (new.line_id, new.supersedes_id, new.key_id) == (old.line_id, old.id, None)
    assert result["news"]["replaced"] == 1
    (told,) = estate.told("certificate.reissued")
    assert told["serial_number"] == new.serial_number
    again = estate.take_in()
    assert (again["known"], again["news"]["replaced"]) == (1, 0)


def test_a_certificate_that_was_replaced_while_it_was_held_is_stored_as_it_is_now(
    empty: Estate,
) -> None:
    scm_id = empty.order_by_a_stranger()
    set_license(empty.database, 0, requested_by=Identity("os:ida"))
    empty.take_in()
    empty.replaced_by_a_stranger(scm_id)

    set_license(empty.database, 1, requested_by=Identity("os:ida"))
    empty.go_on()

    (certificate,) = empty.certificates()
    (row,) = empty.by_a_stranger("GET", "/ssl/v1")
    shown = row["serialNumber"].replace(":", "").lower().lstrip("0")
    assert certificate.serial_number == shown
    assert empty.orders()[scm_id].scm_serial == shown


def test_an_order_that_was_revoked_there_while_it_was_held_is_cancelled(empty: Estate) -> None:
    scm_id = empty.order_by_a_stranger()
    set_license(empty.database, 0, requested_by=Identity("os:ida"))
    empty.take_in()
    revoke(empty, scm_id)

    result = empty.take_in()

    assert empty.orders()[scm_id].status is OrderStatus.CANCELLED
    assert result["news"]["revoked"] == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_renewal_there_of_a_certificate_of_ours_takes_its_place(
    empty: Estate, *, known: bool
) -> None:
    command = empty.place()
    empty.go_on()
    ours = empty.order(command)
    new = empty.renewed_by_a_stranger(ours.scm_id or 0)
    set_license(empty.database, 1, requested_by=Identity("os:ida"))

    result = empty.take_in(known=known)
    empty.go_on()

    before, after = empty.certificates()
    assert (before.status, after.status) == (
        CertificateStatus.SUPERSEDED,
        CertificateStatus.ACTIVE,
    )
    assert (after.scm_id, after.line_id, after.key_id) == (new, before.line_id, None)
    assert before.key_id is not None
    assert (result["news"]["renewed"], result["news"]["new"]) == (1, 0)
    assert [told["scm_id"] for told in empty.told("certificate.renewed")] == [new]


def test_the_daily_look_counts_orders_that_are_not_here_and_takes_none_in(
    taken: tuple[Estate, int],
) -> None:
    estate, scm_id = taken
    estate.order_by_a_stranger("other.nordhafen.example")
    details = estate.counts()[1]

    result = estate.take_in(known=True)

    assert set(estate.orders()) == {scm_id}
    assert (result["new"], result["news"]["new"], result["known"]) == (1, 1, 1)
    assert estate.counts()[1] == details


def test_another_order_of_the_same_names_is_no_renewal_for_the_daily_look(
    taken: tuple[Estate, int],
) -> None:
    estate, scm_id = taken
    estate.order_by_a_stranger()

    result = estate.take_in(known=True)

    assert set(estate.orders()) == {scm_id}
    assert (result["new"], result["news"]["new"], result["news"]["renewed"]) == (1, 1, 0)


def test_that_scm_renews_a_certificate_by_itself_is_noted_and_forgotten_again(
    taken: tuple[Estate, int],
) -> None:
    estate, scm_id = taken
    schedule_renewal(estate, scm_id, "Scheduled")

    first = estate.take_in(known=True)
    noted = estate.orders()[scm_id].scm_auto_renew
    again = estate.take_in(known=True)
    schedule_renewal(estate, scm_id, "Not scheduled")
    estate.take_in(known=True)

    assert (first["news"]["auto_renew"], again["news"]["auto_renew"]) == (1, 0)
    assert noted
    assert not estate.orders()[scm_id].scm_auto_renew


def test_an_scm_that_does_not_list_what_it_renews_is_asked_for_the_rest(
    taken: tuple[Estate, int],
) -> None:
    estate, scm_id = taken
    schedule_renewal(estate, scm_id, "Scheduled")
    estate.take_in(known=True)
    revoke(estate, scm_id)
    no = '{"code": -1601, "description": "renewalStatus has an invalid value"}'
    estate.fault("GET", "/ssl/v1$", "delay", times=3)  # the list, the revoked, the replaced
    estate.fault("GET", "/ssl/v1$", "status", status=400, body=no)

    result = estate.take_in(known=True)

    assert result["news"]["revoked"] == 1
    assert estate.orders()[scm_id].scm_auto_renew


def test_a_refused_order_that_was_sent_again_there_is_put_before_a_person(empty: Estate) -> None:
    empty.settings(auto_approve=False)
    scm_id = empty.order_by_a_stranger()
    empty.decide(scm_id, "decline")
    empty.take_in()
    assert empty.orders()[scm_id].status is OrderStatus.REJECTED
    empty.by_a_stranger("PUT", "/ssl/v1", {"sslId": scm_id, "term": 90})

    empty.take_in(order=[scm_id])

    order = empty.orders()[scm_id]
    assert order.status is OrderStatus.REVIEW
    assert f"adopt {scm_id}" in (order.error or "")


def test_a_reissue_of_ours_that_is_on_its_way_is_left_alone(empty: Estate) -> None:
    command = empty.place()
    empty.go_on()
    (certificate,) = empty.certificates()
    wanted = ReissueCommand(certificate=certificate.id, reason="new server")
    asked = request_successor(
        empty.database, empty.line.vault, wanted, requested_by=Identity("os:ida")
    )
    empty.fault("POST", "/ssl/v1/replace/", "drop_after")
    empty.run(asked.command.id)

    result = empty.take_in()

    assert (result["left"], result["news"]["replaced"]) == (1, 0)
    assert len(empty.certificates()) == 1
    assert empty.order(asked.command).status is OrderStatus.SENDING
    assert empty.order(command).status is OrderStatus.STORED


def test_an_order_of_ours_whose_answer_was_lost_is_left_for_reconciling(empty: Estate) -> None:
    command = empty.place()
    empty.fault("POST", "/ssl/v1/enroll", "drop_after")
    empty.run(command.id)
    assert len(empty.orders_at_scm()) == 1

    result = empty.take_in()

    assert (result["left"], result["news"]["new"]) == (1, 0)
    order = empty.order(command)
    assert (order.status, order.kind, order.scm_id) == (OrderStatus.SENDING, OrderKind.NEW, None)
    assert empty.orders() == {}


def test_an_order_that_we_placed_is_known_and_never_doubled(empty: Estate) -> None:
    command = empty.place()
    empty.go_on()

    result = empty.take_in()

    assert (result["known"], result["stored"]) == (1, 0)
    assert [order.id for order in empty.orders().values()] == [empty.order(command).id]


def test_the_report_says_what_is_news_and_changes_nothing(estate: Estate) -> None:
    some = estate.ids_at_scm("Issued")[:9]
    estate.take_in(order=some)
    revoke(estate, some[0])
    scheduled = [each for each in some if estate.orders()[each].scm_auto_renew]
    before = (estate.counts()[1:], {each.id: each.status for each in estate.certificates()})

    result = estate.take_in(dry_run=True)

    assert (result["total"], result["known"]) == (FLEET, len(some))
    assert sum(result["new"].values()) == result["news"]["new"] == FLEET - len(some)
    assert result["new"]["Issued"] == len(estate.ids_at_scm("Issued")) - len(some) + 1
    assert [each["scm_id"] for each in result["named"]["revoked"]] == [some[0]]
    assert [each["scm_id"] for each in result["named"]["auto_renew"]] == scheduled
    assert (estate.counts()[1:], {e.id: e.status for e in estate.certificates()}) == before
    assert len(estate.orders()) == len(some)


def test_the_report_names_replaced_certificates_and_probable_renewals(
    taken: tuple[Estate, int],
) -> None:
    estate, scm_id = taken
    new = estate.renewed_by_a_stranger(scm_id)
    estate.replaced_by_a_stranger(scm_id)

    result = estate.take_in(dry_run=True)

    named: dict[str, list[dict[str, Any]]] = result["named"]
    assert [each["scm_id"] for each in named["replaced"]] == [scm_id]
    assert [each["scm_id"] for each in named["renewed"]] == [new]
    assert [each["scm_id"] for each in named["new"]] == [new]


def test_the_daily_poll_looks_for_drift_once_for_each_account_with_orders(
    taken: tuple[Estate, int],
) -> None:
    estate, scm_id = taken
    revoke(estate, scm_id)
    with estate.database.transaction() as db:
        assert poll_open(db)["looks"] == 1
        assert poll_open(db)["looks"] == 0  # the first one has not ended yet

    while estate.run_kinds(CommandType.IMPORT, CommandType.IMPORT_BATCH):
        pass

    assert estate.certificates()[0].status is CertificateStatus.REVOKED
    assert [told["news"]["revoked"] for told in estate.told("import.completed")] == [0, 1]


def test_an_account_without_orders_is_not_looked_at_daily(empty: Estate) -> None:
    with empty.database.transaction() as db:
        assert poll_open(db)["looks"] == 0

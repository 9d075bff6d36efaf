"""Tests that what an operator decided stays decided, whatever polls, imports, lookups and the sweep find later."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from certline.models import (
    Certificate,
    CertificateStatus,
    Command,
    OrderStatus,
)
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import CancelCommand, DeleteCommand
from certline.models.orders.reconciliation import MOST_LOOKS
from certline.models.renewals.selection import AutoRenewRule
from certline.producers.renewals.settings import add_rule, choose, enable
from certline.producers.requests.certificates import request_cancelling, request_deletion
from certline.producers.requests.order_review import adopt, reject, send_again
from certline.producers.schedule import poll_open
from certline.producers.sweep import sweep
from tests.integration.imports.conftest import Estate
from tests.integration.workers.lookups import NAME, lost, reconciled

HOUR = 3_600_000


def everything_looks(estate: Estate) -> None:
    """Run the scheduled poll, an import, the daily look and the sweep, twice."""
    for _ in range(2):
        estate.database.run(poll_open)
        estate.go_on(2)
        estate.take_in()
        estate.take_in(known=True)
        estate.database.run(lambda db: sweep(db, timedelta(0)))
        estate.go_on(2)


def cancelled_but_issued(estate: Estate) -> Command:
    """Place an order, cancel it while SCM will not decline it, and have SCM issue it."""
    estate.settings(issue_after_ms=HOUR)
    command = estate.place()
    estate.run_due()
    wanted = CancelCommand(order=estate.order(command).id, comments="not needed")
    estate.run(
        request_cancelling(estate.database, wanted, requested_by=Identity("os:ida")).command.id
    )
    assert estate.order(command).status is OrderStatus.CANCELLED
    estate.decide(estate.order(command).scm_id, "issue")
    return command


def by_its_poll(estate: Estate) -> None:
    """Notice what SCM issued by the order's own poll."""
    estate.go_on(1)


def by_an_import(estate: Estate) -> None:
    """Notice what SCM issued by an import."""
    estate.take_in()


@pytest.mark.parametrize("noticed", [by_its_poll, by_an_import])
def test_what_was_given_up_stays_given_up(empty: Estate, noticed: Callable[[Estate], None]) -> None:
    command = cancelled_but_issued(empty)
    noticed(empty)
    assert empty.order(command).status is OrderStatus.REVIEW
    assert "it was cancelled, but SCM has issued it anyway" in (empty.order(command).error or "")

    reject(empty.database, empty.order(command).id, who=Identity("os:ida"), why="not wanted")
    everything_looks(empty)
    result = empty.take_in()

    order = empty.order(command)
    assert (order.status, order.error, order.scm_status) == (
        OrderStatus.REJECTED,
        "not wanted",
        "Issued",
    )
    assert (result["known"], result["updated"], result["new"]) == (1, 0, 0)
    assert empty.certificates() == []


def test_an_order_given_up_before_its_id_was_known_is_not_taken_in_again(empty: Estate) -> None:
    command = lost(empty, "drop_before")
    for _ in range(MOST_LOOKS):
        reconciled(empty, command)
    order = empty.order(command)
    assert order.status is OrderStatus.REVIEW
    reject(empty.database, order.id, who=Identity("os:ida"), why=None)
    # It reached SCM after all, long afterwards.
    empty.order_by_a_stranger(NAME, comments=f"[certline:{order.reference}]")

    everything_looks(empty)

    after = empty.order(command)
    assert (after.status, after.scm_status) == (OrderStatus.REJECTED, "Issued")
    assert empty.certificates() == []


def test_what_scm_declined_for_us_stays_cancelled(empty: Estate) -> None:
    empty.settings(auto_approve=False)
    command = empty.place()
    empty.run_due()
    wanted = CancelCommand(order=empty.order(command).id, comments="not needed")
    empty.run(
        request_cancelling(empty.database, wanted, requested_by=Identity("os:ida")).command.id
    )
    assert empty.order(command).scm_status == "Declined"

    everything_looks(empty)

    assert empty.order(command).status is OrderStatus.CANCELLED


def test_an_adopted_record_and_a_second_sending_stay_decided(empty: Estate) -> None:
    command = lost(empty, "drop_before")
    for _ in range(MOST_LOOKS):
        reconciled(empty, command)

    send_again(empty.database, empty.order(command).id, who=Identity("os:ida"), why="SCM lost it")
    everything_looks(empty)

    assert empty.order(command).status is OrderStatus.STORED
    assert len(empty.orders_at_scm()) == 1
    other = cancelled_but_issued(empty)
    empty.go_on(1)
    order = empty.order(other)
    adopt(empty.database, order.id, order.scm_id or 0, who=Identity("os:ida"), why=None)
    everything_looks(empty)
    assert empty.order(other).status is OrderStatus.STORED


def test_a_deleted_certificate_is_not_brought_back_by_the_daily_look(empty: Estate) -> None:
    kept, gone = empty.place(), empty.place(common_name="mail.nordhafen.example")
    empty.go_on()
    wanted = DeleteCommand(certificate=empty.order(gone).certificate_id)
    request_deletion(empty.database, wanted, requested_by=Identity("os:ida"))

    for _ in range(2):
        empty.database.run(poll_open)
        empty.go_on(2)
        empty.take_in(known=True)
        empty.database.run(lambda db: sweep(db, timedelta(0)))

    assert [each.order_id for each in empty.certificates()] == [empty.order(kept).id]


def test_what_was_deselected_stays_so_with_its_successors(empty: Estate) -> None:
    command = empty.place()
    empty.go_on()
    own = empty.order(command).certificate_id
    with empty.database.transaction() as db:
        add_rule(db, AutoRenewRule(created_by="ida"), who=Identity("os:ida"))
        enable(db, [empty.account()], days=30, cap=None, who=Identity("os:ida"))
        choose(db, [db.get_one(Certificate, own)], selected=False, who=Identity("os:ida"))
    empty.renewed_by_a_stranger(empty.order(command).scm_id or 0)

    everything_looks(empty)

    old, new = empty.certificates()
    assert (old.status, new.status) == (CertificateStatus.SUPERSEDED, CertificateStatus.ACTIVE)
    assert (old.auto_renew, new.auto_renew) == (False, False)

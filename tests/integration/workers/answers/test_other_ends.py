"""Tests of the answers to commands that were too late, came twice, wait, or lost what they were about."""

import pytest

from certline.models import Command, CommandStatus, CommandType, Order, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.certificates.license import set_capacity
from certline.models.commands.command import MOST_RESTARTS
from certline.producers.requests.license import set_license
from certline.workers.runtime.outcomes import MOST_TRIES
from tests.integration.workers.answers.told import answers, told
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    HOUR,
    asked_from_outside,
    go_on,
    now,
    renewal,
    revocation,
    stored,
    until_stored,
)

ORDER = {
    "common_name": "www.nordhafen.example",
    "organization": "Nordhafen University",
    "profile": "OV Multi-Domain SSL",
    "term": 90,
    "key_algorithm": "EC",
    "key_size": "P-256",
}


def test_a_cancelled_order_is_told_to_both_who_ordered_and_who_cancelled(bench: Bench) -> None:
    order = bench.place()
    data = {"order": bench.order(order).id, "comments": "not needed"}
    cancelling = asked_from_outside(bench, "cancel", data)

    bench.run(cancelling.id)
    go_on(bench)

    assert answers(bench, order.id, CommandType.ORDER) == ["order.cancelled"]
    assert answers(bench, cancelling.id, CommandType.CANCEL) == ["order.cancelled"]
    again = bench.run(asked_from_outside(bench, "cancel", data).id)
    assert answers(bench, again.id, CommandType.CANCEL) == ["order.cancelled"]


@pytest.mark.parametrize("seen", ["placed", "sending", "pending", "held"])
def test_two_commands_for_one_order_are_answered_each_and_ordered_once(
    bench: Bench, seen: str
) -> None:
    bench.settings(issue_after_ms=HOUR if seen == "pending" else 0)
    with bench.database.transaction() as db:
        set_capacity(db, 0)
    first = bench.place()
    if seen == "sending":
        bench.fault("POST", "enroll", "drop_after")
    if seen != "placed":
        go_on(bench, 1 if seen in ("sending", "pending") else 4)
    assert bench.order(first).status.value == seen

    second = bench.run(asked_from_outside(bench, "order", ORDER).id)

    assert second.status is CommandStatus.DONE
    (event,) = told(bench, second.id)
    assert event["type"] == ("order.placed" if seen == "sending" else f"order.{seen}")
    assert event["data"]["order_id"] == bench.order(first).id
    assert len(bench.orders_at_scm()) == (0 if seen == "placed" else 1)


def test_a_rejected_order_is_answered_by_its_own_event(bench: Bench) -> None:
    bench.settings(auto_approve=False)
    order = bench.place()
    bench.run_due()
    bench.decide(bench.order(order).scm_id, "reject")
    go_on(bench)

    assert answers(bench, order.id, CommandType.ORDER) == ["order.rejected"]


def test_an_order_whose_certificate_cannot_be_fetched_is_answered_by_its_review_alone(
    bench: Bench,
) -> None:
    order = bench.place()
    for _ in range(MOST_TRIES + 2):
        bench.fault(
            "GET", "collect", "status", status=404, body='{"code": -1, "description": "no"}'
        )
    go_on(bench, MOST_TRIES + 4)

    assert bench.order(order).status is OrderStatus.REVIEW
    assert answers(bench, order.id, CommandType.ORDER) == ["order.review"]


def test_a_held_order_is_answered_when_it_is_held_and_when_it_is_stored(bench: Bench) -> None:
    set_license(bench.database, 0, requested_by=Identity("os:ida"))
    order = bench.place()
    go_on(bench)
    assert answers(bench, order.id, CommandType.ORDER) == ["order.held"]

    set_license(bench.database, 1, requested_by=Identity("os:ida"))
    until_stored(bench, order)

    assert answers(bench, order.id, CommandType.ORDER) == ["order.held", "certificate.stored"]


def test_what_is_revoked_already_is_told_to_the_second_who_asks(bench: Bench) -> None:
    certificate = stored(bench)
    first = revocation(bench, certificate)
    second = asked_from_outside(
        bench, "revoke", {"certificate": certificate.id, "comments": "once more"}
    )

    for command in (first, second):
        assert bench.run(command.id).status is CommandStatus.DONE

    for command in (first, second):
        assert answers(bench, command.id, CommandType.REVOKE) == ["certificate.revoked"]
    assert bench.calls("POST /ssl/v1/revoke/serial/{serialNumber}") <= 1


def test_a_revocation_that_was_stored_before_its_worker_died_is_told_once(bench: Bench) -> None:
    certificate = stored(bench)
    command = revocation(bench, certificate)
    bench.run(command.id)
    assert now(bench, certificate).revoked_at is not None
    with bench.database.transaction() as db:  # as if it had died before the command ended
        db.get_one(Command, command.id).status = CommandStatus.RUNNING

    ended = bench.run(command.id)

    assert ended.status is CommandStatus.DONE
    assert not (ended.result or {})["already_revoked"]
    assert answers(bench, command.id, CommandType.REVOKE) == ["certificate.revoked"]


def test_a_deletion_names_the_certificate_that_was_asked_for(bench: Bench) -> None:
    certificate = stored(bench)
    until_stored(bench, renewal(bench, certificate))
    command = asked_from_outside(bench, "delete", {"certificate": certificate.id})

    bench.run(command.id)

    (event,) = told(bench, command.id)
    assert (event["type"], event["subject"]) == ("certificate.deleted", certificate.id)


def test_who_waits_for_an_order_that_is_deleted_is_told(bench: Bench) -> None:
    set_license(bench.database, 0, requested_by=Identity("os:ida"))
    order = bench.place()
    go_on(bench)
    data = {"order": bench.order(order).id, "yes": True}

    bench.run(asked_from_outside(bench, "delete", data).id)

    assert bench.command(order.id).status is CommandStatus.FAILED
    assert answers(bench, order.id, CommandType.ORDER) == ["order.held", "command.failed"]


def test_a_command_that_crashes_its_workers_is_answered_as_in_review(bench: Bench) -> None:
    command = asked_from_outside(bench, "sync", {})
    with bench.database.transaction() as db:
        row = db.get_one(Command, command.id)
        row.status, row.restarts = CommandStatus.RUNNING, MOST_RESTARTS

    assert bench.run(command.id).status is CommandStatus.REVIEW

    (event,) = told(bench, command.id)
    assert (event["type"], event["data"]["status"]) == ("command.failed", "review")


@pytest.mark.parametrize("end", ["revoke", "cancel", "delete"])
def test_a_held_order_can_be_revoked_cancelled_and_deleted_without_a_licence(
    bench: Bench, end: str
) -> None:
    set_license(bench.database, 0, requested_by=Identity("os:ida"))
    order = bench.place()
    go_on(bench)
    order_id = bench.order(order).id
    data: dict[str, object] = {"order": order_id}
    data |= {"yes": True} if end == "delete" else {"comments": "its key was lost"}
    command = asked_from_outside(bench, end, data)

    ended = bench.run(command.id)

    assert ended.status is CommandStatus.DONE, ended.error
    (at_scm,) = bench.orders_at_scm()
    assert at_scm["status"] == ("Revoked" if end == "revoke" else "Issued")
    answer = "order.deleted" if end == "delete" else "order.cancelled"
    assert answers(bench, command.id, command.type) == [answer]
    with bench.database.transaction() as db:
        row = db.get(Order, order_id)
        assert (None if row is None else row.status) is (
            None if end == "delete" else OrderStatus.CANCELLED
        )


def test_what_was_cancelled_while_it_was_held_can_still_be_revoked(bench: Bench) -> None:
    set_license(bench.database, 0, requested_by=Identity("os:ida"))
    order = bench.place()
    go_on(bench)
    order_id = bench.order(order).id
    data = {"order": order_id, "comments": "not needed"}
    bench.run(asked_from_outside(bench, "cancel", data).id)

    ended = bench.run(asked_from_outside(bench, "revoke", data).id)

    assert ended.status is CommandStatus.DONE, ended.error
    assert [each["status"] for each in bench.orders_at_scm()] == ["Revoked"]

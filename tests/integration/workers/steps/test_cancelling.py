"""Tests of cancelling an order as far as SCM allows; if SCM issues it anyway, an operator decides."""

from math import inf
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import Command, CommandStatus, CommandType, Order, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import CancelCommand
from certline.models.validation import BadCommandError
from certline.producers.requests.certificates import request_cancelling
from certline.workers.ordering.claim import claim_to_send
from certline.workers.ordering.submission import _record_answer
from certline.workers.scm import Enrolled
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    asked_from_outside,
    events_of,
    go_on,
    reissue,
    stored,
)

DECLINE = "POST /ssl/v1/decline/{id}"


def cancelling(bench: Bench, order: Command) -> Command:
    """Request the cancellation of an order."""
    wanted = CancelCommand(order=bench.order(order).id, comments="not needed")
    return request_cancelling(bench.database, wanted, requested_by=Identity("os:ida")).command


def pending(bench: Bench, **wanted: Any) -> Command:
    """Place an order that waits at SCM for its approval."""
    bench.settings(auto_approve=False)
    command = bench.place(**wanted)
    bench.run_due()
    assert bench.order(command).status is OrderStatus.PENDING
    return command


def polled(bench: Bench, order: Command) -> Command:
    """Run the order's one poll once it is due."""
    with bench.database.transaction() as db:
        query = select(Command.id).where(
            Command.type == CommandType.POLL, Command.subject == bench.order(order).id
        )
        found = db.scalars(query).one()
    bench.make_due()
    return bench.run(found)


def test_an_order_that_was_not_sent_is_never_sent_once_its_cancelling_is_requested(
    bench: Bench,
) -> None:
    order = bench.place()

    cancelled = cancelling(bench, order)
    bench.run(order.id)  # its message comes first
    assert bench.orders_at_scm() == []
    go_on(bench)

    assert bench.command(cancelled.id).status is CommandStatus.DONE
    assert bench.order(order).status is OrderStatus.CANCELLED
    assert bench.command(order.id).status is CommandStatus.FAILED
    assert bench.orders_at_scm() == []
    (event,) = [each for each in events_of(bench, bench.order(order).id) if "cancel" in each.type]
    assert (event.who, event.why) == ("os:ida", "cancelled before it was sent: not needed")


def test_an_order_that_waits_for_approval_is_declined_at_scm(bench: Bench) -> None:
    order = pending(bench)

    ended = bench.run(cancelling(bench, order).id)

    assert ended.status is CommandStatus.DONE
    assert (ended.result or {})["declined"]
    assert bench.order(order).status is OrderStatus.CANCELLED
    assert [each["status"] for each in bench.orders_at_scm()] == ["Declined"]
    assert polled(bench, order).status is CommandStatus.DONE
    assert bench.order(order).status is OrderStatus.CANCELLED


def test_what_scm_would_not_decline_is_marked_and_ends_in_review_when_it_is_issued(
    bench: Bench,
) -> None:
    bench.settings(issue_after_ms=3_600_000)
    order = bench.place()
    bench.run_due()

    ended = bench.run(cancelling(bench, order).id)
    cancelled = bench.order(order)
    waits = polled(bench, order)
    bench.decide(cancelled.scm_id, "issue")
    looked = polled(bench, order)

    assert ended.status is CommandStatus.DONE
    assert not (ended.result or {})["declined"]
    assert cancelled.status is OrderStatus.CANCELLED
    assert "It will not be fetched" in (cancelled.error or "")
    assert waits.status is CommandStatus.QUEUED
    assert looked.status is CommandStatus.DONE
    assert bench.order(order).status is OrderStatus.REVIEW
    assert "issued it anyway" in (bench.order(order).error or "")
    assert bench.calls("GET /ssl/v1/collect/{sslId}/{format}") == 0


def test_what_was_cancelled_and_ordered_again_is_noted_when_scm_issues_the_first(
    bench: Bench,
) -> None:
    bench.settings(issue_after_ms=3_600_000)
    order = bench.place()
    bench.run_due()
    bench.run(cancelling(bench, order).id)
    again = bench.place()
    bench.decide(bench.order(order).scm_id, "issue")

    assert polled(bench, order).status is CommandStatus.DONE

    assert bench.order(order).status is OrderStatus.CANCELLED
    assert f"order {bench.order(again).id} for the same is" in (bench.order(order).error or "")


def test_what_scm_has_issued_cannot_be_cancelled_and_goes_on(bench: Bench) -> None:
    order = pending(bench)
    bench.decide(bench.order(order).scm_id, "approve")
    bench.decide(bench.order(order).scm_id, "issue")

    ended = bench.run(cancelling(bench, order).id)
    go_on(bench)

    assert ended.status is CommandStatus.FAILED
    assert "has already issued" in (ended.error or "")
    assert bench.order(order).status is OrderStatus.STORED


def test_a_lost_answer_to_a_decline_is_asked_for_again(bench: Bench) -> None:
    order = pending(bench)
    bench.fault("POST", "decline", "drop_after")

    command = cancelling(bench, order)
    first = bench.run(command.id)
    bench.make_due()
    ended = bench.run(command.id)

    assert first.status is CommandStatus.QUEUED
    assert ended.status is CommandStatus.DONE
    assert bench.order(order).status is OrderStatus.CANCELLED
    assert bench.calls(DECLINE) == 2


def test_an_order_whose_outcome_is_unknown_is_not_cancelled_before_it_is_looked_up(
    bench: Bench,
) -> None:
    bench.fault("POST", "enroll", "drop_after")
    order = bench.place()
    bench.run_due()
    assert bench.order(order).status is OrderStatus.SENDING

    with pytest.raises(BadCommandError, match="looks it up at SCM"):
        cancelling(bench, order)
    data = {"order": bench.order(order).id, "comments": "not needed"}
    outside = bench.run(asked_from_outside(bench, "cancel", data).id)

    assert outside.status is CommandStatus.FAILED
    assert "looks it up at SCM" in (outside.error or "")
    assert bench.order(order).status is OrderStatus.SENDING


def test_a_late_answer_about_a_cancelled_order_puts_it_before_a_person(bench: Bench) -> None:
    order = bench.place()
    with bench.database.transaction() as db:
        claim = claim_to_send(db, bench.order(order), inf)
    assert claim is not None
    with bench.database.transaction() as db:  # as reconciling puts it back
        db.get_one(Order, claim.order.id).become(OrderStatus.PLACED)
    bench.run(cancelling(bench, order).id)

    with bench.database.transaction() as db:
        _record_answer(db, claim, Enrolled(18440127, None), bench.line.settings.settle)

    assert bench.order(order).status is OrderStatus.REVIEW
    assert "though it was cancelled" in (bench.order(order).error or "")


def test_a_reissue_is_not_declined_for_that_would_be_about_the_certificate_before_it(
    bench: Bench,
) -> None:
    certificate = stored(bench)
    bench.settings(issue_after_ms=3_600_000)
    order = reissue(bench, certificate)
    bench.run(order.id)

    ended = bench.run(cancelling(bench, order).id)
    waits = polled(bench, order)
    bench.decide(certificate.scm_id, "issue")
    polled(bench, order)

    assert ended.status is CommandStatus.DONE
    assert waits.status is CommandStatus.QUEUED
    assert bench.calls(DECLINE) == 0
    assert bench.order(order).status is OrderStatus.REVIEW


@pytest.mark.parametrize("status", ["stored", "rejected", "review", "issued"])
def test_what_is_over_or_issued_is_not_cancelled(bench: Bench, status: str) -> None:
    order = pending(bench)
    with bench.database.transaction() as db:
        db.get_one(Order, bench.order(order).id).status = OrderStatus(status)

    with pytest.raises(BadCommandError, match=f"is (in )?{status}"):
        cancelling(bench, order)


def test_a_second_cancelling_counts_as_done(bench: Bench) -> None:
    order = bench.place()
    commands = [cancelling(bench, order), cancelling(bench, order)]

    assert [bench.run(each.id).status for each in commands] == [CommandStatus.DONE] * 2

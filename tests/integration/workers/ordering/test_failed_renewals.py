"""Tests of failed renewals: retried with growing delays, or left to an operator, whose request starts over."""

from datetime import timedelta

import pytest

from certline.models import Certificate, CommandStatus, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.certificates.backoff import Backoff, backoff_of
from certline.models.commands.payloads import CancelCommand
from certline.models.database.session import clock
from certline.producers.requests.certificates import request_cancelling
from certline.workers.ordering.claim import MOST_ATTEMPTS
from certline.workers.runtime.outcomes import MOST_TRIES
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import (
    asked_from_outside,
    done_by_a_stranger,
    go_on,
    reissue,
    renewal,
    stored,
)

PATH = "/ssl/v1/renewById/"
BUSY = '{"code": -618, "description": "SCM is busy"}'


def backoff(bench: Bench, certificate: Certificate) -> Backoff:
    """Return the backoff of a certificate's line."""
    with bench.database.transaction() as db:
        return backoff_of(db, [certificate.line_id])[certificate.line_id]


def tried(bench: Bench, command_id: str, times: int, path: str = PATH) -> timedelta:
    """Have SCM refuse a renewal as busy, `times` times. Returns the delay until the next attempt."""
    for _ in range(times):
        bench.fault(None, path, "status", status=400, body=BUSY)
        bench.make_due()
        bench.run(command_id)
    with bench.database.transaction() as db:
        return bench.command(command_id).not_before - clock(db)


def test_a_renewal_rests_a_minute_ten_and_a_hundred_once_it_is_no_hiccup(bench: Bench) -> None:
    old = stored(bench)
    command = renewal(bench, old)

    assert tried(bench, command.id, 4) < timedelta(minutes=1)
    assert backoff(bench, old) == Backoff()
    rests = [tried(bench, command.id, 1) for _ in range(4)]

    assert [round(rest / timedelta(minutes=1)) for rest in rests] == [1, 10, 100, 1440]
    assert (backoff(bench, old).failures, backoff(bench, old).waits_for_person) == (4, False)
    go_on(bench)
    assert bench.order(command).status is OrderStatus.STORED
    assert backoff(bench, old) == Backoff()


def test_a_person_who_renews_by_hand_need_not_wait_for_the_end_of_the_rest(bench: Bench) -> None:
    old = stored(bench)
    command = renewal(bench, old)
    assert tried(bench, command.id, 6) > timedelta(minutes=5)

    again = renewal(bench, old)

    assert again.subject == command.subject
    assert backoff(bench, old) == Backoff()
    with bench.database.transaction() as db:
        assert bench.command(command.id).not_before <= clock(db)
    bench.run_due()
    assert bench.order(command).status is OrderStatus.PENDING


def test_a_renewal_rests_too_while_scm_shows_nobody_the_certificate(bench: Bench) -> None:
    old = stored(bench)
    command = renewal(bench, old)

    rest = tried(bench, command.id, 5, path=f"/ssl/v1/{old.scm_id}")

    assert round(rest / timedelta(minutes=1)) == 1
    assert backoff(bench, old).failures == 1


@pytest.mark.parametrize("path", [PATH, "/ssl/v1/{old}"], ids=["renewed", "shown"])
def test_a_renewal_is_tried_once_a_day_for_as_long_as_it_takes(bench: Bench, path: str) -> None:
    old = stored(bench)
    command = renewal(bench, old)

    rest = tried(bench, command.id, max(MOST_ATTEMPTS, MOST_TRIES) + 2, path.format(old=old.scm_id))

    assert round(rest / timedelta(days=1)) == 1
    assert bench.order(command).status is OrderStatus.PLACED
    assert not backoff(bench, old).waits_for_person
    go_on(bench)
    assert bench.order(command).status is OrderStatus.STORED


def test_what_scm_refuses_waits_for_a_person(bench: Bench) -> None:
    old = stored(bench)
    done_by_a_stranger(bench, f"/ssl/v1/revoke/{old.scm_id}", {"reasonCode": 1, "reason": "leaked"})

    command = renewal(bench, old)
    bench.run(command.id)

    assert backoff(bench, old).waits_for_person
    assert "SCM renews issued certificates only" in (backoff(bench, old).reason or "")
    # It starts over, and is refused again.
    bench.run(renewal(bench, old).id)
    assert backoff(bench, old).failures == 1


def test_a_renewal_that_a_person_takes_back_waits_for_a_person(bench: Bench) -> None:
    old = stored(bench)
    command = renewal(bench, old)

    wanted = CancelCommand(order=command.subject or "", comments="not now")
    bench.run(
        request_cancelling(bench.database, wanted, requested_by=Identity("os:ida")).command.id
    )

    assert backoff(bench, old).waits_for_person


def test_what_a_rule_refuses_before_there_is_an_order_waits_for_a_person(bench: Bench) -> None:
    old = stored(bench)
    command = asked_from_outside(bench, "renew", {"certificate": old.common_name})
    with bench.database.transaction() as db:
        db.get_one(Certificate, old.id).other_names = ["IP:192.0.2.7"]

    bench.run(command.id)

    assert bench.command(command.id).status is CommandStatus.FAILED
    assert backoff(bench, old).waits_for_person


def test_what_has_another_successor_on_its_way_lacks_nothing(bench: Bench) -> None:
    old = stored(bench)
    reissue(bench, old)
    command = asked_from_outside(bench, "renew", {"certificate": old.id})

    bench.run(command.id)

    assert bench.command(command.id).status is CommandStatus.FAILED
    assert backoff(bench, old) == Backoff()

"""Tests of an order with an unknown outcome: found at SCM, sent again with proof, or put to review."""

from datetime import timedelta
from functools import partial
from math import inf

import pytest

from certline.models import CommandStatus, OrderStatus
from certline.models.orders.reconciliation import MOST_LOOKS
from certline.producers.sweep import look_up_silent
from certline.workers.ordering import submission
from certline.workers.ordering.claim import claim_to_send
from certline.workers.scm import Enrolled
from tests.integration.workers.conftest import Bench
from tests.integration.workers.lookups import (
    NAME,
    NO_PRIVILEGE,
    evidence,
    lookup_of,
    lost,
    names_at_scm,
    reconciled,
    rest,
)


def test_an_order_that_scm_has_is_adopted_and_ends_as_a_certificate(bench: Bench) -> None:
    command = lost(bench, "drop_after")

    reconciled(bench, command)

    order = bench.order(command)
    assert order.status is OrderStatus.PENDING
    assert [order.scm_id] == [record["sslId"] for record in bench.orders_at_scm()]
    for _ in range(3):
        bench.make_due()
        bench.run_due()
    assert bench.order(command).status is OrderStatus.STORED
    assert bench.command(command.id).status is CommandStatus.DONE
    assert bench.calls("POST /ssl/v1/enroll") == 1


def test_what_was_seen_is_written_down(bench: Bench) -> None:
    command = lost(bench, "drop_after")

    reconciled(bench, command)

    (event,) = evidence(bench, command)
    assert event.why is not None
    assert "its comment has our reference" in event.why
    assert event.data["choice"] == "adopt"
    assert event.data["found"][0]["scm_id"] == bench.order(command).scm_id
    assert event.data["found"][0]["match"] == "sure"


def test_an_order_that_scm_has_not_is_sent_again_after_two_looks(bench: Bench) -> None:
    command = lost(bench, "drop_before")
    witness = bench.place(common_name="witness.nordhafen.example")
    bench.run(witness.id)

    statuses = [reconciled(bench, command).status for _ in range(2)]

    assert statuses == [OrderStatus.SENDING, OrderStatus.PLACED]
    bench.make_due()
    bench.run(command.id)
    assert bench.order(command).status is OrderStatus.PENDING
    assert names_at_scm(bench) == sorted([NAME, "witness.nordhafen.example"])
    assert [event.data["witness"] for event in evidence(bench, command)] == [
        bench.order(witness).scm_id
    ] * 2


def test_without_proof_that_the_list_is_current_nothing_is_sent_again(bench: Bench) -> None:
    command = lost(bench, "drop_before")

    statuses = [reconciled(bench, command).status for _ in range(MOST_LOOKS)]

    assert statuses == [OrderStatus.SENDING] * (MOST_LOOKS - 1) + [OrderStatus.REVIEW]
    assert bench.calls("POST /ssl/v1/enroll") == 1
    assert bench.command(command.id).status is CommandStatus.REVIEW


def test_a_list_that_lags_brings_no_second_order(bench: Bench) -> None:
    bench.settings(list_lag_ms=3_600_000)
    bench.fault("POST", "report", "status", times=None, status=400, body=NO_PRIVILEGE)
    command = lost(bench, "drop_after")
    bench.run(bench.place(common_name="witness.nordhafen.example").id)

    for _ in range(2):
        assert reconciled(bench, command).status is OrderStatus.SENDING
    bench.settings(list_lag_ms=0)

    assert reconciled(bench, command).status is OrderStatus.PENDING
    assert bench.calls("POST /ssl/v1/enroll") == 2


def test_an_older_witness_proves_nothing(bench: Bench) -> None:
    bench.run(bench.place(common_name="witness.nordhafen.example").id)
    command = lost(bench, "drop_before", ago=timedelta(0))
    rest(bench, timedelta(hours=1))

    for _ in range(2):
        reconciled(bench, command)

    assert [event.data["witness"] for event in evidence(bench, command)] == [None, None]
    assert bench.order(command).status is OrderStatus.SENDING


def test_nobody_looks_before_the_outcome_has_rested(bench: Bench) -> None:
    command = lost(bench, "drop_after", ago=timedelta(minutes=14))
    before = bench.calls("GET /ssl/v1")

    lookup = bench.run(lookup_of(bench, command).id)

    assert (lookup.status, lookup.attempts) == (CommandStatus.QUEUED, 0)
    assert bench.calls("GET /ssl/v1") == before


def test_an_order_of_a_worker_that_died_is_looked_up_by_the_sweep(bench: Bench) -> None:
    command = bench.place()
    with bench.database.transaction() as db:
        assert claim_to_send(db, bench.order(command), inf)
    rest(bench, timedelta(hours=1))

    found = [bench.database.run(partial(look_up_silent, settle=bench.line.settings.settle))] * 2

    assert found == [1, 1]
    assert reconciled(bench, command).status is OrderStatus.SENDING
    assert "the outcome is unknown" in (bench.order(command).error or "")


def test_without_the_reports_privilege_the_list_has_to_do(bench: Bench) -> None:
    command = lost(bench, "drop_before")
    bench.fault("POST", "report", "status", status=400, body=NO_PRIVILEGE)

    reconciled(bench, command)

    (remark,) = evidence(bench, command)[0].data["remarks"]
    assert "SCM refused the report" in remark


@pytest.mark.parametrize(
    ("lost_by", "method", "path"),
    [
        ("drop_after", "GET", r"/ssl/v1$"),
        ("drop_after", "GET", r"/ssl/v1/\d+$"),
        ("drop_before", "POST", "report"),
    ],
    ids=["list", "details", "report"],
)
def test_a_look_that_fails_settles_nothing(
    bench: Bench, lost_by: str, method: str, path: str
) -> None:
    command = lost(bench, lost_by)
    bench.fault(method, path, "status")

    lookup = bench.run(lookup_of(bench, command).id)

    assert lookup.status is CommandStatus.QUEUED
    assert bench.order(command).status is OrderStatus.SENDING
    assert evidence(bench, command) == []


def test_an_answer_that_comes_while_we_look_stands(bench: Bench) -> None:
    command = bench.place()
    with bench.database.transaction() as db:
        claim = claim_to_send(db, bench.order(command), inf)
    assert claim is not None
    rest(bench, timedelta(hours=1))
    bench.database.run(partial(look_up_silent, settle=timedelta(0)))
    answer = Enrolled(ssl_id=5, renew_id="r")
    bench.line.store(
        partial(submission._record_answer, claim=claim, answer=answer, first_poll=timedelta(0))
    )

    bench.run(lookup_of(bench, command).id)

    assert (bench.order(command).scm_id, bench.order(command).renew_id) == (5, "r")
    assert evidence(bench, command) == []

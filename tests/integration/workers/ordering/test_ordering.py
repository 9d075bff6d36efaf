"""Tests of step 1, sending an order: it is sent once, and an unknown outcome rests."""

import threading
from datetime import timedelta
from functools import partial
from math import inf

import pytest
from sqlalchemy import select

from certline.models import (
    Account,
    AccountStatus,
    AuditEntry,
    Command,
    CommandStatus,
    OrderStatus,
    PrivateKey,
)
from certline.models.audit.log import history
from certline.models.ciphers.place import IN_HAND
from certline.models.csr.request import read_request
from certline.models.validation import BadCommandError
from certline.workers.keys import key_pair
from certline.workers.ordering import submission
from certline.workers.ordering.claim import Claim, claim_to_send
from certline.workers.scm import Enrolled
from tests.integration.workers.conftest import Bench
from tests.support.sealed_rows import move_account, opened

ENROLL = "POST /ssl/v1/enroll"


def test_the_key_and_the_csr_are_stored_before_scm_hears_of_the_order(bench: Bench) -> None:
    command = bench.place()

    order = bench.order(command)
    with bench.database.transaction() as db:
        key = db.get_one(PrivateKey, order.key_id)
    private = key_pair.from_pem(opened(bench.line.vault, key, "pem_sealed"))

    assert order.status is OrderStatus.PLACED
    assert read_request(order.csr or "").key.key == private.public_key()
    assert b"PRIVATE KEY" not in key.pem_sealed
    assert bench.calls(ENROLL) == 0


def test_an_order_ends_as_a_stored_certificate(bench: Bench) -> None:
    command = bench.place(sans=["api.nordhafen.example"], comments="for the web team")

    for _ in range(4):
        bench.make_due()
        bench.run_due()

    order = bench.order(command)
    assert order.status is OrderStatus.STORED
    assert bench.command(command.id).status is CommandStatus.DONE
    assert bench.command(command.id).result == {
        "order_id": order.id,
        "scm_id": order.scm_id,
        "order_status": "stored",
        "certificate_id": order.certificate_id,
    }
    (at_scm,) = bench.orders_at_scm()
    assert at_scm["comments"] == f"for the web team [certline:{order.reference}]"


def test_the_same_command_id_twice_is_one_order(bench: Bench) -> None:
    command_id = "3f0e8a52-4c2e-4f57-9b80-5a8a9c6a0001"
    first = bench.place(command_id)
    second = bench.place(command_id)

    bench.run(first.id)
    bench.run(second.id)

    assert first.id == second.id
    assert len(bench.orders_at_scm()) == 1


def test_a_message_that_comes_eight_times_at_once_sends_one_order(bench: Bench) -> None:
    bench.settings(latency_ms=100)
    command = bench.place()
    deliveries = [threading.Thread(target=bench.run, args=(command.id,)) for _ in range(8)]

    for delivery in deliveries:
        delivery.start()
    for delivery in deliveries:
        delivery.join()

    assert bench.calls(ENROLL) == 1
    assert bench.order(command).status is OrderStatus.PENDING


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("drop_after", {}),
        ("status", {"status": 503, "body": "upstream connect error"}),
        ("garbage", {}),
        ("truncate", {}),
        ("drop_before", {}),
    ],
)
def test_an_order_whose_outcome_is_unknown_rests_and_is_never_sent_again(
    bench: Bench, kind: str, more: dict[str, object]
) -> None:
    command = bench.place()
    bench.fault("POST", "enroll", kind, **more)

    bench.run(command.id)
    bench.make_due()
    bench.run_due()
    after = bench.run(command.id)

    order = bench.order(command)
    assert order.status is OrderStatus.SENDING
    assert "the outcome is unknown" in (order.error or "")
    assert after.status is CommandStatus.RUNNING
    assert "the outcome is unknown" in (after.error or "")
    assert bench.calls(ENROLL) == 1


@pytest.mark.parametrize("body", ["", '{"code": -16, "description": "Unknown user"}'])
def test_a_refused_login_suspends_the_account_after_one_call(bench: Bench, body: str) -> None:
    first, second = bench.place(), bench.place(common_name="api.nordhafen.example")
    bench.fault("POST", "enroll", "status", status=401, body=body)

    bench.run(first.id)
    bench.run(second.id)

    assert bench.account().status is AccountStatus.SUSPENDED
    assert bench.calls(ENROLL) == 1
    for command in (bench.command(first.id), bench.command(second.id)):
        assert command.status is CommandStatus.QUEUED
        assert "account 'demo' is suspended" in (command.error or "")
        assert bench.order(command).status is OrderStatus.PLACED


def test_a_busy_scm_gets_the_order_again_when_it_said(bench: Bench) -> None:
    command = bench.place()
    bench.fault("POST", "enroll", "status", status=429, retry_after=120)

    waiting = bench.run(command.id)

    assert bench.order(command).status is OrderStatus.PLACED
    assert waiting.status is CommandStatus.QUEUED
    assert (waiting.not_before - waiting.touched_at).total_seconds() >= 119


def test_an_order_that_never_left_the_house_is_sent_again(bench: Bench) -> None:
    command = bench.place()
    with bench.database.transaction() as db:
        account = db.scalars(select(Account)).one()
        move_account(db, bench.line.vault, account, "http://127.0.0.1:9/api")
    bench.run(command.id)
    assert bench.order(command).status is OrderStatus.PLACED

    with bench.database.transaction() as db:
        account = db.scalars(select(Account)).one()
        move_account(db, bench.line.vault, account, bench.simulator.url)
    bench.make_due()
    bench.run_due()

    assert bench.order(command).status is OrderStatus.PENDING
    assert len(bench.orders_at_scm()) == 1


def test_what_scm_refuses_for_good_is_rejected_with_its_words(bench: Bench) -> None:
    command = bench.place()
    refusal = '{"code": -36, "description": "The validity period (term) is invalid"}'
    bench.fault("POST", "enroll", "status", status=400, body=refusal)

    bench.run(command.id)

    order = bench.order(command)
    assert order.status is OrderStatus.REJECTED
    assert "validity period" in (order.error or "")
    assert bench.command(command.id).status is CommandStatus.FAILED


def test_the_late_refusal_of_a_zombie_is_not_stored(bench: Bench) -> None:
    command = bench.place()
    zombie = taken_for_dead(bench, command)
    second = claimed(bench, command)

    bench.line.store(partial(submission._reject, claim=zombie, why="too late"))
    answered(bench, second, 2)

    assert (bench.order(command).status, bench.order(command).scm_id) == (OrderStatus.PENDING, 2)
    assert bench.order(command).fence == second.fence == zombie.fence + 1


def test_the_late_answer_of_a_zombie_saves_the_second_call(bench: Bench) -> None:
    command = bench.place()
    zombie = taken_for_dead(bench, command)

    answered(bench, zombie, 1)
    bench.make_due()
    bench.run(command.id)

    assert (bench.order(command).status, bench.order(command).scm_id) == (OrderStatus.PENDING, 1)
    assert bench.orders_at_scm() == []


def test_two_answers_for_one_order_are_for_a_person(bench: Bench) -> None:
    command = bench.place()
    zombie = taken_for_dead(bench, command)
    second = claimed(bench, command)

    answered(bench, zombie, 1)
    answered(bench, second, 2)

    order = bench.order(command)
    assert order.status is OrderStatus.REVIEW
    assert "SCM has this order as 1; SCM may have it twice" in (order.error or "")
    with bench.database.transaction() as db:
        late = [event.data["scm_id"] for event in history(db, order.id) if "late" in event.type]
    assert late == [1, 2]


def test_a_comment_that_leaves_no_room_goes_without_the_reference(bench: Bench) -> None:
    comment = "x" * 1000
    command = bench.place(comments=comment)

    bench.run(command.id)

    assert bench.orders_at_scm()[0]["comments"] == comment


def test_every_move_of_an_order_is_a_row_and_none_has_a_secret(bench: Bench) -> None:
    command = bench.place()
    for _ in range(4):
        bench.make_due()
        bench.run_due()

    with bench.database.transaction() as db:
        events = list(
            db.scalars(select(AuditEntry).where(AuditEntry.subject == bench.order(command).id))
        )

    assert [event.type for event in events] == [
        "order.placed",
        "order.sending",
        "order.pending",
        "order.issued",
        "order.stored",
    ]
    assert not any("PRIVATE" in str(event.data) or "secret" in str(event.data) for event in events)


def test_the_same_command_with_its_password_sealed_anew_is_still_the_same(bench: Bench) -> None:
    command_id = "3f0e8a52-4c2e-4f57-9b80-5a8a9c6a0002"
    sealed = [bench.line.vault.seal(b"hunter2", IN_HAND).decode() for _ in range(2)]

    first, second = (
        bench.place(command_id, keystore_password_sealed=password) for password in sealed
    )

    assert sealed[0] != sealed[1]
    assert first.id == second.id


def claimed(bench: Bench, command: Command) -> Claim:
    """Claim a command's order for sending, as a worker does."""
    with bench.database.transaction() as db:
        claim = claim_to_send(db, bench.order(command), inf)
    assert claim is not None
    return claim


def taken_for_dead(bench: Bench, command: Command) -> Claim:
    """Return the claim of a frozen worker, whose order was released to be sent again."""
    zombie = claimed(bench, command)
    why = "taken for dead"
    bench.line.store(partial(submission._release, claim=zombie, why=why, costs_attempt=True))
    return zombie


def answered(bench: Bench, claim: Claim, ssl_id: int) -> None:
    """Record SCM's response under a claim."""
    answer = Enrolled(ssl_id=ssl_id, renew_id=None)
    store = partial(submission._record_answer, claim=claim, answer=answer)
    bench.line.store(partial(store, first_poll=timedelta(0)))


def test_the_same_command_id_in_another_spelling_is_the_same_order(bench: Bench) -> None:
    command_id = "0190abcd-0000-7000-8000-00000000000a"
    first = bench.place(command_id.upper())

    second = bench.place(command_id)

    assert first.id == second.id == command_id


def test_a_command_id_that_is_no_uuid_is_refused(bench: Bench) -> None:
    with pytest.raises(BadCommandError, match="'seven' is not a UUID"):
        bench.place("seven")

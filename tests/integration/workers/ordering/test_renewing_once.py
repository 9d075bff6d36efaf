"""Tests that a renewal may be requested repeatedly and is sent once; a forbidden one is not sent at all."""

import threading

import pytest

from certline.models import CommandStatus, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import RenewCommand
from certline.models.validation import BadCommandError
from certline.producers.requests.certificates import request_successor
from certline.workers.ordering.succession import plan
from tests.integration.workers.conftest import Bench
from tests.integration.workers.ordering.test_ordering import answered, taken_for_dead
from tests.integration.workers.succession import (
    RENEW,
    all_certificates,
    asked_from_outside,
    certificate_of,
    done_by_a_stranger,
    go_on,
    reissue,
    renewal,
    stored,
)


def test_a_second_renewal_names_the_one_that_is_open(bench: Bench) -> None:
    old = stored(bench)
    first = renewal(bench, old)

    second = renewal(bench, old)

    assert second.status is CommandStatus.DONE
    assert second.subject == first.subject
    assert (second.result or {})["already_ordered"]
    bench.run(first.id)
    bench.run(second.id)
    assert bench.calls(RENEW) == 1


def test_a_second_renewal_on_purpose_is_another_one(bench: Bench) -> None:
    old = stored(bench)
    first = renewal(bench, old)
    go_on(bench, 1)

    second = renewal(bench, old, again=True)
    go_on(bench)

    assert bench.calls(RENEW) == 2
    assert {bench.order(each).status for each in (first, second)} == {OrderStatus.STORED}
    active = [each for each in all_certificates(bench) if each.status == "active"]
    assert [each.supersedes_id for each in active] == [old.id]


def test_a_certificate_that_was_renewed_is_not_renewed_again(bench: Bench) -> None:
    old = stored(bench)
    wanted = RenewCommand(certificate=old.id)
    with bench.database.transaction() as db:
        planned = plan(db, wanted)
    first = renewal(bench, old)
    go_on(bench)
    newest = certificate_of(bench, first).id

    with (
        bench.database.transaction() as db,
        pytest.raises(BadCommandError, match=f"the newest of its line is {newest}"),
    ):
        plan(db, wanted)
    # Nor by somebody who had begun before the first one was stored.
    late = asked_from_outside(bench, "renew", {"certificate": old.id})
    material = planned.make_key(bench.line.vault)
    with (
        bench.database.transaction() as db,
        pytest.raises(BadCommandError, match=f"the newest of its line is {newest}"),
    ):
        planned.place(db, late, material, bench.line.vault)


def test_a_line_is_not_renewed_while_it_is_reissued(bench: Bench) -> None:
    old = stored(bench)
    going = reissue(bench, old)

    with (
        bench.database.transaction() as db,
        pytest.raises(BadCommandError, match=f"order {going.subject} .reissue, placed"),
    ):
        plan(db, RenewCommand(certificate=old.id))


def test_what_somebody_else_has_renewed_is_not_renewed_unasked(bench: Bench) -> None:
    old = stored(bench)
    done_by_a_stranger(bench, f"/ssl/v1/renewById/{old.scm_id}", {})

    command = renewal(bench, old)
    bench.run(command.id)

    assert bench.order(command).status is OrderStatus.REJECTED
    assert f"SCM says that {old.scm_id} was renewed" in (bench.order(command).error or "")
    assert bench.calls(RENEW) == 1
    on_purpose = renewal(bench, old, again=True)
    go_on(bench)
    assert bench.order(on_purpose).status is OrderStatus.STORED


def test_what_is_revoked_at_scm_is_not_renewed(bench: Bench) -> None:
    old = stored(bench)
    done_by_a_stranger(bench, f"/ssl/v1/revoke/{old.scm_id}", {"reasonCode": 1, "reason": "leaked"})

    command = renewal(bench, old)
    bench.run(command.id)

    assert bench.order(command).status is OrderStatus.REJECTED
    assert "its status of" in (bench.order(command).error or "")
    assert bench.calls(RENEW) == 0


def test_the_late_answer_of_a_zombie_saves_the_second_renewal(bench: Bench) -> None:
    old = stored(bench)
    command = renewal(bench, old)
    zombie = taken_for_dead(bench, command)

    answered(bench, zombie, 77)
    bench.make_due()
    bench.run(command.id)

    assert (bench.order(command).status, bench.order(command).scm_id) == (OrderStatus.PENDING, 77)
    assert bench.calls(RENEW) == 0


def test_what_cannot_be_renewed_is_refused_in_words(bench: Bench) -> None:
    command = asked_from_outside(bench, "renew", {"certificate": "nobody.nordhafen.example"})

    bench.run(command.id)

    ended = bench.command(command.id)
    assert ended.status is CommandStatus.FAILED
    assert "'nobody.nordhafen.example' is not known" in (ended.error or "")


def test_the_same_command_id_twice_is_one_renewal(bench: Bench) -> None:
    wanted = RenewCommand(certificate=stored(bench).id)
    command_id = "3f0e8a52-4c2e-4f57-9b80-5a8a9c6a0003"

    first, second = (
        request_successor(
            bench.database,
            bench.line.vault,
            wanted,
            requested_by=Identity("os:ida"),
            command_id=command_id,
        )
        for _ in range(2)
    )

    assert (first.new, second.new) == (True, False)
    assert first.command.subject == second.command.subject


def test_two_renewals_at_once_are_one_order(bench: Bench) -> None:
    old = stored(bench)
    commands = [asked_from_outside(bench, "renew", {"certificate": old.id}) for _ in range(2)]
    workers = [threading.Thread(target=bench.run, args=(each.id,)) for each in commands]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert {bench.command(each.id).subject for each in commands} != {None}
    assert len({bench.command(each.id).subject for each in commands}) == 1
    assert bench.calls(RENEW) == 1

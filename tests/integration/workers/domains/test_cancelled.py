"""Tests of validations that a person cancels: what was put in place is taken away, and no other begins at once."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from certline.models import Account, Command, CommandStatus, Domain, Outbox, ProviderKind
from certline.models.accounts.suspension import suspend
from certline.models.database.session import clock
from certline.models.states import ValidationOutcome, ValidationStage
from certline.producers.domains.automatic import plan_domains, run_automatic
from certline.producers.domains.cancellation import (
    CancelledValidation,
    NothingToCancelError,
    cancel_validations,
)
from certline.producers.domains.settings import enable_validation
from certline.workers.dns import Proof, ProofSight, Resolution, look
from certline.workers.dns.rfc2136 import DynamicUpdate
from certline.workers.domains import proof_stages
from tests.integration.workers.domains.conftest import DOMAIN, PERSON, SECONDS, Validations
from tests.integration.workers.succession import events_of
from tests.servers.process import until


def cancel(validations: Validations, *names: str, reason: str | None = None) -> CancelledValidation:
    """Cancel the validation of the domain, or of other names. Returns the first."""
    wanted = names or (DOMAIN,)
    return cancel_validations(validations.bench.database, wanted, reason=reason, who=PERSON)[0]


def waits_for_the_ca(validations: Validations) -> Command:
    """Validate as far as SCM, whose CA takes its time. Returns the command."""
    validations.bench.settings(dcv_after_ms=3_600_000)
    command = validations.request()

    def polls() -> bool:
        validations.bench.make_due()
        validations.bench.run(command.id)
        return validations.row(command).stage is ValidationStage.POLL

    until(polls, SECONDS)
    return command


def test_a_cancelled_validation_fails_and_its_record_is_taken_away(
    validations: Validations,
) -> None:
    command = waits_for_the_ca(validations)
    name = str(validations.row(command).proof_name)
    assert validations.dns.read(name, "CNAME")

    cancelled = cancel(validations, f"www.{DOMAIN}", reason="wrong method")
    # Nobody has waited: the command is due at once.
    ended = validations.bench.run(command.id)

    row = validations.row(command)
    assert (cancelled.domain, cancelled.withdraws, cancelled.commands) == (
        DOMAIN,
        True,
        [command.id],
    )
    assert "stays submitted" in cancelled.at_scm
    assert ended.status is CommandStatus.FAILED
    assert (ended.error or "").startswith("cancelled by os:test: wrong method. At SCM: ")
    assert (row.stage, row.outcome) == (ValidationStage.ENDED, ValidationOutcome.FAILED)
    assert validations.dns.read(name, "CNAME") == []
    assert [(each.type, each.who) for each in events_of(validations.bench, DOMAIN)][-2:] == [
        ("domain.validation_cancelled", "os:test"),
        ("domain.proof_withdrawn", "certline:worker"),
    ]


def test_a_cancelled_validation_is_an_event_as_one_that_failed(validations: Validations) -> None:
    command = waits_for_the_ca(validations)
    cancel(validations)

    with validations.bench.database.transaction() as db:
        query = select(Outbox.body).filter_by(routing_key="domain.validation_failed")
        (body,) = db.scalars(query).all()
    assert body["correlationid"] == command.id
    assert body["data"]["reason"].startswith("cancelled by os:test. At SCM: it stays submitted")


def test_the_next_validation_carries_on_what_stays_submitted(validations: Validations) -> None:
    first = waits_for_the_ca(validations)
    cancel(validations)
    validations.bench.run(first.id)
    second = validations.request()
    validations.bench.settings(dcv_after_ms=0)
    validations.bench.make_due()

    validations.bench.run(second.id)

    assert validations.row(second).submitted_at is not None
    assert validations.submissions() == 1


def test_a_validation_that_is_cancelled_while_it_looks_does_not_wait_for_the_next_look(
    validations: Validations, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = validations.request()

    def cancelled_meanwhile(proof: Proof, resolution: Resolution) -> ProofSight:
        cancel(validations)
        return look(proof, resolution)

    monkeypatch.setattr(proof_stages, "look", cancelled_meanwhile)
    with validations.dns.down(validations.dns.secondary):
        ended = validations.bench.run(command.id)

    assert ended.status is CommandStatus.FAILED
    assert validations.dns.read(str(validations.row(command).proof_name), "CNAME") == []


def test_a_record_that_was_written_and_not_stored_is_taken_away_too(
    validations: Validations, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(Exception):
        pass

    publish = DynamicUpdate.publish

    def die_afterwards(provider: DynamicUpdate, proof: Proof) -> None:
        publish(provider, proof)
        raise KilledError

    monkeypatch.setattr(DynamicUpdate, "publish", die_afterwards)
    command = validations.request()
    with pytest.raises(KilledError):
        validations.bench.run(command.id)
    name = str(validations.row(command).proof_name)
    assert validations.dns.read(name, "CNAME")

    assert cancel(validations).withdraws
    ended = validations.bench.run(command.id)

    assert ended.status is CommandStatus.FAILED
    assert validations.dns.read(name, "CNAME") == []


def test_a_record_that_is_being_written_while_its_validation_is_cancelled_is_taken_away(
    validations: Validations, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = DynamicUpdate.publish

    def cancelled_meanwhile(provider: DynamicUpdate, proof: Proof) -> None:
        publish(provider, proof)
        cancel(validations)

    monkeypatch.setattr(DynamicUpdate, "publish", cancelled_meanwhile)
    command = validations.request()

    ended = validations.bench.run(command.id)

    assert ended.status is CommandStatus.FAILED
    assert validations.dns.read(str(validations.row(command).proof_name), "CNAME") == []


def test_what_a_person_should_make_is_left_to_the_person(validations: Validations) -> None:
    validations.remove_provider()
    validations.add_provider("people", kind=ProviderKind.MANUAL)
    command = validations.request()
    validations.bench.run(command.id)

    cancelled = cancel(validations)
    ended = validations.bench.run(command.id)

    assert not cancelled.withdraws
    assert "stays started" in cancelled.at_scm
    assert ended.status is CommandStatus.FAILED


def test_a_validation_that_has_not_begun_is_cancelled_with_those_that_wait_behind_it(
    validations: Validations,
) -> None:
    first, second = validations.request(), validations.from_outside(f"www.{DOMAIN}")

    cancelled = cancel(validations)

    assert list(cancelled.commands) == [first.id, second.id]
    for command in (first, second):
        ended = validations.bench.command(command.id)
        assert ended.status is CommandStatus.FAILED
        assert "cancelled by os:test, before it had begun" in (ended.error or "")
    assert validations.bench.run_due() == 0


def test_commands_that_wait_for_a_cancelled_validation_do_not_begin_another(
    validations: Validations,
) -> None:
    first = waits_for_the_ca(validations)
    second = validations.from_outside()
    validations.bench.run(second.id)

    assert list(cancel(validations).commands) == [first.id, second.id]
    assert validations.bench.command(second.id).status is CommandStatus.FAILED


def test_an_account_that_scm_refuses_does_not_keep_the_record_in_place(
    validations: Validations,
) -> None:
    command = waits_for_the_ca(validations)
    with validations.bench.database.transaction() as db:
        suspend(db, db.scalars(select(Account)).one(), "Unknown user")
    cancel(validations)

    assert validations.bench.run(command.id).status is CommandStatus.FAILED
    assert validations.dns.read(str(validations.row(command).proof_name), "CNAME") == []


def test_automatic_validation_does_not_begin_a_cancelled_validation_at_once(
    validations: Validations,
) -> None:
    with validations.bench.database.transaction() as db:
        soon = clock(db).date() + timedelta(days=2)
        db.execute(update(Domain).values(validation_expires=soon, validated_on=None))
        enable_validation(db, db.scalars(select(Account)).one(), days=30, cap=None, who=PERSON)
        run_automatic(db)
        command = db.scalars(select(Command).filter_by(subject=DOMAIN)).one()
    cancel(validations)

    with validations.bench.database.transaction() as db:
        run_automatic(db)
        (planned,) = [each for each in plan_domains(db) if each.domain == DOMAIN]
        assert db.scalars(select(Command.id).filter_by(subject=DOMAIN)).all() == [command.id]
    assert planned.verdict is not None
    assert "failed 1 times, last: cancelled by os:test" in planned.verdict[1]


def test_what_is_over_or_never_began_is_not_cancelled(validations: Validations) -> None:
    with pytest.raises(NothingToCancelError, match="is not being validated"):
        cancel(validations)
    validations.run_to_the_end(validations.request())

    with pytest.raises(NothingToCancelError, match="is not being validated"):
        cancel(validations)


def test_a_validation_whose_record_is_being_taken_away_is_over(validations: Validations) -> None:
    command = waits_for_the_ca(validations)
    cancel(validations)

    with pytest.raises(NothingToCancelError, match="its proof is being taken away"):
        cancel(validations)
    assert validations.row(command).stage is ValidationStage.WITHDRAW


def test_what_is_cancelled_behind_a_validation_that_is_over_leaves_its_proof_to_the_worker(
    validations: Validations,
) -> None:
    waits_for_the_ca(validations)
    cancel(validations)
    second = validations.request()

    cancelled = cancel(validations)

    assert list(cancelled.commands) == [second.id]
    assert cancelled.proof == (
        "The validation before it is over, and its proof is being taken away"
    )

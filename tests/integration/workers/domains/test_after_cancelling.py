"""Tests of what follows a cancelled validation: the next one, and what SCM goes on with all the same."""

from typing import Any

import pytest
from sqlalchemy import select, update

from certline.models import CommandStatus, DnsProvider, Domain, Schedule, Validation
from certline.models.domains.outcome import AUTO_RENEW_SCHEDULE
from certline.models.domains.provider import canonical
from certline.models.states import ValidationMethod, ValidationOutcome, ValidationStage
from certline.workers.scm import DcvOrderStatus, DcvState, ScmClient
from tests.integration.workers.domains.conftest import DOMAIN, Validations
from tests.integration.workers.domains.test_cancelled import cancel, waits_for_the_ca
from tests.integration.workers.succession import events_of


def cancelled_during(
    validations: Validations, monkeypatch: pytest.MonkeyPatch, stage: ValidationStage
) -> list[str]:
    """Cancel the validation once SCM has been asked for its state in a stage, and no CA is looking any more.

    Returns what remains there.
    """
    ask, said = ScmClient.validation_status, list[str]()

    def ask_and_cancel(scm: ScmClient, domain: str) -> DcvState:
        state = ask(scm, domain)
        with validations.bench.database.transaction() as db:
            is_there = db.scalars(select(Validation.stage)).first() is stage
        if is_there and not said and state.order_status is not DcvOrderStatus.SUBMITTED:
            said.append(cancel(validations).at_scm)
        return state

    monkeypatch.setattr(ScmClient, "validation_status", ask_and_cancel)
    return said


@pytest.mark.parametrize("fields", [{}, {"method": "txt"}])
def test_a_validation_that_is_typed_after_a_cancellation_begins_once_the_proof_is_gone(
    validations: Validations, fields: dict[str, Any]
) -> None:
    first = validations.request()
    with validations.dns.down(validations.dns.host):
        validations.bench.run(first.id)
    cancel(validations)
    assert validations.row(first).stage is ValidationStage.PUBLISH

    second = validations.request(**fields)
    assert second.id != first.id
    assert validations.bench.run(second.id).status is CommandStatus.QUEUED
    validations.bench.run(first.id)

    assert validations.run_to_the_end(second).status is CommandStatus.DONE
    assert validations.row(second).method is ValidationMethod(fields.get("method", "cname"))


def test_nothing_is_submitted_that_was_cancelled_before(
    validations: Validations, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = cancelled_during(validations, monkeypatch, ValidationStage.SUBMIT)
    command = validations.request()

    ended = validations.run_to_the_end(command)

    assert ended.status is CommandStatus.FAILED
    assert said[0].startswith("it may have been submitted")
    assert "At SCM: it may have been submitted" in (ended.error or "")
    assert validations.submissions() == 0


def test_a_proof_that_the_ca_has_found_as_its_validation_was_cancelled_counts(
    validations: Validations, monkeypatch: pytest.MonkeyPatch
) -> None:
    with validations.bench.database.transaction() as db:
        db.execute(update(Domain).values(validation_status="EXPIRED", validation_expires=None))
        before = db.scalars(select(Schedule.next_due).filter_by(name=AUTO_RENEW_SCHEDULE)).one()
    said = cancelled_during(validations, monkeypatch, ValidationStage.POLL)
    command = validations.request()

    ended = validations.run_to_the_end(command)

    row = validations.row(command)
    assert said
    assert (ended.status, row.outcome) == (CommandStatus.FAILED, ValidationOutcome.FAILED)
    with validations.bench.database.transaction() as db:
        domain = db.scalars(select(Domain).filter_by(name=DOMAIN)).one()
        due = db.scalars(select(Schedule.next_due).filter_by(name=AUTO_RENEW_SCHEDULE)).one()
    assert (domain.validation_status, domain.validation_expires) == ("VALIDATED", row.expires)
    assert due != before
    validated = [
        each for each in events_of(validations.bench, DOMAIN) if each.type == "domain.validated"
    ]
    assert [each.why for each in validated] == ["the CA had found the proof already"]


def test_what_was_submitted_is_said_to_keep_its_method(validations: Validations) -> None:
    first = waits_for_the_ca(validations)

    assert "unless it is cleared in SCM's portal" in validations.row(first).way_out
    assert "by cname, unless it is cleared in SCM's portal" in cancel(validations).at_scm


def test_a_validation_that_carries_on_another_method_says_whose_it_is(
    validations: Validations,
) -> None:
    validations.submit_in_the_portal()
    command = validations.request(method="txt")

    ended = validations.run_to_the_end(command)

    assert validations.row(command).is_adopted
    assert ended.result is not None
    assert ended.result["method"] == "cname"
    assert (
        ended.result["said"]
        == "validated by cname, not as asked for: SCM had that submitted already"
    )


def test_once_cleared_at_scm_the_next_validation_has_the_method_that_is_asked_for(
    validations: Validations,
) -> None:
    first = waits_for_the_ca(validations)
    cancel(validations)
    validations.bench.run(first.id)
    validations.bench.line.scm(validations.bench.account()).clear_validation(DOMAIN)
    second = validations.request(method="txt")

    validations.bench.run(second.id)

    assert validations.row(second).method is ValidationMethod.TXT
    assert not validations.row(second).is_adopted


def test_a_provider_that_keeps_its_proofs_is_not_said_to_take_them_away(
    validations: Validations,
) -> None:
    waits_for_the_ca(validations)
    with validations.bench.database.transaction() as db:
        provider = db.scalars(select(DnsProvider)).one()
        provider.settings_json = canonical(provider.settings | {"keep": True})

    cancelled = cancel(validations)

    assert not cancelled.withdraws
    assert cancelled.proof == "What was put in place stays there, as the provider zone keeps it"

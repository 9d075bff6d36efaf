"""Tests of the validation of a domain: proof, look, submission, and what is left afterwards."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from certline.models import CommandStatus, Domain, Outbox
from certline.models.states import ValidationOutcome, ValidationStage
from certline.workers.scm.transport.json_reader import Row
from tests.integration.workers.domains.conftest import DOMAIN, Validations
from tests.integration.workers.succession import events_of


def published(validations: Validations, kind: str) -> list[str]:
    """Return the domains of the events of a type, the oldest first."""
    with validations.bench.database.transaction() as db:
        bodies = db.scalars(
            select(Outbox.body).filter_by(routing_key=kind).order_by(Outbox.id)
        ).all()
    return [body["data"]["domain"] for body in bodies]


def test_a_domain_is_validated_by_a_record_that_is_gone_afterwards(
    validations: Validations,
) -> None:
    command = validations.request()

    ended = validations.run_to_the_end(command)

    row = validations.row(command)
    assert ended.status is CommandStatus.DONE, ended.error
    assert (row.stage, row.outcome, row.dns) == (
        ValidationStage.ENDED,
        ValidationOutcome.VALIDATED,
        "zone",
    )
    assert row.proof_name is not None
    assert validations.dns.read(row.proof_name, "CNAME") == []
    assert row.before is not None
    assert row.expires is not None
    assert ended.result == {
        "validation_id": row.id,
        "domain": DOMAIN,
        "account": "demo",
        "method": "cname",
        "expires": row.expires.isoformat(),
        "renewed": True,
        "said": None,
    }


def test_each_stage_is_an_entry_of_the_audit_log(validations: Validations) -> None:
    command = validations.request()
    validations.run_to_the_end(command)

    assert [each.type for each in events_of(validations.bench, DOMAIN)] == [
        "domain.validation_started",
        "domain.proof_published",
        "domain.proof_seen",
        "domain.validation_submitted",
        "domain.validated",
        "domain.proof_withdrawn",
    ]


def test_the_catalogue_knows_the_new_end_before_the_next_sync(validations: Validations) -> None:
    command = validations.request()
    validations.run_to_the_end(command)

    row = validations.row(command)
    with validations.bench.database.transaction() as db:
        found = db.scalars(select(Domain).where(Domain.name.in_([DOMAIN, f"*.{DOMAIN}"]))).all()
    assert {each.validation_expires for each in found} == {row.expires}
    # The simulator's day, which may be the one before if midnight has just passed.
    (made,) = {each.validated_on for each in found}
    assert row.ended_at is not None
    assert made is not None
    assert row.ended_at.date() - made <= timedelta(days=1)


def test_the_day_of_a_validation_stays_known_where_the_domain_does_not_say_it(
    validations: Validations, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Row.day
    unsaid = "dcvValidation"
    monkeypatch.setattr(Row, "day", lambda row, key: None if key == unsaid else read(row, key))
    command = validations.request()
    validations.run_to_the_end(command)
    validations.bench.sync()

    row = validations.row(command)
    with validations.bench.database.transaction() as db:
        found = db.scalars(select(Domain).where(Domain.name == DOMAIN)).one()
    assert row.ended_at is not None
    # The simulator's day, which may be the one before if midnight has just passed.
    assert found.validated_on is not None
    assert row.ended_at.date() - found.validated_on <= timedelta(days=1)


def test_an_address_that_may_not_confirm_is_refused_with_those_that_may(
    validations: Validations,
) -> None:
    command = validations.request(method="email", email="ida@elsewhere.example")

    refused = validations.run_to_the_end(command)

    assert refused.status is CommandStatus.FAILED
    said = f"ida@elsewhere.example is none of the addresses that may confirm {DOMAIN}: admin"
    assert said in (refused.error or "")


def test_an_event_tells_that_a_domain_is_validated(validations: Validations) -> None:
    command = validations.request()
    validations.run_to_the_end(command)

    assert published(validations, "domain.validated") == [DOMAIN]

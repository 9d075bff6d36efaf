"""Tests of where a validation's proof goes: by which provider, by hand, along aliases, and what is in its way."""

import pytest
from sqlalchemy import select

from certline.models import CommandStatus, Outbox, ProviderKind, Validation
from certline.models.states import ValidationStage
from certline.workers.dns import DnsTryLater
from certline.workers.domains import place
from certline.workers.domains.proof_stages import MOST_ALIAS_TRIES
from tests.integration.workers.domains.conftest import ALIAS, DOMAIN, Validations


def test_a_txt_record_is_published_after_the_submission_that_names_it(
    validations: Validations,
) -> None:
    command = validations.request(method="txt")

    ended = validations.run_to_the_end(command)

    row = validations.row(command)
    assert ended.status is CommandStatus.DONE, ended.error
    assert row.submitted_at is not None
    assert row.published_at is not None


def test_a_person_is_told_which_record_to_make_and_the_line_sees_it_by_itself(
    validations: Validations,
) -> None:
    validations.remove_provider()
    validations.add_provider("people", kind=ProviderKind.MANUAL)
    command = validations.bench.run(validations.request().id)

    row = validations.row(command)
    assert (command.status, row.stage) == (CommandStatus.QUEUED, ValidationStage.LOOK)
    assert row.proof_name is not None
    assert row.proof_name in (command.error or "")
    with validations.bench.database.transaction() as db:
        told = db.scalars(select(Outbox.body).filter_by(routing_key="domain.validation_waiting"))
        assert [each["data"]["record"] for each in told] == [row.proof_name]

    validations.dns.add(row.proof_name, "CNAME", f"{row.proof_value}.")
    ended = validations.run_to_the_end(command)
    assert ended.status is CommandStatus.DONE
    assert validations.dns.read(row.proof_name, "CNAME") == [f"{row.proof_value}."]


def test_where_no_resolver_knows_the_zone_a_person_is_told_after_some_tries(
    validations: Validations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> str:
        raise DnsTryLater(f"no resolver knows {DOMAIN}")

    validations.remove_provider()
    monkeypatch.setattr(place, "destination", unknown)
    command = validations.request()

    stages = []
    for _ in range(MOST_ALIAS_TRIES + 1):
        validations.bench.make_due()
        validations.bench.run(command.id)
        stages.append(validations.row(command).stage)

    assert stages == [ValidationStage.PUBLISH] * MOST_ALIAS_TRIES + [ValidationStage.LOOK]
    assert validations.row(command).needs_person


def test_what_a_program_printed_that_failed_is_kept_with_the_command_that_the_error_names(
    validations: Validations,
) -> None:
    validations.remove_provider()
    script = "echo 'knsupdate: not found'; exit 127"
    validations.add_provider("own", kind=ProviderKind.COMMAND, command=f'sh -c "{script}"')

    ended = validations.run_to_the_end(validations.request())

    assert ended.status is CommandStatus.FAILED
    assert "ended with exit code 127" in (ended.error or "")
    assert f"What it printed: certline command show {ended.id}" in (ended.error or "")
    assert ended.result == {"output": "knsupdate: not found\n"}


def test_a_record_of_somebody_else_at_the_name_ends_the_validation(
    validations: Validations,
) -> None:
    name = validations.proof_name()
    validations.dns.add(name, "CNAME", f"elsewhere.{ALIAS}.")
    command = validations.request()

    ended = validations.run_to_the_end(command)

    assert ended.status is CommandStatus.FAILED
    assert f"elsewhere.{ALIAS}" in (ended.error or "")
    assert validations.dns.read(name, "CNAME") == [f"elsewhere.{ALIAS}."]


def test_a_proof_is_written_at_the_end_of_an_alias(validations: Validations) -> None:
    # The domain's own zone is nobody's whom certline may change; an alias in it leads to a zone of proofs.
    validations.remove_provider()
    name = validations.proof_name()
    alias = f"proof.{ALIAS}"
    validations.dns.add(name, "CNAME", f"{alias}.")
    validations.add_provider("proofs", (ALIAS, DOMAIN))
    command = validations.request(dns="proofs")

    ended = validations.run_to_the_end(command)

    row = validations.row(command)
    assert ended.status is CommandStatus.DONE, ended.error
    assert (row.proof_name, row.proof_at) == (name, alias)
    assert validations.dns.read(name, "CNAME") == [f"{alias}."]


def test_a_provider_whose_zones_lack_the_domain_is_refused_before_scm_is_told(
    validations: Validations,
) -> None:
    validations.add_provider("proofs", (ALIAS,))

    refused = validations.bench.run(validations.from_outside(dns="proofs").id)

    assert refused.status is CommandStatus.FAILED
    assert f"{DOMAIN} lies in none of the zones of 'proofs' ({ALIAS})" in (refused.error or "")
    with validations.bench.database.transaction() as db:
        assert db.scalars(select(Validation)).all() == []


def test_a_provider_that_is_away_delays_the_validation(validations: Validations) -> None:
    with validations.dns.down(validations.dns.host):
        command = validations.bench.run(validations.request().id)
        waiting = validations.row(command)

    assert command.status is CommandStatus.QUEUED
    assert waiting.stage is ValidationStage.PUBLISH
    assert validations.run_to_the_end(command).status is CommandStatus.DONE

"""Tests of validations that are interrupted, repeated or refused: nothing is done twice, and all is explained."""

import json

import pytest
from sqlalchemy import func, select

from certline.models import Command, CommandStatus, Outbox, Validation
from certline.models.states import ValidationOutcome, ValidationStage
from certline.models.validation import BadCommandError
from certline.producers.domains.providers import remove_provider
from certline.workers.scm.transport.json_reader import Row
from tests.integration.workers.domains.conftest import DOMAIN, PERSON, SECONDS, Validations
from tests.servers.process import until

SUBMIT = r"/validation/submit/"
START = r"/validation/start/"
STATUS = r"/validation/status"


@pytest.mark.parametrize("path", [STATUS, START, SUBMIT])
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_call_whose_answer_is_lost_is_looked_up_and_made_once(
    validations: Validations, path: str, kind: str
) -> None:
    validations.bench.fault("POST", path, kind)
    command = validations.request()

    ended = validations.run_to_the_end(command)

    assert ended.status is CommandStatus.DONE, ended.error
    assert validations.row(command).outcome is ValidationOutcome.VALIDATED
    # A submission that SCM has not seen is made again, and no other.
    assert validations.submissions() == (2 if (path, kind) == (SUBMIT, "drop_before") else 1)


def test_a_second_command_waits_for_the_first_and_does_nothing_more(
    validations: Validations,
) -> None:
    first = validations.request()
    second = validations.from_outside()
    with validations.dns.down(validations.dns.host):
        validations.bench.run(first.id)
        assert validations.bench.run(second.id).status is CommandStatus.QUEUED

    validations.run_to_the_end(first)
    ended = validations.run_to_the_end(second)

    assert ended.status is CommandStatus.DONE
    assert ended.result is not None
    assert ended.result["renewed"] is False
    assert validations.submissions() == 1


def test_asking_again_at_the_command_line_returns_the_command_under_way(
    validations: Validations,
) -> None:
    first = validations.request()
    with validations.dns.down(validations.dns.host):
        validations.bench.run(first.id)

    assert validations.request().id == first.id


def test_a_validation_that_lasts_long_enough_is_not_renewed(validations: Validations) -> None:
    command = validations.request(within=1)

    ended = validations.run_to_the_end(command)

    assert ended.status is CommandStatus.DONE
    assert validations.row(command).outcome is ValidationOutcome.NOT_NEEDED
    assert validations.submissions() == 0


@pytest.mark.parametrize(
    ("code", "said"),
    [(-3, "privilege"), (-1608, "DCV"), (-723, "high-level"), (-727, "not found")],
)
def test_what_scm_refuses_ends_the_validation_with_the_reason(
    validations: Validations, code: int, said: str
) -> None:
    words = {
        -3: "You are not authorized to perform DCV validation.",
        -1608: "DCV is not enabled for the customer.",
        -723: "DCV is possible for high-level domains only.",
        -727: "Domain not found.",
    }
    body = json.dumps({"code": code, "description": words[code]})
    validations.bench.fault("POST", START, "status", status=400, body=body)

    ended = validations.run_to_the_end(validations.request())

    assert ended.status is CommandStatus.FAILED
    assert said.lower() in (ended.error or "").lower()


def test_a_failed_command_of_another_system_names_its_domain_in_the_event(
    validations: Validations,
) -> None:
    body = json.dumps({"code": -727, "description": "Domain not found."})
    validations.bench.fault("POST", START, "status", status=400, body=body)

    ended = validations.run_to_the_end(validations.from_outside())

    failed = select(Outbox).where(Outbox.routing_key == "command.failed")
    with validations.bench.database.transaction() as db:
        (event,) = db.scalars(failed)
    assert ended.subject == DOMAIN
    assert event.body["subject"] == DOMAIN


def test_a_validation_that_was_submitted_in_the_portal_is_carried_on(
    validations: Validations,
) -> None:
    validations.submit_in_the_portal()
    command = validations.request()

    ended = validations.run_to_the_end(command)

    assert ended.status is CommandStatus.DONE
    assert validations.row(command).published_at is not None
    assert validations.submissions() == 1


def test_a_domain_that_nobody_knows_is_refused_before_anything_is_sent(
    validations: Validations,
) -> None:
    with pytest.raises(BadCommandError, match=r"is in no domain"):
        validations.request("stranger.example")


def test_an_unknown_provider_of_another_systems_command_is_refused_with_those_that_are_known(
    validations: Validations,
) -> None:
    refused = validations.bench.run(validations.from_outside(dns="zonne").id)

    assert refused.status is CommandStatus.FAILED
    assert refused.error == "dns: 'zonne' is no provider; there are: zone"


def test_a_typed_validation_whose_provider_was_removed_meanwhile_is_left_to_a_person(
    validations: Validations,
) -> None:
    command = validations.request(dns="zone")
    validations.bench.sync()
    remove_provider(validations.bench.database, "zone", who=PERSON, force=True)

    assert validations.bench.run(command.id).status is CommandStatus.QUEUED


def test_an_end_that_stays_the_same_and_no_day_are_said_to_leave_it_open_what_has_happened(
    validations: Validations, monkeypatch: pytest.MonkeyPatch
) -> None:
    validations.bench.settings(dcv_after_ms=3_600_000)
    command = validations.request()
    until(lambda: _polls(validations, command), SECONDS)
    validations.bench.line.scm(validations.bench.account()).clear_validation(DOMAIN)
    read, unsaid = Row.day, "validationDate"
    monkeypatch.setattr(Row, "day", lambda row, key: None if key == unsaid else read(row, key))

    ended = validations.run_to_the_end(command)

    assert ended.status is CommandStatus.FAILED
    assert "does not say on which day it was validated" in (ended.error or "")
    assert "or completed without a later end" in (ended.error or "")


def _polls(validations: Validations, command: Command) -> bool:
    validations.bench.make_due()
    validations.bench.run(command.id)
    return validations.row(command).stage is ValidationStage.POLL


def test_a_name_below_a_domain_stands_for_the_domain(validations: Validations) -> None:
    command = validations.request(f"www.{DOMAIN}")

    assert command.subject == DOMAIN
    assert validations.run_to_the_end(command).status is CommandStatus.DONE


def test_a_domain_has_one_open_validation(validations: Validations) -> None:
    first, second = validations.request(), validations.from_outside()
    with validations.dns.down(validations.dns.host):
        validations.bench.run(first.id)
        validations.bench.run(second.id)

    with validations.bench.database.transaction() as db:
        assert db.scalar(select(func.count()).select_from(Validation)) == 1

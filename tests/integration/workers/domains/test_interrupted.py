"""Tests of validations that are interrupted, repeated or refused: nothing is done twice, and all is explained."""

import json

import pytest
from sqlalchemy import func, select

from certline.models import CommandStatus, Validation
from certline.models.states import ValidationOutcome
from certline.models.validation import BadCommandError
from tests.integration.workers.domains.conftest import DOMAIN, Validations

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

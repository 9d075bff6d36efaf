"""Tests of the course of a validation: what is done next, and how long a stage waits."""

from datetime import timedelta

import pytest

from certline.models.domains.course import (
    ValidationProgress,
    look_pause,
    next_stage,
    patience,
    poll_pause,
    waits_for,
    waits_for_person,
)
from certline.models.states import ValidationMethod, ValidationStage

NOTHING = ValidationProgress(
    method=ValidationMethod.CNAME,
    started=False,
    has_proof=False,
    published=False,
    seen=False,
    submitted=False,
    is_over=False,
    withdrawn=False,
)
FACTS = {
    ValidationStage.START: ("started",),
    ValidationStage.PUBLISH: ("published",),
    ValidationStage.LOOK: ("seen",),
    ValidationStage.SUBMIT: ("submitted",),
    ValidationStage.POLL: ("is_over",),
    ValidationStage.WITHDRAW: ("withdrawn",),
}


def course_of(method: ValidationMethod, proof_from: ValidationStage | None) -> list[str]:
    """Return the stages of a validation, whose proof is known after one of them."""
    done, stages = {**vars(NOTHING), "method": method}, []
    while (stage := next_stage(ValidationProgress(**done))) is not ValidationStage.ENDED:
        stages.append(stage.value)
        done |= dict.fromkeys(FACTS[stage], True)
        done["has_proof"] = done["has_proof"] or stage is proof_from
    return stages


@pytest.mark.parametrize("method", ["cname", "http", "https"])
def test_a_proof_is_seen_before_the_ca_is_told_to_look(method: str) -> None:
    assert course_of(ValidationMethod(method), ValidationStage.START) == [
        *("start", "publish", "look", "submit", "poll", "withdraw")
    ]


def test_a_txt_record_that_scm_names_late_is_published_after_the_submission() -> None:
    assert course_of(ValidationMethod.TXT, ValidationStage.SUBMIT) == [
        *("start", "submit", "publish", "look", "poll", "withdraw")
    ]


def test_a_txt_record_that_scm_names_at_once_is_published_before() -> None:
    assert course_of(ValidationMethod.TXT, ValidationStage.START) == [
        *("start", "publish", "look", "submit", "poll", "withdraw")
    ]


def test_with_mail_nothing_is_put_in_place() -> None:
    assert course_of(ValidationMethod.EMAIL, None) == ["start", "submit", "poll"]


def test_what_has_failed_before_it_was_published_leaves_nothing_to_take_away() -> None:
    failed = ValidationProgress(**{**vars(NOTHING), "started": True, "is_over": True})

    assert next_stage(failed) is ValidationStage.ENDED


def test_looks_and_polls_become_rarer_up_to_a_limit() -> None:
    looks = [look_pause(number, by_hand=False).total_seconds() for number in (1, 2, 3, 100, 10_000)]
    polls = [poll_pause(number).total_seconds() for number in (1, 2, 3, 100)]

    assert looks == [2, 4, 8, 300, 300]
    assert polls == [10, 20, 40, 600]
    assert look_pause(100, by_hand=True) == timedelta(minutes=15)


def test_a_person_has_more_time_than_a_provider() -> None:
    look = ValidationStage.LOOK

    assert patience(ValidationMethod.CNAME, look, by_hand=False) == timedelta(days=2)
    assert patience(ValidationMethod.CNAME, look, by_hand=True) == timedelta(days=14)
    assert patience(ValidationMethod.EMAIL, ValidationStage.POLL, by_hand=True) == timedelta(
        days=14
    )


@pytest.mark.parametrize(
    ("method", "stage", "by_hand", "words", "person"),
    [
        ("cname", "start", False, "SCM, which names the CNAME record", False),
        ("txt", "look", True, "a person, who makes the TXT record", True),
        ("http", "look", False, "the file to be seen", False),
        ("cname", "look", False, "the CNAME record to be seen by all name servers", False),
        ("email", "poll", False, "a person, who answers the CA's mail", True),
        ("cname", "poll", True, "the CA, which looks for the proof", False),
        ("cname", "ended", False, None, False),
    ],
)
def test_what_a_validation_waits_for_is_said(
    method: str, stage: str, by_hand: bool, words: str | None, person: bool
) -> None:
    wanted = ValidationMethod(method), ValidationStage(stage)

    assert waits_for(*wanted, by_hand=by_hand) == words
    assert waits_for_person(*wanted, by_hand=by_hand) is person


def test_each_stage_of_each_method_waits_for_something() -> None:
    stages = set(ValidationStage) - {ValidationStage.ENDED}

    assert all(
        waits_for(method, stage, by_hand=False) for method in ValidationMethod for stage in stages
    )

"""The course of a domain's validation: what is done next, and how long each stage may wait. Pure functions."""

from dataclasses import dataclass
from datetime import timedelta

from certline.models.states import ValidationMethod, ValidationStage

# How long a proof is looked for that a provider has published, and one that a person makes.
LOOK_FOR = timedelta(days=2)
LOOK_FOR_BY_HAND = timedelta(days=14)
# How long the CA may take to find a proof that we see, and a person to answer its mail.
POLL_FOR = timedelta(days=3)
POLL_FOR_BY_MAIL = timedelta(days=14)

# Seconds of the first and of the longest wait between two looks, and between two polls.
FIRST_LOOK, MOST_LOOK, MOST_LOOK_BY_HAND = 2.0, 300.0, 900.0
FIRST_POLL, MOST_POLL = 10.0, 600.0
# How the proof of each method is called; with e-mail there is none.
PROOFS = {
    ValidationMethod.CNAME: "CNAME record",
    ValidationMethod.TXT: "TXT record",
    ValidationMethod.HTTP: "file",
    ValidationMethod.HTTPS: "file",
}
# Doublings after which every wait has reached its most; a larger exponent would overflow.
MOST_DOUBLINGS = 20


@dataclass(frozen=True)
class ValidationProgress:
    """Progress of a validation so far. `has_proof`: SCM has said what has to be found; `is_over`: it has ended."""

    method: ValidationMethod
    started: bool
    has_proof: bool
    published: bool
    seen: bool
    submitted: bool
    is_over: bool
    withdrawn: bool


def next_stage(done: ValidationProgress) -> ValidationStage:
    """Return what is done next.

    The CA is told to look once we see the proof ourselves, because it may refuse a proof that it does not find.
    Older hosts of SCM name a TXT record only in their answer to the submission (SCM document: DCV), so there it
    is published after that. With e-mail a person answers the CA's mail, and nothing has to be put in place.
    """
    if done.is_over:
        left = done.published and not done.withdrawn
        return ValidationStage.WITHDRAW if left else ValidationStage.ENDED
    if not done.started:
        return ValidationStage.START
    if done.method is not ValidationMethod.EMAIL and done.has_proof:
        if not done.published:
            return ValidationStage.PUBLISH
        if not done.seen:
            return ValidationStage.LOOK
    return ValidationStage.POLL if done.submitted else ValidationStage.SUBMIT


def waits_for_person(method: ValidationMethod, stage: ValidationStage, *, by_hand: bool) -> bool:
    """Return True if a person has to act: to put the proof in place, or to answer the CA's mail."""
    if stage is ValidationStage.POLL:
        return method is ValidationMethod.EMAIL
    return by_hand and stage is ValidationStage.LOOK


def waits_for(method: ValidationMethod, stage: ValidationStage, *, by_hand: bool) -> str | None:
    """Return what a validation waits for in its present stage, in words; None if it has ended."""
    proof = PROOFS.get(method, "proof")
    person = {
        ValidationStage.LOOK: f"a person, who makes the {proof}",
        ValidationStage.POLL: "a person, who answers the CA's mail",
    }
    if waits_for_person(method, stage, by_hand=by_hand):
        return person[stage]
    return {
        ValidationStage.START: f"SCM, which names the {proof}",
        ValidationStage.PUBLISH: f"the provider, which puts the {proof} in place",
        ValidationStage.LOOK: f"the {proof} to be seen by all name servers"
        if proof.endswith("record")
        else f"the {proof} to be seen",
        ValidationStage.SUBMIT: "SCM, which has the CA look",
        ValidationStage.POLL: "the CA, which looks for the proof",
        ValidationStage.WITHDRAW: f"the provider, which takes the {proof} away",
    }.get(stage)


def look_pause(looks: int, *, by_hand: bool) -> timedelta:
    """Return the wait after the n-th look that found no proof: 2 seconds, doubling to 5 minutes (by hand: 15)."""
    most = MOST_LOOK_BY_HAND if by_hand else MOST_LOOK
    return timedelta(seconds=_doubled(FIRST_LOOK, looks, most))


def poll_pause(polls: int) -> timedelta:
    """Return the wait after the n-th poll that found the CA still looking: 10 seconds, doubling to 10 minutes."""
    return timedelta(seconds=_doubled(FIRST_POLL, polls, MOST_POLL))


def patience(method: ValidationMethod, stage: ValidationStage, *, by_hand: bool) -> timedelta:
    """Return how long a stage that waits may take before the validation fails."""
    if stage is ValidationStage.POLL:
        return POLL_FOR_BY_MAIL if method is ValidationMethod.EMAIL else POLL_FOR
    return LOOK_FOR_BY_HAND if by_hand else LOOK_FOR


def _doubled(first: float, times: int, most: float) -> float:
    doublings = min(max(times - 1, 0), MOST_DOUBLINGS)
    return min(most, first * float(2**doublings))

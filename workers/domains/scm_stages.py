"""Stages of a validation at SCM: start it, submit it, ask what the CA found."""

from datetime import timedelta
from functools import partial
from shlex import quote

from sqlalchemy.orm import Session

from certline.models.database.session import clock
from certline.models.domains.course import poll_pause
from certline.models.domains.outcome import (
    complete,
    complete_cancelled,
    not_needed,
    note_validation,
)
from certline.models.domains.validation import Validation, go_on, locked_validation
from certline.models.states import ValidationMethod, ValidationOutcome, ValidationStage
from certline.workers.domains.task import ValidationTask, later, require_patience
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, reading_scm
from certline.workers.scm import (
    DcvMethod,
    DcvOrderStatus,
    DcvProof,
    DcvState,
    DcvStatus,
    Refused,
    ScmClient,
)

OPEN_AT_SCM = frozenset({DcvOrderStatus.AWAITING_SUBMISSION, DcvOrderStatus.SUBMITTED})


def start(context: WorkerContext, task: ValidationTask) -> ValidationTask:
    """Ask SCM for the proof, unless the present validation lasts long enough. Raises TryLater, GiveUp.

    A validation that was submitted at SCM already, by whomever, is not started again: it is carried on.
    """
    scm, row = context.scm(task.account), task.row
    with reading_scm(task.account, task.attempts, MOST_TRIES):
        state = scm.validation_status(row.domain)
    if _lasts(state, task):
        return task.after(context.store(task.once(_store_not_needed, state=state)))
    if state.order_status is DcvOrderStatus.SUBMITTED:
        return task.after(context.store(task.once(_store_adopted, state=state)))
    with reading_scm(task.account, task.attempts, MOST_TRIES):
        proof = scm.start_validation(row.domain, DcvMethod(row.method))
    if row.method is ValidationMethod.EMAIL:
        _require_address(row, proof)
    return task.after(context.store(task.once(_store_started, state=state, proof=proof)))


def submit(context: WorkerContext, task: ValidationTask) -> ValidationTask:
    """Have the CA look for the proof, unless an earlier try did, or a person has cancelled meanwhile.

    Raises TryLater, GiveUp.
    """
    scm, row = context.scm(task.account), task.row
    with reading_scm(task.account, task.attempts, MOST_TRIES):
        # A submission whose answer was lost, or that was not stored, shows here.
        state = scm.validation_status(row.domain)
    proof = state.proof
    if not _was_submitted(state, row):
        with context.database.transaction() as db:
            # The call above may have waited for long: nothing is submitted that was cancelled before this moment.
            present = db.get_one(Validation, row.id)
        if present.outcome is not None:
            return task.after(present)
        with reading_scm(task.account, task.attempts, MOST_TRIES):
            try:
                answer = scm.submit_validation(row.domain, DcvMethod(row.method), row.email)
                proof = answer.proof or proof
            except Refused:
                # A parallel run of this command may have been quicker: then SCM refuses a second submission.
                if not _is_submitted(scm, row):
                    raise
    knows = row.proof_value is not None or (proof is not None and proof.is_known)
    if row.method is ValidationMethod.TXT and not knows:
        raise later("SCM has not said yet which TXT record it expects", timedelta(seconds=10))
    return task.after(context.store(task.once(_store_submitted, proof=proof)))


def poll(context: WorkerContext, task: ValidationTask) -> ValidationTask:
    """Ask SCM what the CA has found. Raises TryLater while it looks, GiveUp if it found nothing."""
    scm, row = context.scm(task.account), task.row
    with reading_scm(task.account, task.attempts, MOST_TRIES):
        state = scm.validation_status(row.domain)
    if state.order_status is DcvOrderStatus.REJECTED:
        raise GiveUp(f"the CA has refused the validation of {row.domain}{_expected(row)}")
    if state.status is DcvStatus.VALIDATED and state.order_status not in OPEN_AT_SCM:
        if _is_old(state, row):
            raise GiveUp(_not_anew(state, row))
        return task.after(context.store(partial(_store_validated, own_id=row.id, state=state)))
    if state.order_status not in OPEN_AT_SCM:
        raise GiveUp(
            f"SCM no longer has the validation of {row.domain} ({state.status.value}, "
            f"{state.order_status.value}): somebody else has cleared or deleted it"
        )
    said = f"SCM does not say yet that the CA has found the proof{_checked(state)}"
    require_patience(task, said)
    return task.wait(context, said, poll_pause, doing=row.domain)


def _was_submitted(state: DcvState, row: Validation) -> bool:
    """Return True if the CA looks for the proof already, or has even found it."""
    if state.order_status is DcvOrderStatus.SUBMITTED:
        return True
    is_open = state.order_status is DcvOrderStatus.AWAITING_SUBMISSION
    return state.status is DcvStatus.VALIDATED and not is_open and not _is_old(state, row)


def _is_submitted(scm: ScmClient, row: Validation) -> bool:
    return _was_submitted(scm.validation_status(row.domain), row)


def _lasts(state: DcvState, task: ValidationTask) -> bool:
    """Return True if the present validation lasts longer than what the command asks for."""
    if task.wanted.within is None or state.status is not DcvStatus.VALIDATED:
        return False
    until = task.now.date() + timedelta(days=task.wanted.within)
    return state.expires is None or state.expires > until


def _is_old(state: DcvState, row: Validation) -> bool:
    """Return True if SCM shows the validation that was there before this one."""
    if row.before is None or state.expires is None or state.expires > row.before:
        return False
    begun = row.submitted_at or row.started_at
    return begun is None or state.validated is None or state.validated < begun.date()


def _not_anew(state: DcvState, row: Validation) -> str:
    """Return what it means that SCM no longer has a validation under way, and shows the end that it had before."""
    if state.validated is not None:
        return (
            f"the validation of {row.domain} was cleared at SCM while it was under way, by somebody else: it was "
            f"last validated on {state.validated}, until {state.expires}"
        )
    return (
        f"SCM no longer has the validation of {row.domain} under way, and does not say on which day it was "
        f"validated; the end is that of the validation before, {state.expires}. So it was cleared there by "
        "somebody else, or completed without a later end: compare with SCM's portal (Domains); then: "
        "certline sync domains"
    )


def _require_address(row: Validation, proof: DcvProof) -> None:
    """Raise GiveUp if no address was chosen, or one that the CA sends no mail to."""
    allowed = {address.lower() for address in proof.emails}
    if row.email is None or (allowed and row.email.lower() not in allowed):
        known, domain = ", ".join(sorted(allowed)) or "SCM names none", row.domain
        problem = (
            f"the method email needs the address that confirms; those that may confirm {domain}"
            if row.email is None
            else f"{row.email} is none of the addresses that may confirm {domain}"
        )
        raise GiveUp(
            f"{problem}: {known}. "
            f"Choose one: certline domain validate {quote(domain)} --method email --email ADDRESS"
        )


def _expected(row: Validation) -> str:
    if row.proof_value is None:
        return ""
    seen = f"; the last look: {row.said}" if row.said else ""
    return f": it expected {row.proof_value!r} at {row.proof_name}{seen}"


def _checked(state: DcvState) -> str:
    if state.last_check is None:
        return ""
    following = f", and looks again at {state.next_check:%H:%M}" if state.next_check else ""
    return f"; it looked at {state.last_check:%Y-%m-%d %H:%M} (SCM's time){following}"


def _set_proof(row: Validation, proof: DcvProof | None) -> None:
    if proof is None or not proof.is_known or proof.method is DcvMethod.EMAIL:
        return
    if proof.method in (DcvMethod.HTTP, DcvMethod.HTTPS):
        row.proof_name = proof.url
        row.proof_value = "\n".join(filter(None, (proof.first_line, proof.second_line)))
    else:
        row.proof_name, row.proof_value = proof.host, proof.point


def _store_not_needed(db: Session, row: Validation, state: DcvState) -> None:
    not_needed(db, row, state.expires, state.validated)


def _store_adopted(db: Session, row: Validation, state: DcvState) -> None:
    """Carry on a validation that was submitted before: by a try that was not stored, or by somebody else."""
    row.method = ValidationMethod(state.method) if state.method else row.method
    row.started_at = row.submitted_at = clock(db)
    _set_proof(row, state.proof)
    row.email = state.email or row.email
    note_validation(
        db, row, "domain.validation_adopted", submitted_by="somebody else, or an earlier try"
    )
    go_on(db, row)


def _store_started(db: Session, row: Validation, state: DcvState, proof: DcvProof) -> None:
    row.started_at = clock(db)
    row.before = state.expires or row.before
    _set_proof(row, proof)
    note_validation(db, row, "domain.validation_started")
    go_on(db, row)


def _store_submitted(db: Session, row: Validation, proof: DcvProof | None) -> None:
    row.submitted_at = clock(db)
    if row.proof_value is None:
        _set_proof(row, proof)
    note_validation(db, row, "domain.validation_submitted")
    go_on(db, row)


def _store_validated(db: Session, own_id: str, state: DcvState) -> Validation:
    """Store that the CA has found the proof, and return the validation, also if it was cancelled meanwhile."""
    row = locked_validation(db, own_id)
    if row.stage is ValidationStage.POLL:
        complete(db, row, state.expires, state.validated)
    elif row.outcome is ValidationOutcome.FAILED and row.expires is None:
        complete_cancelled(db, row, state.expires, state.validated)
    return row

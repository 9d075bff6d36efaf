"""The step `validate`: validate a domain at SCM (DCV), one stage after the other.

Each stage is an effect that may be repeated, and its outcome a row: start at SCM, put the proof in place, look for
it, submit it, poll, take the proof away. A step that is killed goes on with the stage that was not stored.
"""

from typing import Any

from sqlalchemy.orm import Session

from certline.models import Account, Command, CommandType
from certline.models.commands.answers import Answer
from certline.models.commands.payloads import ValidateCommand, read_payload
from certline.models.database.session import clock
from certline.models.domains.outcome import fail_validation, result_of
from certline.models.domains.provider import provider_named
from certline.models.domains.request import (
    begin_for_command,
    require_domain,
    require_reach,
    unknown_provider,
    usual_method,
)
from certline.models.domains.validation import (
    Validation,
    last_validated,
    validation_of_command,
)
from certline.models.events.domain_data import DomainValidated
from certline.models.states import ValidationMethod, ValidationOutcome, ValidationStage
from certline.models.validation import BadCommandError
from certline.workers.domains.proof_stages import look_for, publish, withdraw
from certline.workers.domains.scm_stages import poll, start, submit
from certline.workers.domains.task import AGAIN, ValidationTask
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp, TryLater
from certline.workers.runtime.step import plain_step

# The source of commands that were typed, whose provider was looked up then.
TYPED = "cli"
STAGES = {
    ValidationStage.START: start,
    ValidationStage.PUBLISH: publish,
    ValidationStage.LOOK: look_for,
    ValidationStage.SUBMIT: submit,
    ValidationStage.POLL: poll,
    ValidationStage.WITHDRAW: withdraw,
}


def validate(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Validate the command's domain, as far as it goes without waiting.

    Returns the result, or None if the validation has failed and its command with it. Raises TryLater while it
    waits, AccountSuspendedError, and GiveUp for a command that cannot be carried out.
    """
    wanted = read_payload(ValidateCommand, command.payload)
    with context.database.transaction() as db:
        begun = _begin(db, command, wanted)
    if isinstance(begun, dict):
        return begun
    task = begun
    while task.row.stage is not ValidationStage.ENDED:
        if task.row.outcome is None:  # what is left to do afterwards needs no login at SCM
            require_active(task.account)
        try:
            task = STAGES[task.row.stage](context, task)
        except GiveUp as refused:
            if task.row.outcome is not None:
                raise
            task = task.after(context.store(task.once(_store_failed, why=str(refused))))
    if task.row.outcome is ValidationOutcome.FAILED:
        raise GiveUp(task.row.error or "the validation has failed")
    return _result(context, task)


def _result(context: WorkerContext, task: ValidationTask) -> dict[str, Any]:
    """Return the result, with what a program has printed that could not take the proof away.

    It says so if SCM had one submitted by another method or address than was asked for.
    """
    result = result_of(task.row, task.account.name)
    row, wanted = task.row, task.wanted
    other = wanted.method not in (None, row.method.value) or wanted.email not in (None, row.email)
    if row.is_adopted and other:
        by_mail = row.method is ValidationMethod.EMAIL and row.email is not None
        how = f"{row.method} to {row.email}" if by_mail else row.method
        adopted = f"validated by {how}, not as asked for: SCM had that submitted already"
        result["said"] = "; ".join(filter(None, (adopted, row.said)))
    if task.row.said is None:  # nothing is left
        return result
    with context.database.transaction() as db:
        kept = db.get_one(Command, task.row.command_id).result or {}
    return result | {key: kept[key] for key in ("output",) if key in kept}


def _store_failed(db: Session, row: Validation, why: str) -> None:
    if row.outcome is None:  # else it was cancelled meanwhile
        fail_validation(db, row, why)


def _begin(
    db: Session, command: Command, wanted: ValidateCommand
) -> ValidationTask | dict[str, Any]:
    """Return the command's validation, begun now or before; or the result, if another command's has just ended.

    Raises TryLater while a validation of another command is under way, GiveUp if the domain is not known.
    """
    row = validation_of_command(db, command.id)
    if row is not None:
        account = db.get_one(Account, row.account_id)
        return ValidationTask(row, account, wanted, command.attempts, clock(db))
    try:
        account, domain, rows = require_domain(db, wanted.domain, wanted.account)
        method = ValidationMethod(wanted.method or usual_method(db, domain, rows))
        if wanted.dns is not None:
            _require_provider(db, wanted.dns, domain, method, typed=command.source == TYPED)
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None
    if command.subject is None:  # sent by another system
        db.get_one(Command, command.id).subject = domain
    other = last_validated(db, account.id, domain, command.created_at)
    if other is not None:
        return result_of(other, account.name) | {"renewed": False}
    row = begin_for_command(
        db, command, wanted, account_id=account.id, domain=domain, rows=rows, method=method
    )
    if row.command_id != command.id:
        raise TryLater(f"{domain} is being validated by command {row.command_id}", after=AGAIN)
    return ValidationTask(row, account, wanted, command.attempts, clock(db))


def _require_provider(
    db: Session, name: str, domain: str, method: ValidationMethod, *, typed: bool
) -> None:
    """Raise BadCommandError if a provider that was named is not known, or cannot put the domain's proof in place.

    One that was `typed` was known then, and was removed meanwhile: a person is told which proof to make.
    """
    named = provider_named(db, name)
    if named is not None:
        require_reach(named, domain, method)
    elif not typed:
        raise BadCommandError([unknown_provider(db, name)])


def _fail(db: Session, command: Command, why: str) -> None:
    """End the command's validation as failed, whatever it was doing."""
    row = validation_of_command(db, command.id)
    if row is None or row.stage is ValidationStage.ENDED:
        return
    if row.outcome is None:
        fail_validation(db, row, why)
    # No run takes its proof away any more.
    row.stage, row.ended_at = ValidationStage.ENDED, clock(db)


def _answer(_: Session, __: Command, result: dict[str, Any]) -> Answer:
    event = DomainValidated(
        domain=result["domain"],
        account=result["account"],
        method=result["method"],
        expires=result["expires"],
        validation_id=result["validation_id"],
        renewed=result["renewed"],
    )
    return Answer(event, result["domain"])


STEP = plain_step(
    CommandType.VALIDATE, validate, answer=_answer, on_failed=_fail, on_abandoned=_fail
)

"""Step that revokes a certificate at SCM. It costs nothing and may be repeated, so it is simply retried."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from certline.models import (
    Account,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
)
from certline.models.certificates.certificate import certificate_meant
from certline.models.commands.command import finish
from certline.models.commands.payloads import RevokeCommand, read_payload
from certline.models.lifecycle.succession import mark_revoked
from certline.models.orders.order import order_known_as
from certline.models.validation import BadCommandError
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, reading_scm
from certline.workers.runtime.results import StepResult
from certline.workers.runtime.step import Step
from certline.workers.scm import (
    AlreadyDone,
    Details,
    OutcomeUnknown,
    RevocationReason,
    ScmStatus,
)
from certline.workers.scm.inputs import reason_word

# Stored in the command's result while SCM's response to a revocation is missing.
UNCLEAR = "unclear"


@dataclass(frozen=True)
class RevocationTask:
    """The certificate to revoke, and why. `unclear`: an earlier attempt may have revoked it already."""

    certificate: Certificate
    account: Account
    wanted: RevokeCommand
    unclear: bool

    @property
    def serial(self) -> str:
        """Serial number of the certificate, in hex."""
        return self.certificate.serial_number

    @property
    def code(self) -> RevocationReason:
        """SCM's code for the reason."""
        return RevocationReason[self.wanted.reason_code.replace("-", "_").upper()]


@dataclass(frozen=True)
class RevokeResult(StepResult):
    """Result of a revocation. `already_revoked`: by others, before the command ran."""

    certificate_id: str
    serial_number: str
    certificate_status: str
    already_revoked: bool

    @classmethod
    def of(cls, certificate: Certificate, *, already: bool) -> "RevokeResult":
        """Return the result for a certificate in its present state."""
        return cls(
            certificate_id=certificate.id,
            serial_number=certificate.serial_number,
            certificate_status=certificate.status.value,
            already_revoked=already,
        )


def revoke(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Revoke the command's certificate by its serial number, and store when and why.

    Returns the certificate's status; None if SCM could not be reached MOST_TRIES times, and the command is
    in `review`. Raises TryLater, AccountSuspendedError, and GiveUp if SCM refuses.
    """
    with context.database.transaction() as db:
        task = read_task(db, command)
        if task.certificate.status is CertificateStatus.REVOKED:
            return RevokeResult.of(task.certificate, already=True).document()
        require_active(task.account)

    record: Details | None = None
    scm = context.scm(task.account)
    try:
        with reading_scm(task.account, command.attempts, MOST_TRIES):
            try:
                # By serial number: a reissue keeps the sslId, by which its new certificate would be revoked.
                scm.revoke_by_serial(task.serial, task.code, task.wanted.comments)
            except ValueError as odd:  # a serial number stored by an earlier version
                raise GiveUp(f"{task.serial}: {odd}") from None
            except AlreadyDone as answer:
                record = scm.details(task.certificate.scm_id)
                require_revoked(task, record, str(answer))
            except OutcomeUnknown:
                # Remembered, so that a later "already revoked" is recognised as our own doing.
                context.store(partial(_note_unclear, command_id=command.id))
                raise
    except GiveUp as over:
        if command.attempts < MOST_TRIES:
            raise
        return context.store(partial(_call_a_person, command_id=command.id, why=str(over)))

    result = context.store(partial(_store, command_id=command.id, task=task, record=record))
    return result.document()


def read_task(db: Session, command: Command) -> RevocationTask:
    """Load the command's certificate and make it the command's subject.

    Raises GiveUp if the certificate is unknown or ambiguous.
    """
    wanted = read_payload(RevokeCommand, command.payload)
    try:
        certificate = certificate_to_revoke(db, wanted)
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None
    db.get_one(Command, command.id).subject = certificate.id
    # A restart means that an earlier run did not end: its worker may have died after the call.
    unclear = command.restarts > 0 or (command.result or {}).get("outcome") == UNCLEAR
    return RevocationTask(certificate, db.get_one(Account, certificate.account_id), wanted, unclear)


def certificate_to_revoke(db: Session, wanted: RevokeCommand) -> Certificate:
    """Return the certificate that the command names, directly or by its order.

    Raises BadCommandError if it is unknown or ambiguous, or the order has no certificate.
    """
    if wanted.certificate is not None:
        return certificate_meant(db, wanted.certificate, wanted.account)
    order = order_known_as(db, wanted.order or "", wanted.account)
    if order is None:
        raise BadCommandError([f"order: {wanted.order!r} is not known"])
    if order.certificate_id is None:
        raise BadCommandError(
            [f"order: {order.id} is {order.status}: it has no certificate here to revoke"]
        )
    return certificate_meant(db, order.certificate_id, wanted.account)


def require_revoked(task: RevocationTask, record: Details, answer: str) -> None:
    """Check, against SCM's record, that a certificate is revoked. Raises GiveUp if that can't be concluded.

    SCM's "only issued certificates can be revoked" (SCM document: code -102) is no proof of a revocation:
    SCM returns it also for certificates that were never issued.
    """
    if record.state is ScmStatus.REVOKED and record.serial_number in (None, task.serial):
        return
    if record.serial_number == task.serial:
        raise GiveUp(f"{answer}; its status at SCM is {record.status}, so it is not revoked")
    if task.unclear:  # it was issued, since we store it; so our earlier attempt has revoked it
        return
    raise GiveUp(
        f"{answer}; SCM's record of {record.ssl_id} ({record.status}) is no longer about {task.serial}: "
        "the CA's revocation list (CRL) shows whether that is revoked"
    )


def _store(
    db: Session, command_id: str, task: RevocationTask, record: Details | None
) -> RevokeResult:
    command = db.get_one(Command, command_id)
    certificate = db.get_one(Certificate, task.certificate.id, with_for_update=True)
    if certificate.status is CertificateStatus.REVOKED:
        return RevokeResult.of(certificate, already=True)
    reason: str = task.wanted.reason_code
    comments, at = task.wanted.comments, None
    # The certificate was revoked by others, unless an earlier attempt of ours may have done it.
    already = record is not None and not task.unclear
    if record is not None and already:
        reason = reason_word(record.reason_code)
        comments = f"{comments} (it had already been revoked at SCM)"
        day = record.revoked
        at = None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)
    mark_revoked(db, certificate, command, reason=reason, comments=comments, at=at)
    return RevokeResult.of(certificate, already=already)


def _note_unclear(db: Session, command_id: str) -> None:
    db.get_one(Command, command_id).result = {"outcome": UNCLEAR}


def _call_a_person(db: Session, command_id: str, why: str) -> None:
    command = db.get_one(Command, command_id, with_for_update=True)
    finish(db, command, CommandStatus.REVIEW, error=why)


STEP = Step(CommandType.REVOKE, revoke)

"""Step that revokes a certificate at SCM. It costs nothing and may be repeated, so it is simply retried."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from certline.models import (
    Account,
    Certificate,
    CertificateStatus,
    Command,
    CommandType,
    Order,
    OrderStatus,
)
from certline.models.audit import log as audit
from certline.models.certificates.certificate import certificate_meant
from certline.models.commands.answers import Answer, answer_with, fail
from certline.models.commands.payloads import RevokeCommand, read_payload
from certline.models.lifecycle.moves import move, status_event
from certline.models.lifecycle.succession import mark_revoked, revoked_event
from certline.models.orders.order import locked, order_known_as
from certline.models.validation import BadCommandError
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, TryLater, reading_scm
from certline.workers.runtime.results import OrderResult, StepResult
from certline.workers.runtime.step import plain_step
from certline.workers.scm import (
    AlreadyDone,
    Details,
    OutcomeUnknown,
    RevocationReason,
    ScmStatus,
)
from certline.workers.scm.inputs import reason_word

# How long a fetch takes that has just been released.
SOON = timedelta(seconds=10)
# Stored in the command's result while SCM's response to a revocation is missing.
UNCLEAR = "unclear"


class NotStoredYetError(BadCommandError):
    """Error for an order whose certificate is being fetched."""


@dataclass(frozen=True)
class RevocationTask:
    """What to revoke, and why: a stored certificate, or an order that is or was held, whose certificate is at SCM
    only. `serial`: the certificate's serial number, in hex. `unclear`: an earlier attempt may have revoked it.
    """

    found: Certificate | Order
    account: Account
    wanted: RevokeCommand
    serial: str
    unclear: bool

    @property
    def scm_id(self) -> int:
        """SCM's id of the order (sslId)."""
        return self.found.scm_id or 0

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


@dataclass(frozen=True)
class HeldRevokeResult(OrderResult):
    """Result of the revocation of a certificate that is not stored, because its order was held."""

    serial_number: str
    certificate_status: str
    already_revoked: bool


def revoke(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Revoke the command's certificate by its serial number, and store when and why.

    Returns the certificate's status; None if SCM could not be reached MOST_TRIES times, and the command is
    in `review`. Raises TryLater, AccountSuspendedError, and GiveUp if SCM refuses.
    """
    with context.database.transaction() as db:
        done = _done_before(db, command)
        if done is not None:
            return done
        task = read_task(db, command)
        found = task.found
        if isinstance(found, Certificate) and found.status is CertificateStatus.REVOKED:
            return RevokeResult.of(found, already=True).document()
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
                record = scm.details(task.scm_id)
                require_revoked(task, record, str(answer))
            except OutcomeUnknown:
                # Remembered, so that a later "already revoked" is recognised as our own doing.
                context.store(partial(_note_unclear, command_id=command.id))
                raise
    except GiveUp as over:
        if command.attempts < MOST_TRIES:
            raise
        return context.store(partial(_call_a_person, command_id=command.id, why=str(over)))

    return context.store(partial(_store, command_id=command.id, task=task, record=record))


def read_task(db: Session, command: Command) -> RevocationTask:
    """Load the command's certificate, or its order, and make it the command's subject.

    Raises GiveUp if it is unknown or ambiguous, and TryLater while the order's certificate is being stored.
    """
    wanted = read_payload(RevokeCommand, command.payload)
    try:
        found = to_revoke(db, wanted)
    except NotStoredYetError as early:
        raise TryLater(str(early), after=SOON) from None
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None
    db.get_one(Command, command.id).subject = found.id
    serial = found.serial_number if isinstance(found, Certificate) else found.scm_serial or ""
    # A restart means that an earlier run did not end: its worker may have died after the call.
    unclear = command.restarts > 0 or (command.result or {}).get("outcome") == UNCLEAR
    return RevocationTask(
        found, db.get_one(Account, found.account_id), wanted, serial=serial, unclear=unclear
    )


def to_revoke(db: Session, wanted: RevokeCommand) -> Certificate | Order:
    """Return the certificate that the command names, directly or by its order; the order if it is held, or was.

    Raises BadCommandError if it is unknown or ambiguous, or the order has no certificate: NotStoredYetError if it
    will have one soon.
    """
    if wanted.certificate is not None:
        return certificate_meant(db, wanted.certificate, wanted.account)
    order = order_known_as(db, wanted.order or "", wanted.account)
    if order is None:
        raise BadCommandError([f"order: {wanted.order!r} is not known"])
    if order.certificate_id is None:
        if order.status is OrderStatus.ISSUED:
            raise NotStoredYetError(
                [f"order: {order.id} is issued: its certificate is being stored"]
            )
        # The licence is no reason to keep a certificate valid at SCM whose key is lost.
        if order.status in (OrderStatus.HELD, OrderStatus.CANCELLED) and order.scm_serial:
            return order
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


def _done_before(db: Session, command: Command) -> dict[str, Any] | None:
    """Return the result that an earlier run has stored, with the event, before it died; None if there is none."""
    result = db.get_one(Command, command.id).result
    return None if result is None or "certificate_status" not in result else result


def _store(
    db: Session, command_id: str, task: RevocationTask, record: Details | None
) -> dict[str, Any]:
    """Store a revocation with its event. Returns the result, which is also stored, for a run after this one."""
    # Orders are locked before commands, as everywhere.
    order = None if isinstance(task.found, Certificate) else locked(db, task.found.id)
    command = db.get_one(Command, command_id)
    if order is not None and order.certificate_id is None:
        command.result = _store_held(db, command, order, task, already=record is not None)
        return command.result
    certificate_id = task.found.id if order is None else order.certificate_id
    certificate = db.get_one(Certificate, certificate_id, with_for_update=True)
    if certificate.status is CertificateStatus.REVOKED:
        return RevokeResult.of(certificate, already=True).document()
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
    command.result = RevokeResult.of(certificate, already=already).document()
    return command.result


def _store_held(
    db: Session, command: Command, order: Order, task: RevocationTask, *, already: bool
) -> dict[str, Any]:
    """Cancel an order whose certificate was revoked before a licence was free for it, and answer the command.

    Raises TryLater if the order was released meanwhile: its certificate is about to be stored.
    """
    why = f"its certificate was revoked at SCM: {task.wanted.comments}"
    if order.status is OrderStatus.HELD:
        move(db, order, OrderStatus.CANCELLED, why=why, who=command.requester)
    elif order.status is OrderStatus.CANCELLED:
        order.error = why
    else:
        raise TryLater(f"order {order.id} is {order.status}: it is being stored", after=SOON)
    audit.record(
        db,
        "order.revoked",
        order.id,
        who=command.requester,
        why=task.wanted.comments,
        command_id=command.id,
        reason_code=task.wanted.reason_code,
        serial_number=task.serial,
    )
    answer_with(db, command, Answer(status_event(order, order.status, why), order.id))
    result = HeldRevokeResult(
        order_id=order.id,
        order_status=order.status.value,
        serial_number=task.serial,
        certificate_status=CertificateStatus.REVOKED.value,
        already_revoked=already and not task.unclear,
    )
    return result.document()


def _answer(db: Session, command: Command, result: dict[str, Any]) -> Answer | None:
    """Return the event for a command whose certificate had been revoked before; others have been answered."""
    if _done_before(db, command) is not None:
        return None
    certificate = db.get_one(Certificate, result["certificate_id"])
    account = db.get_one(Account, certificate.account_id)
    return Answer(revoked_event(certificate, account.name), certificate.id)


def _note_unclear(db: Session, command_id: str) -> None:
    db.get_one(Command, command_id).result = {"outcome": UNCLEAR}


def _call_a_person(db: Session, command_id: str, why: str) -> None:
    fail(db, db.get_one(Command, command_id, with_for_update=True), why, status="review")


STEP = plain_step(CommandType.REVOKE, revoke, answer=_answer)

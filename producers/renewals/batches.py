"""Batches of renewals: each certificate is checked, and the renewals are released at the batch's pace.

The commands of released members, their status and the batch's next turn are one transaction, under a lock on the
batch: any number of producers may tick, and one that dies has released all members of a turn or none.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from certline.models import (
    BatchStatus,
    Certificate,
    Command,
    CommandType,
    Database,
    Order,
    OrderStatus,
    RenewalBatch,
    RenewalMember,
)
from certline.models.audit.identity import PRODUCER, Identity
from certline.models.audit.log import record
from certline.models.certificates.backoff import LineBackoff
from certline.models.commands.command import OPEN, accept
from certline.models.database.bulk import add_rows
from certline.models.database.session import clock
from certline.models.events.trace_context import new_traceparent, within
from certline.models.lifecycle.succession_rule import newest_here
from certline.models.renewals.batch import MemberStatus, counts_of
from certline.models.renewals.batch_pace import WINDOW, due_now, next_turn
from certline.models.renewals.failures import begin_anew
from certline.models.states import RENEWABLE
from certline.producers.renewals.verdicts import AS_BEFORE, BatchVerdict, RenewalChoices


def request_batch(
    database: Database,
    verdicts: Sequence[BatchVerdict],
    *,
    selection: str,
    pace: int | None,
    choices: RenewalChoices = AS_BEFORE,
    requested_by: Identity,
) -> RenewalBatch:
    """Store a batch of renewals and release its first members.

    Members are renewed in the given order; those with problems are stored as refused. `selection`: the user's
    selection in words, for the audit entry; `pace`: renewals per hour, None for no limit.
    """
    with database.transaction() as db:
        batch = RenewalBatch(
            selection=selection,
            per_hour=pace,
            reuse_key=choices.reuse_key,
            key_algorithm=choices.key_algorithm,
            key_size=choices.key_size,
            requested_by=str(requested_by),
        )
        db.add(batch)
        db.flush()
        db.refresh(batch)  # loads the columns that Postgres has set
        add_rows(db, RenewalMember, [_row(batch, *each) for each in enumerate(verdicts)])
        fit = [each.certificate.line_id for each in verdicts if not each.problems]
        # As any renewal by hand, the batch resets the lines' back-off of earlier failures.
        begin_anew(db, fit)
        record(
            db,
            "renewal.begun",
            batch.id,
            who=requested_by,
            why=selection,
            certificates=len(verdicts),
            refused=len(verdicts) - len(fit),
            per_hour=pace,
        )
        _go_on(db, batch)
        return batch


def _row(batch: RenewalBatch, position: int, verdict: BatchVerdict) -> dict[str, object]:
    return {
        "batch_id": batch.id,
        "position": position,
        "certificate_id": verdict.certificate.id,
        "line_id": verdict.certificate.line_id,
        "common_name": verdict.certificate.common_name,
        "status": MemberStatus.REFUSED if verdict.problems else MemberStatus.WAITING,
        "reason": "; ".join(verdict.problems) or None,
    }


log = structlog.get_logger()


def release_due(db: Session) -> int:
    """Release the members of all running batches whose turn has come. Returns how many were released.

    Batches locked by another producer are skipped (SKIP LOCKED).
    """
    running = db.scalars(
        select(RenewalBatch)
        .where(RenewalBatch.status == BatchStatus.RUNNING)
        .order_by(RenewalBatch.id)
        .with_for_update(skip_locked=True)
    ).all()
    total = 0
    for batch in running:
        released = _go_on(db, batch)
        total += released
        if released:
            log.info("renewals.released", batch=batch.id, count=released)
    return total


def pause(database: Database, batch_id: str, *, who: Identity) -> bool:
    """Pause a batch: no more members are released, but those released go on.

    Returns False if the batch is not running or has no waiting member.
    """
    with database.transaction() as db:
        batch = db.get_one(RenewalBatch, batch_id, with_for_update=True)
        if batch.status is not BatchStatus.RUNNING or not _next(db, batch, 1):
            return False
        batch.status = BatchStatus.PAUSED
        record(db, "renewal.paused", batch.id, who=who)
        return True


def resume(database: Database, batch_id: str, *, pace: int | None, who: Identity) -> bool:
    """Resume a paused batch, or change the pace (renewals per hour) of a running one; None keeps the pace.

    Returns False if the batch is done, or is running at this pace already.
    """
    with database.transaction() as db:
        batch = db.get_one(RenewalBatch, batch_id, with_for_update=True)
        same = pace is None or pace == batch.per_hour
        if batch.status is BatchStatus.DONE or (batch.status is BatchStatus.RUNNING and same):
            return False
        batch.status = BatchStatus.RUNNING
        batch.next_at = clock(db)
        batch.per_hour = batch.per_hour if pace is None else pace
        record(db, "renewal.resumed", batch.id, who=who, per_hour=batch.per_hour)
        _go_on(db, batch)
        return True


def cancel(database: Database, batch_id: str, *, who: Identity) -> int:
    """Cancel the members not released yet. Returns how many were cancelled.

    Members released before go on, and the batch ends with the last of them.
    """
    with database.transaction() as db:
        batch = db.get_one(RenewalBatch, batch_id, with_for_update=True)
        given_up = db.scalars(
            update(RenewalMember)
            .where(RenewalMember.batch_id == batch_id, RenewalMember.status == MemberStatus.WAITING)
            .values(status=MemberStatus.CANCELLED, reason=f"{who} cancelled the batch")
            .returning(RenewalMember.position)
        ).all()
        if given_up:
            record(db, "renewal.cancelled", batch.id, who=who, members=len(given_up))
            # A paused batch must run to reach its end.
            batch.status = BatchStatus.RUNNING
            _go_on(db, batch)
        return len(given_up)


def _go_on(db: Session, batch: RenewalBatch) -> int:
    """Release the due members of a batch, and end the batch if none is open. The caller has locked the batch."""
    now = clock(db)
    room = WINDOW - _unsent(db, batch.id, now)
    wanted = min(room, due_now(batch.per_hour, batch.next_at, now))
    released = 0
    # Members that are refused now use up no turn, so look for more until enough are released.
    while released < wanted:
        turn = _next(db, batch, wanted - released)
        if not turn:
            break
        released += _release(db, batch, turn, now)
    batch.next_at = next_turn(batch.per_hour, batch.next_at, now, released)
    counts = counts_of(db, [batch.id])[batch.id]
    if not counts.open:
        batch.status, batch.finished_at = BatchStatus.DONE, now
        record(
            db,
            "renewal.done",
            batch.id,
            who=PRODUCER,
            renewed=counts.renewed,
            failed=counts.failed,
            review=counts.review,
            refused=counts.refused,
            cancelled=counts.cancelled,
        )
    return released


def _next(db: Session, batch: RenewalBatch, most: int) -> Sequence[RenewalMember]:
    query = select(RenewalMember).where(
        RenewalMember.batch_id == batch.id, RenewalMember.status == MemberStatus.WAITING
    )
    return db.scalars(query.order_by(RenewalMember.position).limit(most)).all()


def _release(db: Session, batch: RenewalBatch, turn: Sequence[RenewalMember], now: datetime) -> int:
    """Emit these members' commands; refuse members that can't be renewed any more. Returns how many commands."""
    found = db.scalars(
        select(Certificate).where(Certificate.id.in_([each.certificate_id for each in turn]))
    )
    certificates = {certificate.id: certificate for certificate in found}
    renewed = newest_here(db, certificates)
    released = 0
    for member in turn:
        certificate = certificates.get(member.certificate_id)
        if certificate is None or certificate.status not in RENEWABLE:
            status = "deleted" if certificate is None else certificate.status
            member.status, member.reason = MemberStatus.REFUSED, f"it is {status} by now"
            continue
        if (newest := renewed.get(certificate.id)) is not None:
            member.status = MemberStatus.REFUSED
            member.reason = f"it was renewed by now; {newest.advice}"
            continue
        wanted = RenewalChoices(
            reuse_key=batch.reuse_key,
            key_algorithm=batch.key_algorithm,
            key_size=batch.key_size,
        ).command(certificate)
        with within(new_traceparent()):  # one renewal is one trace
            command, _ = accept(
                db,
                CommandType.RENEW,
                wanted.model_dump(mode="json", exclude_defaults=True),
                requested_by=Identity.of_row(batch.requested_by),
                source="certline",
                # Derived from the member, so releasing it twice would find the first command.
                command_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{batch.id} {certificate.id}")),
            )
        member.status, member.command_id = MemberStatus.RELEASED, command.id
        member.released_at = now
        released += 1
    db.flush()
    return released


def _unsent(db: Session, batch_id: str, now: datetime) -> int:
    """Count released members whose order was not sent yet, except those whose line rests after a failure."""
    unsent = (OrderStatus.PLACED, OrderStatus.SENDING)
    rests = exists().where(
        LineBackoff.line_id == RenewalMember.line_id, LineBackoff.next_try_at > now
    )
    query = (
        select(func.count())
        .select_from(RenewalMember)
        .join(Command, Command.id == RenewalMember.command_id)
        .outerjoin(Order, Order.id == Command.subject)
        .where(
            RenewalMember.batch_id == batch_id,
            Command.status.in_(OPEN),
            Order.id.is_(None) | Order.status.in_(unsent),
            ~rests,
        )
    )
    return db.scalar(query) or 0

"""The sweep: finds commands and orders whose follow-up was lost, and starts it again.

It repairs what a lost message or a dead worker leaves behind; every step it wakes is safe to run twice.
"""

from datetime import timedelta

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    cast,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from certline.models import (
    Account,
    AccountStatus,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Order,
    OrderStatus,
    Outbox,
)
from certline.models.audit.identity import SWEEP
from certline.models.audit.log import record
from certline.models.certificates.license_expiry import emit_license_expiring
from certline.models.commands.bulk import send_out
from certline.models.commands.command import OPEN, hasten
from certline.models.commands.wake_up import wake_up
from certline.models.heartbeat import forget_stale
from certline.models.lifecycle.moves import follow_with, note, release_held
from certline.models.metrics import outbox_backlog
from certline.models.renewals.expiry_events import emit_expiring

# A due command that no worker has started for this long: its message was lost, or the queue is very long.
LOST_AFTER = timedelta(minutes=15)
# A running command that was not updated for this long: its worker died and its message was lost.
DEAD_AFTER = timedelta(minutes=15)


def sweep(db: Session, settle: timedelta) -> dict[str, int]:
    """Run every check of the sweep. Returns how many rows each of them handled, by name.

    `settle`: how long an order may rest in `sending` before it is reconciled.
    """
    _, oldest, _ = outbox_backlog(db)
    # If the relay is behind, messages are still in the outbox, not lost.
    relay_is_behind = oldest > LOST_AFTER.total_seconds()
    return {
        "woken": 0 if relay_is_behind else wake(db, lost=LOST_AFTER, dead=DEAD_AFTER),
        "followed": follow_up(db),
        "unknown": look_up_silent(db, settle),
        "released": len(release_held(db, why="sweep", who=SWEEP)),
        # Before `expire`: after a long downtime the event is published all the same.
        "expiring": emit_expiring(db) + emit_license_expiring(db),
        "expired": expire(db),
        "forgotten": forget_stale(db),
    }


def wake(db: Session, *, lost: timedelta, dead: timedelta) -> int:
    """Send the messages again of queued commands untouched for `lost` and of running ones untouched for `dead`.

    Returns how many were woken. Locked rows are skipped: a worker has just taken them.
    """
    stuck = db.scalars(
        select(Command).where(_is_stuck(lost, dead)).with_for_update(skip_locked=True)
    ).all()
    for command in stuck:
        hasten(db, command)
    return len(stuck)


def wake_all(db: Session) -> int:
    """Send the messages of all due commands again, because the broker has lost them. Returns how many.

    Left out are commands whose message has not been published yet, and running ones, which need none.
    """
    unsent = select(Outbox.body["kwargs"]["command_id"].as_string()).where(
        Outbox.sent_at.is_(None), Outbox.parked_at.is_(None), Outbox.exchange == ""
    )
    lost = db.execute(
        update(Command)
        .where(
            Command.status == CommandStatus.QUEUED,
            Command.not_before <= func.now(),
            cast(Command.id, Text).not_in(unsent),
        )
        .values(touched_at=func.now())
        .returning(Command.type, Command.id)
    ).all()
    send_out(db, [wake_up(kind, command_id) for kind, command_id in lost])
    return len(lost)


def _is_stuck(lost: timedelta, dead: timedelta) -> ColumnElement[bool]:
    now = func.now()
    sent = and_(
        Command.type.in_((CommandType.ORDER, CommandType.RENEW, CommandType.REISSUE)),
        exists().where(Order.command_id == Command.id, Order.status != OrderStatus.PLACED),
    )
    batch = aliased(Command)
    imported = and_(
        Command.type == CommandType.IMPORT,
        exists().where(
            batch.type == CommandType.IMPORT_BATCH,
            batch.subject == cast(Command.id, Text),
            batch.status.in_(OPEN),
        ),
    )
    return or_(
        and_(
            Command.status == CommandStatus.QUEUED,
            Command.not_before <= now - lost,
            Command.touched_at <= now - lost,
        ),
        and_(
            Command.status == CommandStatus.RUNNING,
            Command.touched_at <= now - dead,
            # No worker is needed for the command of an order that was sent (poll and fetch follow),
            # nor for an import whose batches are open.
            ~sent,
            ~imported,
        ),
    )


def follow_up(db: Session) -> int:
    """Emit a poll for each pending order, a fetch for each issued one, where none is open. Returns how many.

    The poll that has found an order issued collects its certificate itself.
    """
    count = 0
    for status, step, steps in (
        (OrderStatus.PENDING, CommandType.POLL, (CommandType.POLL,)),
        (OrderStatus.ISSUED, CommandType.FETCH, (CommandType.POLL, CommandType.FETCH)),
    ):
        on_its_way = exists().where(
            # A step in review has crashed its workers again and again; a new one would, too.
            Command.type.in_(steps),
            Command.subject == Order.id,
            Command.status.in_((*OPEN, CommandStatus.REVIEW)),
        )
        # SCM is no longer called for a removed account.
        there = Order.account.has(Account.status != AccountStatus.REMOVED)
        for order in db.scalars(select(Order).where(Order.status == status, there, ~on_its_way)):
            follow_with(db, order, step)
            count += 1
    return count


def look_up_silent(db: Session, settle: timedelta) -> int:
    """Emit the reconcile of orders whose worker died while sending them, so that the outcome is unknown.

    Returns how many. `settle`: how long after sending.
    """
    on_its_way = exists().where(
        # See `follow_up`.
        Command.type == CommandType.RECONCILE,
        Command.subject == Order.id,
        Command.status.in_((*OPEN, CommandStatus.REVIEW)),
    )
    silent = db.scalars(
        select(Order)
        .where(
            Order.status == OrderStatus.SENDING,
            Order.sent_at < func.now() - settle,
            Order.account.has(Account.status != AccountStatus.REMOVED),
            ~on_its_way,
        )
        .with_for_update(of=Order, skip_locked=True)
    ).all()
    why = "no response was stored; the worker that sent it may have died"
    for order in silent:
        # A worker that merely got no response has recorded that already.
        if order.error is None:
            note(db, order, f"the outcome is unknown: {why}")
            record(db, "order.unknown", order.id, who=SWEEP, why=why, command_id=order.command_id)
        follow_with(db, order, CommandType.RECONCILE)
    return len(silent)


def expire(db: Session) -> int:
    """Mark active certificates as expired once `not_after` has passed. Returns how many."""
    ended = db.scalars(
        update(Certificate)
        .where(Certificate.status == CertificateStatus.ACTIVE, Certificate.not_after < func.now())
        .values(status=CertificateStatus.EXPIRED)
        .returning(Certificate.id)
    )
    return len(ended.all())

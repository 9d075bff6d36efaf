"""The sweep: what should have moved and has not is sent on its way again.

It repairs what the broker may lose, and nothing else: every step it wakes is safe to run twice.
"""

from datetime import timedelta

from sqlalchemy import Text, and_, cast, delete, exists, func, or_, select, update
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
from certline.models.audit.log import record
from certline.models.commands.command import OPEN, hasten
from certline.models.lifecycle.moves import follow_with, note, release_held
from certline.models.metrics import outbox_backlog
from certline.models.renewals.expiry_events import tell_expiring
from certline.models.webhook import forget_delivered

# A due command that no worker took for this long: its message was lost, or the queue is very long.
LOST_AFTER = timedelta(minutes=15)
# A running command without a sign of life: its worker died and its message was lost.
DEAD_AFTER = timedelta(minutes=15)
# Sent outbox rows are the replay log after a lost broker; they go in pieces.
KEEP_SENT = timedelta(days=7)
PIECE = 5_000


def sweep(db: Session, settle: timedelta) -> dict[str, int]:
    """Look at everything that is due; answers how many of each were sent on.

    `settle`: how long an order may rest in `sending` before it is looked up at SCM.
    """
    _, oldest, _ = outbox_backlog(db)
    # Where the relay is behind, messages wait in the outbox and are not lost.
    relay_is_behind = oldest > LOST_AFTER.total_seconds()
    return {
        "woken": 0 if relay_is_behind else wake(db, lost=LOST_AFTER, dead=DEAD_AFTER),
        "followed": follow_up(db),
        "unknown": look_up_silent(db, settle),
        "released": len(release_held(db, why="sweep")),
        "expiring": tell_expiring(
            db
        ),  # first: who slept through a day hears of the end all the same
        "expired": expire(db),
        "forgotten": forget_sent(db) + forget_delivered(db),
    }


def wake(db: Session, *, lost: timedelta, dead: timedelta) -> int:
    """Send the message again for commands that are due and untouched for that long."""
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
    stuck = db.scalars(
        select(Command)
        .where(
            or_(
                and_(
                    Command.status == CommandStatus.QUEUED,
                    Command.not_before <= now - lost,
                    Command.touched_at <= now - lost,
                ),
                and_(
                    Command.status == CommandStatus.RUNNING,
                    Command.touched_at <= now - dead,
                    # An order that has been sent runs on without its worker, and an import with
                    # its batches.
                    ~sent,
                    ~imported,
                ),
            )
        )
        .with_for_update(skip_locked=True)
    ).all()
    for command in stuck:
        hasten(db, command)
    return len(stuck)


def follow_up(db: Session) -> int:
    """Give pending orders their poll and issued ones their fetch, where none is on its way."""
    count = 0
    for status, step in (
        (OrderStatus.PENDING, CommandType.POLL),
        (OrderStatus.ISSUED, CommandType.FETCH),
    ):
        on_its_way = exists().where(
            # One in review has killed its workers; a new one would kill them again.
            Command.type == step,
            Command.subject == Order.id,
            Command.status.in_((*OPEN, CommandStatus.REVIEW)),
        )
        # Nobody asks SCM for an account that was removed.
        there = Order.account.has(Account.status != AccountStatus.REMOVED)
        for order in db.scalars(select(Order).where(Order.status == status, there, ~on_its_way)):
            follow_with(db, order, step)
            count += 1
    return count


def look_up_silent(db: Session, settle: timedelta) -> int:
    """Have orders looked up at SCM whose worker died while it sent them: nobody knows what SCM did."""
    on_its_way = exists().where(
        # One in review has killed its workers; a new one would kill them again.
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
    why = "no answer was stored; the worker that sent it may have died"
    for order in silent:
        if order.error is None:
            note(db, order, f"the outcome is unknown: {why}")
            record(db, "order.unknown", order.id, who="sweep", why=why, command_id=order.command_id)
        follow_with(db, order, CommandType.RECONCILE)
    return len(silent)


def expire(db: Session) -> int:
    """Mark active certificates whose last moment has passed."""
    ended = db.scalars(
        update(Certificate)
        .where(Certificate.status == CertificateStatus.ACTIVE, Certificate.not_after < func.now())
        .values(status=CertificateStatus.EXPIRED)
        .returning(Certificate.id)
    )
    return len(ended.all())


def forget_sent(db: Session) -> int:
    """Delete outbox rows that were sent more than a week ago."""
    old = select(Outbox.id).where(Outbox.sent_at < func.now() - KEEP_SENT).limit(PIECE)
    gone = db.scalars(delete(Outbox).where(Outbox.id.in_(old)).returning(Outbox.id))
    return len(gone.all())

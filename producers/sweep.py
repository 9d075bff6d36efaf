"""The sweep: finds commands and orders whose follow-up was lost, and starts it again.

It repairs what a lost message or a dead worker leaves behind; every step it wakes is safe to run twice.
"""

from collections.abc import Collection
from datetime import timedelta

import structlog
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Text,
    and_,
    cast,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
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
from certline.models.certificates.license import MOST_RELEASED
from certline.models.certificates.license_expiry import emit_license_expiring
from certline.models.commands.bulk import begin_missing_steps, hasten_many, send_out
from certline.models.commands.command import OPEN
from certline.models.commands.wake_up import wake_up
from certline.models.database.session import blames_the_data
from certline.models.events.outbox import seconds_overdue
from certline.models.heartbeat import forget_stale
from certline.models.lifecycle.moves import note, release_held
from certline.models.renewals.expiry_events import emit_expiring
from certline.models.schedule import make_due
from certline.producers.domains.expiry import emit_validation_expiring
from certline.producers.notices.news import tell_news
from certline.producers.requests.accounts import settle_removed

log = structlog.get_logger()

# Rows of a kind that one sweep handles.
MOST = 1_000
# Name of the schedule that fires the sweep.
SWEEP_SCHEDULE = "sweep"
# A due command that no worker has started for this long: its message was lost, or the queue is very long.
LOST_AFTER = timedelta(minutes=15)
# A running command that was not updated for this long: its worker died and its message was lost.
DEAD_AFTER = timedelta(minutes=15)


def sweep(db: Session, settle: timedelta, most: int = MOST) -> dict[str, int]:
    """Run every check of the sweep. Returns how many rows each of them handled, by name.

    Each check handles at most `most` rows. If one of them may have left some, the sweep is due again at once, so a
    backlog is worked off in short transactions. `settle`: how long an order may rest in `sending` before it is
    reconciled.
    """
    oldest = seconds_overdue(db)
    # If the relay is behind, messages are still in the outbox, not lost.
    relay_is_behind = oldest > LOST_AFTER.total_seconds()
    counts = {
        "woken": 0 if relay_is_behind else wake(db, lost=LOST_AFTER, dead=DEAD_AFTER, most=most),
        "followed": follow_up(db, most),
        "unknown": look_up_silent(db, settle, most),
        "released": len(release_held(db, why="sweep", who=SWEEP)),
        # Before `expire`: after a long downtime the event is published all the same.
        "expiring": emit_expiring(db, most)
        + emit_validation_expiring(db, most)
        + emit_license_expiring(db),
        "expired": expire(db, most),
        "settled": settle_removed(db, most),
        "told": _told(db),
        "forgotten": forget_stale(db),
    }
    limits = dict.fromkeys(counts, most) | {"released": MOST_RELEASED}
    if any(count >= limits[name] for name, count in counts.items()):
        due_again(db)
    return counts


def _told(db: Session) -> int:
    """Tell people the news. Returns how many notices are new; 0 if it fails: orders are not to wait for that."""
    try:
        with db.begin_nested():
            return tell_news(db)
    except Exception as error:
        if isinstance(error, DBAPIError) and not blames_the_data(error):
            raise  # Postgres is away, for all that follows too
        log.exception("notices.not_told", advice="report it")
        return 0


def due_again(db: Session) -> None:
    """Make the sweep due at the producer's next tick, because there is more than one transaction should handle."""
    make_due(db, SWEEP_SCHEDULE)


def wake(db: Session, *, lost: timedelta, dead: timedelta, most: int | None = None) -> int:
    """Send the messages again of queued commands untouched for `lost` and of running ones untouched for `dead`.

    Returns how many were woken, `most` at most. Locked rows are skipped: a worker has just taken them.
    """
    stuck = select(Command.id).where(_is_stuck(lost, dead)).order_by(Command.not_before).limit(most)
    return hasten_many(db, stuck.with_for_update(skip_locked=True))


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


def follow_up(db: Session, most: int = MOST) -> int:
    """Emit a poll for each pending order, a fetch for each issued one, where none is open.

    The poll that has found an order issued collects its certificate itself. Returns how many, `most` at most.
    """
    count = 0
    for status, step, steps in (
        (OrderStatus.PENDING, CommandType.POLL, (CommandType.POLL,)),
        (OrderStatus.ISSUED, CommandType.FETCH, (CommandType.POLL, CommandType.FETCH)),
    ):
        lacking = _without(steps, Order.status == status).limit(most - count)
        orders = (
            select(Order.id, Order.command_id, Order.requested_by, Command.traceparent)
            .outerjoin(Command, Command.id == Order.command_id)
            .where(Order.id.in_(lacking))
        )
        count += begin_missing_steps(db, step, [(*row,) for row in db.execute(orders)])
    return count


def look_up_silent(db: Session, settle: timedelta, most: int = MOST) -> int:
    """Emit the reconcile of orders whose worker died while sending them, so that the outcome is unknown.

    Returns how many, `most` at most. `settle`: how long after sending.
    """
    lacking = _without(
        (CommandType.RECONCILE,),
        Order.status == OrderStatus.SENDING,
        Order.sent_at < func.now() - settle,
    )
    silent = db.execute(
        select(Order, Command.traceparent)
        .outerjoin(Command, Command.id == Order.command_id)
        .where(Order.id.in_(lacking.limit(most)))
        .order_by(Order.id)
        .with_for_update(of=Order, skip_locked=True)
    ).all()
    why = "no response was stored; the worker that sent it may have died"
    for order, _ in silent:
        # A worker that merely got no response has recorded that already.
        if order.error is None:
            note(db, order, f"the outcome is unknown: {why}")
            record(db, "order.unknown", order.id, who=SWEEP, why=why, command_id=order.command_id)
    db.flush()
    steps = [
        (order.id, order.command_id, order.requested_by, traceparent)
        for order, traceparent in silent
    ]
    begin_missing_steps(db, CommandType.RECONCILE, steps)
    return len(silent)


def expire(db: Session, most: int = MOST) -> int:
    """Mark active certificates as expired once `not_after` has passed. Returns how many, `most` at most."""
    over = (
        select(Certificate.id)
        .where(Certificate.status == CertificateStatus.ACTIVE, Certificate.not_after < func.now())
        .order_by(Certificate.not_after)
        .limit(most)
        # Locked ones are being replaced or revoked; what is left of them expires in the next sweep.
        .with_for_update(skip_locked=True)
        .cte("over")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    ended = db.scalars(
        update(Certificate)
        .where(Certificate.id == over.c.id)
        .values(status=CertificateStatus.EXPIRED)
        .returning(Certificate.id)
        .execution_options(synchronize_session=False)
    )
    return len(ended.all())


def _without(
    steps: Collection[CommandType], *conditions: ColumnElement[bool]
) -> CompoundSelect[str]:
    """Return the query for the ids of orders that meet these conditions and have none of these steps on its way.

    EXCEPT takes time in proportion to the rows. For NOT EXISTS Postgres may compare each order with each command:
    its statistics are old just when a backlog has come up.
    """
    # SCM is no longer called for a removed account.
    orders = (
        select(Order.id)
        .join(Account, Account.id == Order.account_id)
        .where(Account.status != AccountStatus.REMOVED, *conditions)
    )
    on_its_way = select(Command.subject).where(
        Command.type.in_(steps),
        Command.subject.is_not(None),
        # A step in review has crashed its workers again and again; a new one would, too.
        Command.status.in_((*OPEN, CommandStatus.REVIEW)),
    )
    return orders.except_(on_its_way)

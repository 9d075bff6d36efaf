"""Checks of the work: outbox, commands and orders."""

from datetime import timedelta

from certline.cli import context
from certline.cli.checks.result import Finding
from certline.models.states import CommandStatus, OrderStatus

# A relay polls every quarter of a second: older rows mean that no relay is running.
BACKLOG_SECONDS = 60
# A due command of a queue that makes no progress: it is not merely behind others.
OLDEST = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)


def check_outbox() -> Finding:
    """Check that the outbox is being published."""
    from certline.models.events.outbox import outbox_backlog

    with context.database().transaction() as db:
        due, oldest, parked = outbox_backlog(db)
    said = f"{due} due" + (f", the oldest for {oldest:.0f} s" if due else "")
    if parked:
        return Finding("outbox", False, f"{said}; {parked} parked", "the relay's log says why")
    if oldest > BACKLOG_SECONDS:
        part = "certline up" if context.settings().rabbitmq_url is None else "certline run relay"
        return Finding("outbox", False, said, f"no relay is running: {part}")
    return Finding("outbox", True, said)


def check_commands() -> Finding:
    """Check that no command is in review, and that none waits in a queue that does not move."""
    from sqlalchemy import func, select

    from certline.models import Command
    from certline.models.commands.backlog import stuck_queues
    from certline.models.webhook import IS_DELIVERY

    with context.database().transaction() as db:
        count = select(func.count()).select_from(Command).where(~IS_DELIVERY)
        review = db.scalar(count.where(Command.status == CommandStatus.REVIEW)) or 0
        held = db.scalar(count.where(Command.status == CommandStatus.HELD)) or 0
        stuck = stuck_queues(db, OLDEST)
    said = f"{review} in review, {held} held"
    if stuck:
        old = "; ".join(
            f"{each.count} wait in {each.queue}, the oldest for {each.oldest // MINUTE} min"
            for each in stuck
        )
        advice = "does a worker run, and does it reach its servers? Its log says more"
        return Finding("commands", False, f"{said}; {old}", advice)
    if review:
        return Finding("commands", False, said, "certline command list --status review")
    return Finding("commands", True, said)


def check_orders() -> Finding:
    """Check that no unknown outcome is overdue."""
    from sqlalchemy import func, select

    from certline.models import Order

    settle = timedelta(seconds=context.settings().settle_seconds)
    with context.database().transaction() as db:
        resting = select(func.count()).where(
            Order.status == OrderStatus.SENDING, Order.sent_at < func.now() - settle
        )
        count = db.scalar(resting) or 0
    if count:
        said = f"{count} with an unknown outcome for longer than {settle.total_seconds():.0f} s"
        return Finding("orders", False, said, "certline order list --status sending")
    return Finding("orders", True, "none with an overdue unknown outcome")

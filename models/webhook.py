"""Webhooks: where events are posted for those without RabbitMQ. A delivery is a command of the line's."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from sqlalchemy import ColumnElement, Index, Select, delete, func, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.log import record
from certline.models.commands.command import (
    Command,
    CommandStatus,
    CommandType,
    accept,
    finish,
    hasten,
)
from certline.models.database.base import Base, new_id, stored_by_value
from certline.models.database.session import clock
from certline.models.events.envelope import EVENT_DATA
from certline.models.events.outbox import EVENTS, Outbox

# One event to one webhook is one delivery, however often the event is told: its id says so.
_DELIVERY = uuid.UUID("5b0d1e9e-3c34-4f0b-9f5e-6c1d0c1b7a55")

# Seconds that a webhook rests after its n-th failure in a row, whichever event it was: the last one
# for ever.
RESTS = (5, 15, 60, 300, 600)
# Who has the turn to try a webhook that failed; longer than a post may take.
TURN = timedelta(seconds=30)

# Deliveries that came about are kept as long as events are in the outbox.
KEEP_DELIVERED = timedelta(days=7)
PIECE = 5_000

IS_DELIVERY: ColumnElement[bool] = Command.type == CommandType.WEBHOOK


class WebhookStatus(StrEnum):
    """Whether events are posted there."""

    ACTIVE = "active"
    DISABLED = "disabled"  # its receiver said that it is gone (410)


class Webhook(Base):
    """One receiver: its URL, the types of events that it wants, and the secret that signs them.

    `failures` in a row make it rest until `resting_until`, so that a dead receiver costs no time.
    """

    __tablename__ = "webhook"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    url: Mapped[str] = mapped_column(unique=True)
    events: Mapped[list[str]]
    secret_sealed: Mapped[bytes]
    allow_private: Mapped[bool] = mapped_column(default=False)
    status: Mapped[WebhookStatus] = mapped_column(
        stored_by_value(WebhookStatus), default=WebhookStatus.ACTIVE
    )
    status_reason: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)
    resting_until: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    def __repr__(self) -> str:
        return f"Webhook({self.id}, {self.status!s})"


# Found by the relay's question about each batch of events, and by the sweep's.
Index(
    "command_delivered",
    Command.finished_at,
    postgresql_where=text("type = 'webhook' AND status = 'done'"),
)


def wants(patterns: Sequence[str], kind: str) -> bool:
    """Whether a type of events is among those named; `*` stands for any characters."""
    return any(fnmatchcase(kind, pattern) for pattern in patterns)


def unknown_patterns(patterns: Sequence[str]) -> list[str]:
    """Those that no event has a type for."""
    # A set of characters or a `?` is nobody's meaning.
    return [
        pattern
        for pattern in patterns
        if set(pattern) & set("[]?") or not any(fnmatchcase(kind, pattern) for kind in EVENT_DATA)
    ]


def hand_to_webhooks(db: Session, rows: Sequence[Outbox]) -> int:
    """Have these events posted to every webhook that wants them, each once; answers how many are.

    In the transaction that marks them as sent: so none is lost, whoever dies.
    """
    told = [row for row in rows if row.exchange == EVENTS]
    if not told:
        return 0
    hooks = list(db.scalars(select(Webhook).where(Webhook.status == WebhookStatus.ACTIVE)))
    count = 0
    for row in told:
        for hook in hooks:
            # One that was added since hears only of what happens from now on.
            if hook.created_at <= row.created_at and wants(hook.events, row.routing_key):
                count += _hand_over(db, hook, row)
    return count


def _hand_over(db: Session, hook: Webhook, row: Outbox) -> int:
    _, new = accept(
        db,
        CommandType.WEBHOOK,
        {"webhook": hook.id, "event": row.body},
        requested_by="certline",
        source="certline",
        command_id=str(uuid.uuid5(_DELIVERY, f"{hook.id} {row.event_id}")),
        subject=hook.id,
        correlation_id=row.body.get("correlationid"),
    )
    return int(new)


def take_turn(db: Session, hook_id: str) -> tuple[Webhook | None, timedelta | None]:
    """A webhook, and how long to wait where it rests; None where it has been removed.

    After a failure one delivery at a time tries it: who has the turn keeps others away.
    """
    hook = db.get(Webhook, hook_id)
    if hook is None or hook.status is not WebhookStatus.ACTIVE or hook.failures == 0:
        return hook, None
    db.refresh(hook, with_for_update=True)
    now = clock(db)
    if hook.resting_until is not None and hook.resting_until > now:
        return hook, hook.resting_until - now
    hook.resting_until = now + TURN
    return hook, None


def note_success(db: Session, hook_id: str) -> None:
    """It took a delivery: nothing rests any more."""
    db.execute(
        update(Webhook)
        .where(Webhook.id == hook_id, Webhook.failures > 0)
        .values(failures=0, resting_until=None)
    )


def note_failure(db: Session, hook_id: str, *, at_least: timedelta = timedelta(0)) -> None:
    """It did not take a delivery: leave it alone for a while, the longer the more often."""
    hook = db.get(Webhook, hook_id, with_for_update=True)
    if hook is None:
        return
    pause = timedelta(seconds=RESTS[min(hook.failures, len(RESTS) - 1)])
    hook.failures += 1
    hook.resting_until = clock(db, max(pause, at_least))


def disable(db: Session, hook_id: str, *, why: str) -> None:
    """Post nothing there any more, until a person enables it."""
    hook = db.get(Webhook, hook_id, with_for_update=True)
    if hook is None or hook.status is WebhookStatus.DISABLED:
        return
    hook.status, hook.status_reason = WebhookStatus.DISABLED, why
    record(db, "webhook.disabled", hook.id, who="certline", why=why)


def park(db: Session, delivery: Command, *, why: str) -> None:
    """Try a delivery no more: a person decides. No event tells of it, which would be delivered too."""
    finish(db, delivery, CommandStatus.REVIEW, error=why)
    facts = {"event": delivery.payload["event"]["id"]}
    record(
        db,
        "webhook.parked",
        str(delivery.subject),
        who="certline",
        why=why,
        command_id=delivery.id,
        **facts,
    )


def release(db: Session, deliveries: Sequence[Command], *, who: str) -> int:
    """Try parked deliveries anew, from the first try on; answers how many."""
    for delivery in deliveries:
        delivery.status, delivery.attempts, delivery.restarts = CommandStatus.QUEUED, 0, 0
        delivery.started_at = delivery.error = None
        record(db, "command.retried", delivery.id, who=who, command_id=delivery.id)
        hasten(db, delivery)
    return len(deliveries)


def webhooks(db: Session) -> list[Webhook]:
    """Every webhook, the oldest first."""
    return list(db.scalars(select(Webhook).order_by(Webhook.id)))


def webhook_known_as(db: Session, name: str) -> Webhook | None:
    """The webhook with that id or that URL."""
    return db.get(Webhook, name.upper()) or db.scalar(select(Webhook).where(Webhook.url == name))


def deliveries_listed(
    statuses: Sequence[str] = (), webhook_id: str | None = None
) -> Select[Command]:
    """Deliveries, each with its event."""
    question = select(Command).where(IS_DELIVERY)
    if statuses:
        question = question.where(Command.status.in_(statuses))
    return question if webhook_id is None else question.where(Command.subject == webhook_id)


def parked_deliveries(db: Session, webhook_id: str) -> list[Command]:
    """A webhook's deliveries that wait for a person, the oldest first, locked."""
    parked = deliveries_listed([CommandStatus.REVIEW.value], webhook_id)
    return list(db.scalars(parked.order_by(Command.created_at, Command.id).with_for_update()))


def deliveries_parked(db: Session) -> int:
    """How many deliveries wait for a person."""
    parked = deliveries_listed([CommandStatus.REVIEW.value]).subquery()
    return db.scalar(select(func.count()).select_from(parked)) or 0


def forget_delivered(db: Session) -> int:
    """Delete deliveries that came about more than a week ago, in pieces; answers how many."""
    old = (
        select(Command.id)
        .where(
            IS_DELIVERY,
            Command.status == CommandStatus.DONE,
            Command.finished_at < func.now() - KEEP_DELIVERED,
        )
        .limit(PIECE)
    )
    gone = db.scalars(delete(Command).where(Command.id.in_(old)).returning(Command.id))
    return len(gone.all())

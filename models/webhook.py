"""Webhooks: receivers to which events are posted over HTTP. Each delivery is an internal command."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from sqlalchemy import ColumnElement, Index, Select, func, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import RELAY, Identity
from certline.models.audit.log import record
from certline.models.commands.command import Command, accept, finish, hasten
from certline.models.database.base import Base, new_id, stored_by_value
from certline.models.database.session import clock
from certline.models.events.outbox import EVENTS, Outbox
from certline.models.events.trace_context import new_traceparent, within
from certline.models.states import CommandStatus, CommandType

# Namespace of the deliveries' ids (UUID 5 of webhook and event): an event that is published again does
# not lead to a second delivery.
_DELIVERY = uuid.UUID("5b0d1e9e-3c34-4f0b-9f5e-6c1d0c1b7a55")

# Seconds that a webhook rests after its n-th failure in a row, of any delivery; after more failures, the
# last one.
RESTS = (5, 15, 60, 300, 600)
# Time for which one delivery alone may try a webhook that has failed; longer than a post can take.
TURN = timedelta(seconds=30)

IS_DELIVERY: ColumnElement[bool] = Command.type == CommandType.WEBHOOK


class WebhookStatus(StrEnum):
    """Status of a webhook."""

    ACTIVE = "active"
    DISABLED = "disabled"  # nothing is posted: its receiver responded 410 Gone


class Webhook(Base):
    """A receiver: its URL, the types of events it wants (patterns), and the secret for the signatures.

    After `failures` in a row it rests until `resting_until`, so that a dead receiver costs no worker time.
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


# For the retention job.
Index(
    "command_delivered",
    Command.finished_at,
    postgresql_where=text("type = 'webhook' AND status = 'done'"),
)


def wants(patterns: Sequence[str], kind: str) -> bool:
    """Return True if the event type matches one of the patterns; `*` matches any characters."""
    return any(fnmatchcase(kind, pattern) for pattern in patterns)


def unknown_patterns(patterns: Sequence[str]) -> list[str]:
    """Return the patterns that match no type of event."""
    from certline.models.events.envelope import EVENT_DATA

    # fnmatch also understands `?` and [sets]; only `*` is part of our syntax.
    return [
        pattern
        for pattern in patterns
        if set(pattern) & set("[]?") or not any(fnmatchcase(kind, pattern) for kind in EVENT_DATA)
    ]


def hand_to_webhooks(db: Session, ids: Collection[int]) -> int:
    """Queue a delivery of each event to every active webhook that wants it. Returns how many were queued.

    `ids`: outbox rows; those that are not events are ignored. To be called in the transaction that marks the rows
    as sent, so that no event is lost if the relay dies.
    """
    hooks = list(db.scalars(select(Webhook).where(Webhook.status == WebhookStatus.ACTIVE)))
    if not hooks or not ids:
        return 0
    events = db.scalars(
        select(Outbox).where(Outbox.id.in_(ids), Outbox.exchange == EVENTS).order_by(Outbox.id)
    )
    count = 0
    for row in events:
        for hook in hooks:
            # A webhook gets no events that happened before it was added.
            if hook.created_at <= row.created_at and wants(hook.events, row.routing_key):
                count += _hand_over(db, hook, row)
    return count


def _hand_over(db: Session, hook: Webhook, row: Outbox) -> int:
    with within(row.body.get("traceparent") or new_traceparent()):
        _, new = accept(
            db,
            CommandType.WEBHOOK,
            {"webhook": hook.id, "event": row.body},
            requested_by=RELAY,
            source="certline",
            command_id=str(uuid.uuid5(_DELIVERY, f"{hook.id} {row.event_id}")),
            subject=hook.id,
            correlation_id=row.body.get("correlationid"),
        )
    return int(new)


def take_turn(db: Session, hook_id: str) -> tuple[Webhook | None, timedelta | None]:
    """Return (webhook, how long to wait if it rests); the webhook is None if it was removed.

    After a failure, one delivery at a time may try the webhook: taking the turn makes it rest for all others.
    """
    # Without failures there is nothing to take turns for, and deliveries must not queue up for a lock.
    hook = db.get(Webhook, hook_id)
    if hook is None or hook.status is not WebhookStatus.ACTIVE or hook.failures == 0:
        return hook, None
    # Locked and read again: another delivery may have taken the turn since.
    db.refresh(hook, with_for_update=True)
    now = clock(db)
    if hook.resting_until is not None and hook.resting_until > now:
        return hook, hook.resting_until - now
    hook.resting_until = now + TURN
    return hook, None


def note_success(db: Session, hook_id: str) -> None:
    """Record that a webhook accepted a delivery, which ends its rest."""
    # Only after failures: otherwise every delivery would write to the webhook's row.
    db.execute(
        update(Webhook)
        .where(Webhook.id == hook_id, Webhook.failures > 0)
        .values(failures=0, resting_until=None)
    )


def note_failure(db: Session, hook_id: str, *, at_least: timedelta = timedelta(0)) -> None:
    """Record that a delivery failed: the webhook rests, longer after each failure, and at least `at_least`."""
    hook = db.get(Webhook, hook_id, with_for_update=True)
    if hook is None:
        return
    pause = timedelta(seconds=RESTS[min(hook.failures, len(RESTS) - 1)])
    hook.failures += 1
    hook.resting_until = clock(db, max(pause, at_least))


def disable(db: Session, hook_id: str, *, why: str) -> None:
    """Stop deliveries to a webhook until a user enables it again. Does nothing if it is disabled or removed."""
    hook = db.get(Webhook, hook_id, with_for_update=True)
    if hook is None or hook.status is WebhookStatus.DISABLED:
        return
    hook.status, hook.status_reason = WebhookStatus.DISABLED, why
    record(db, "webhook.disabled", hook.id, who=RELAY, why=why)


def park(db: Session, delivery: Command, *, why: str) -> None:
    """Park a delivery in `review`, where a user decides about it.

    No event is published about it, because that event would be delivered to webhooks too.
    """
    finish(db, delivery, CommandStatus.REVIEW, error=why)
    facts = {"event": delivery.payload["event"]["id"]}
    record(
        db,
        "webhook.parked",
        str(delivery.subject),
        who=RELAY,
        why=why,
        command_id=delivery.id,
        **facts,
    )


def release(db: Session, deliveries: Sequence[Command], *, who: Identity) -> int:
    """Queue parked deliveries again, with their attempts counted from zero. Returns how many were queued."""
    for delivery in deliveries:
        delivery.status, delivery.attempts, delivery.restarts = CommandStatus.QUEUED, 0, 0
        delivery.started_at = delivery.error = None
        record(db, "command.retried", delivery.id, who=who, command_id=delivery.id)
        hasten(db, delivery)
    return len(deliveries)


def webhooks(db: Session) -> list[Webhook]:
    """Load all webhooks, the oldest first."""
    return list(db.scalars(select(Webhook).order_by(Webhook.id)))


def webhook_known_as(db: Session, name: str) -> Webhook | None:
    """Return the webhook with that id or URL, or None."""
    return db.get(Webhook, name.upper()) or db.scalar(select(Webhook).where(Webhook.url == name))


def deliveries_listed(
    statuses: Sequence[str] = (), webhook_id: str | None = None
) -> Select[Command]:
    """Return the query for deliveries with their events, of these statuses and this webhook if given."""
    question = select(Command).where(IS_DELIVERY)
    if statuses:
        question = question.where(Command.status.in_(statuses))
    return question if webhook_id is None else question.where(Command.subject == webhook_id)


def parked_deliveries(db: Session, webhook_id: str) -> list[Command]:
    """Load and lock a webhook's parked deliveries, the oldest first."""
    parked = deliveries_listed([CommandStatus.REVIEW.value], webhook_id)
    return list(db.scalars(parked.order_by(Command.created_at, Command.id).with_for_update()))


def deliveries_parked(db: Session) -> int:
    """Return how many deliveries are parked."""
    parked = deliveries_listed([CommandStatus.REVIEW.value]).subquery()
    return db.scalar(select(func.count()).select_from(parked)) or 0

"""Rejection of a message: it is kept as a dead letter, and its sender is told, and nobody in its place."""

import structlog
from sqlalchemy.orm import Session

from certline.models import Command
from certline.models.commands.dead_letter import MOST_OF_SENDER, Kept, keep
from certline.models.commands.idempotency import known_id
from certline.models.events.data import CommandRejected
from certline.models.events.outbox import INGRESS, emit_event
from certline.models.senders.authorisation import ForbiddenCommandError, note_refusal
from certline.models.senders.origin import sent_by
from certline.models.senders.sender import sender_at_work_queues, sender_with_user
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.producers.messaging.delivery import Delivery
from certline.workers.metrics.instruments import INGRESS_MESSAGES
from certline.workers.metrics.tally import count

log = structlog.get_logger()


def own_id(db: Session, claimed: str | None, user_id: str | None) -> str | None:
    """Return the command id that a refused message claims, if its sender may be answered under it; else None.

    Under the id of another sender's command nothing is answered: that sender would take the rejection for its own.
    Only RabbitMQ's `user_id` counts as the sender; the event's source is a claim.
    """
    if claimed is None:
        return None
    command = db.get(Command, claimed)
    return claimed if command is None or sent_by(command, user_id) else None


def reject(
    db: Session,
    vault: Vault,
    delivery: Delivery,
    problems: list[str],
    *,
    source: str,
    message_id: str,
    command_id: str | None,
    attempts: int = 1,
    most: int = MOST_OF_SENDER,
    unread: bool = False,
    answers: bool = True,
    forbidden: ForbiddenCommandError | None = None,
) -> Kept:
    """Keep a message as a dead letter, and publish `command.rejected` for its sender.

    A redelivery by RabbitMQ publishes nothing, because the event was published before; a message that its sender
    sends again gets the event again. `most`: letters that wait of one sender; of further messages nothing is kept
    but their number, and of as many again the sender is told. `answers`: whether the sender is told at all.
    `forbidden`: the refusal of a command that its sender may not send, which is audited.
    """
    # Without an answer, the letter may be tied to any command: one of our own messages that failed names its own.
    own = own_id(db, command_id, delivery.user_id) if answers else command_id
    count(INGRESS_MESSAGES, "rejected")
    kept = keep(
        db,
        vault,
        delivery.body,
        source=source,
        reason="; ".join(problems),
        properties=delivery.properties,
        message_id=message_id,
        command_id=own,
        attempts=attempts,
        sender=delivery.user_id or "",
        most=most,
        unread=unread,
    )
    if kept.new or not delivery.redelivered:
        log.warning(
            "dead_letter.kept",
            letter=kept.id,
            source=source,
            sender=delivery.user_id,
            command=command_id,
            others_id=own != command_id,
            problems=problems,
        )
        if answers and kept.answered:
            event = CommandRejected(
                dead_letter=kept.id,
                message_id=_own_message_id(db, message_id, delivery.user_id),
                sender=delivery.user_id,
                problems=problems,
            )
            emit_event(
                db, event, subject=kept.id, correlation_id=own, senders=_sender_of(db, delivery)
            )
    if kept.new and forbidden is not None:
        note_refusal(db, kept.id, forbidden, user_id=delivery.user_id)
    return kept


def _sender_of(db: Session, delivery: Delivery) -> list[str]:
    """Return the name of the sender whose queue gets the event; none if the sender is not known."""
    from_exchange = delivery.queue == INGRESS
    found = sender_with_user(db, delivery.user_id) if from_exchange else sender_at_work_queues(db)
    return [] if found is None else [found.name]


def _own_message_id(db: Session, message_id: str, user_id: str | None) -> str | None:
    """Return a message's id for the event, unless it is the id of another sender's command."""
    try:
        claimed = known_id(message_id)
    except BadCommandError:
        return message_id or None
    return message_id if own_id(db, claimed, user_id) is not None else None

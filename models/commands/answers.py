"""Answers to commands: the one event that says how a command ended (docs/events.md)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from certline.models.commands.command import Command, finish
from certline.models.commands.kinds import KINDS
from certline.models.events.base import EventData
from certline.models.events.data import CommandFailed
from certline.models.events.outbox import emit_event
from certline.models.states import CommandStatus, CommandType

_REFUSED = ("order.rejected", "order.cancelled", "order.review")
# Events that answer a command which was accepted: the first if it is done (docs/events.md). Each command is
# answered by `command.failed` as well, and one that is not accepted by `command.rejected`.
ANSWERS: dict[CommandType, tuple[str, ...]] = {
    CommandType.SYNC: ("sync.completed",),
    CommandType.ORDER: ("certificate.stored", "order.held", *_REFUSED),
    CommandType.POLL: ("poll.completed",),
    CommandType.RENEW: ("certificate.renewed", *_REFUSED),
    CommandType.REISSUE: ("certificate.reissued", *_REFUSED),
    CommandType.REVOKE: ("certificate.revoked", "order.cancelled"),
    CommandType.CANCEL: ("order.cancelled",),
    CommandType.DELETE: ("certificate.deleted", "order.deleted"),
    CommandType.IMPORT: ("import.completed",),
    CommandType.VALIDATE: ("domain.validated", "domain.validation_failed"),
}

# Steps of an order: the events of the order say how they ended.
STEPS_OF_ORDERS = frozenset({CommandType.FETCH, CommandType.RECONCILE})


@dataclass(frozen=True)
class Answer:
    """The event that answers a command, and the id of the object that the event is about."""

    event: EventData
    subject: str | None


def answer_with(
    db: Session, command: Command, answer: Answer, *, senders: Collection[str] = ()
) -> None:
    """Publish the event that answers a command, with the command's correlation id.

    `senders`: as for `emit_event`.
    """
    emit_event(
        db,
        answer.event,
        subject=answer.subject,
        correlation_id=command.correlation_id,
        senders=senders,
    )


def fail(
    db: Session,
    command: Command,
    why: str,
    *,
    status: Literal["failed", "review"] = "failed",
) -> None:
    """End a command as failed, or in review, and publish `command.failed`.

    A step of an order publishes nothing: its order goes to `review`, or ends, with an event of its own.
    """
    finish(db, command, CommandStatus(status), error=why)
    if is_step_of_order(command):
        return
    event = CommandFailed(command_id=command.id, type=command.type.value, error=why, status=status)
    answer_with(db, command, Answer(event, command.subject))


def is_step_of_order(command: Command) -> bool:
    """Return True if certline itself emitted the command to carry an order on."""
    return command.type in STEPS_OF_ORDERS or is_own_poll(command)


def is_own_poll(command: Command) -> bool:
    """Return True for the poll that each pending order has; a poll that was requested has no subject."""
    return command.type is CommandType.POLL and command.subject is not None


def is_public(command: Command) -> bool:
    """Return True for a command that was requested, at the command line, by a message or by a schedule."""
    return KINDS[command.type].public and not is_own_poll(command)

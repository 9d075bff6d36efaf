"""Origin of commands: which RabbitMQ user sent a command, as far as RabbitMQ vouched for it."""

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from certline.models.audit.identity import Identity
from certline.models.commands.command import OPEN, Command, quoted


def sent_by(command: Command, user_id: str | None) -> bool:
    """Return True if RabbitMQ vouched that this user sent the command; a command of the CLI was sent by nobody."""
    names = (user_id, f"amqp:{user_id}")
    return user_id is not None and command.source != "cli" and command.requested_by in names


def is_unverified(command: Command) -> bool:
    """Return True for a command whose sender is only known by its own claim, the event's source."""
    # Before names had namespaces, the claim itself was recorded.
    return command.requested_by in (command.source, Identity.of_message(None, None).name)


def open_commands_of(db: Session, user_id: str, most: int) -> int:
    """Count the open commands of a RabbitMQ user, up to `most`."""
    some = (
        select(Command.id)
        # As in the index `command_open_of_sender`.
        .where(
            text(f"status IN ({quoted(OPEN)})"),
            Command.requested_by.in_((user_id, f"amqp:{user_id}")),
        )
        .limit(most)
    )
    return db.scalar(select(func.count()).select_from(some.subquery())) or 0

"""Resolve a work message to its command: the message names a stored command, or carries a whole one."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from certline.models import Command, CommandType
from certline.models.commands.admission import admit
from certline.models.commands.command import OtherCommandError
from certline.models.commands.envelope import (
    IncomingCommand,
    in_brief,
    read_command,
    require_storable,
)
from certline.models.commands.idempotency import known_id
from certline.models.senders.authorisation import authorise, require_known_at_work_queues
from certline.models.senders.sender import sender_at_work_queues
from certline.models.validation import BadCommandError
from certline.workers.runtime.context import WorkerContext


class RefusedMessageError(Exception):
    """A message without a command that this step can carry out. Retrying can't help: the message becomes
    a dead letter at once.
    """


def command_of(
    context: WorkerContext, step: CommandType, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str:
    """Return the id of the command that a message refers to, storing the command first if it is carried whole.

    Raises RefusedMessageError if the message is malformed, if its id is in use for another command, or if nobody
    may send that command here.
    """
    try:
        named = named_in(step, args, kwargs)
        if isinstance(named, str):
            return named
        with context.database.transaction() as db:
            sender = require_known_at_work_queues(sender_at_work_queues(db))
            permit = authorise(db, sender, named)
            admit(
                db, context.vault, named, user_id=None, sender=permit.sender, pinned=permit.pinned
            )
    except (BadCommandError, OtherCommandError) as bad:
        raise RefusedMessageError(str(bad)) from None
    return named.id


def named_in(step: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | IncomingCommand:
    """Return the command id that a message names, or the command that it carries.

    A whole command is the CloudEvent that other systems send to `certline.commands`, as keyword arguments.
    Raises BadCommandError if the message is neither, or the command belongs to another step.
    """
    if len(args) == 1 and not kwargs:  # as Dramatiq's own `send(id)` writes it
        kwargs = {"command_id": args[0]}
    elif args:
        raise BadCommandError(["args: should be empty"])
    if set(kwargs) == {"command_id"}:
        if not isinstance(kwargs["command_id"], str):
            raise BadCommandError(["command_id: should be a text"])
        return known_id(kwargs["command_id"])
    if "command_id" in kwargs or "id" not in kwargs:
        raise BadCommandError(
            ["kwargs: should have `command_id` and nothing else, or be a command as a CloudEvent"]
        )
    # Before parsing: NUL, lone surrogates and deep nesting can't be stored, not even within an error text.
    require_storable(dict(kwargs))
    try:
        asked = read_command(dict(kwargs))
    except BadCommandError as bad:
        raise BadCommandError(in_brief(bad.problems)) from None
    if asked.name != step:
        raise BadCommandError([f"type: {asked.name} is not done by the actor {step}"])
    return asked


def require_its_own(db: Session, step: CommandType, command_id: str) -> None:
    """Check that the command exists and belongs to this step. Raises RefusedMessageError if not.

    An unknown id can't be a race: the relay publishes a message only after its command was committed.
    """
    command = db.get(Command, command_id)
    if command is None:
        raise RefusedMessageError(f"command {command_id} is not known")
    if command.type is not step:
        raise RefusedMessageError(f"command {command_id} is {command.type}, not {step}")

"""Admission of commands that arrive as messages: the single place where they are validated and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from certline.models.audit.identity import Identity
from certline.models.ciphers.place import in_command
from certline.models.commands.command import (
    Command,
    OtherCommandError,
    accept,
    require_same,
)
from certline.models.commands.command_row import NOTHING_PINNED
from certline.models.commands.idempotency import known_id
from certline.models.states import CommandType
from certline.models.validation import BadCommandError

if TYPE_CHECKING:
    from certline.models.commands.envelope import IncomingCommand
    from certline.models.vault import Vault

# Name of the sender of what was sent before senders had names of their own.
LEGACY = "legacy"


def admit(
    db: Session,
    vault: Vault,
    asked: IncomingCommand,
    *,
    sender: str,
    pinned: Mapping[str, str] = NOTHING_PINNED,
    user_id: str | None,
) -> tuple[Command, bool]:
    """Record a command together with the outbox row that wakes a worker. Returns (command, whether it is new).

    The caller has made sure that the sender may send it (`models.senders.authorisation`). Whether the command can
    be carried out is decided later by its step, which marks it as failed if not.
    `user_id`: RabbitMQ's user, if it vouches for the sender. The event's source is kept beside it, as a claim. A
    secret that was sealed for one sender opens for no other.
    Raises BadCommandError, and OtherCommandError if the id was already used for another command.
    """
    payload = _payload(db, vault, asked, user_id)
    try:
        command, new = accept(
            db,
            CommandType(asked.name),
            payload,
            requested_by=Identity.of_message(user_id, asked.source),
            source=asked.source,
            command_id=asked.id,
            sender=sender,
            pinned=pinned,
        )
    except OtherCommandError:
        # What the first command was is told to its own sender only.
        _require_own(db.get_one(Command, asked.id), asked, sender)
        raise
    if not new:
        _require_own(command, asked, sender)
    return command, new


def _require_own(first: Command, asked: IncomingCommand, sender: str) -> None:
    """Raise OtherCommandError if a command of somebody else has the id that a sender uses."""
    # Before there were senders, only the source told them apart.
    before = first.sender == LEGACY and first.source == asked.source
    if first.sender != sender and not before:
        raise OtherCommandError(f"command id {asked.id} is in use; a new request needs a new id")


def require_admissible(db: Session, vault: Vault, asked: IncomingCommand, *, sender: str) -> None:
    """Check that a command would be recorded. Raises BadCommandError or OtherCommandError if not."""
    payload = _payload(db, vault, asked, None)
    first = db.get(Command, asked.id)
    if first is not None:
        _require_own(first, asked, sender)
        require_same(first, CommandType(asked.name), payload)


def _payload(
    db: Session, vault: Vault, asked: IncomingCommand, sender: str | None
) -> dict[str, Any]:
    from certline.models.ciphers.sealed_text import SealedTextError
    from certline.models.sealing.incoming_secret import take_secret

    # Without defaults: a default that is sent and one that is left out must give the same digest.
    payload = asked.payload.model_dump(mode="json", exclude_defaults=True)
    for name, value in payload.items():
        # A password in clear text is refused, and not repeated in the error.
        if name.endswith("_sealed"):
            place = in_command(known_id(asked.id), name)
            try:
                payload[name] = take_secret(db, vault, str(value), place, sender=sender)
            except SealedTextError as fault:
                raise BadCommandError([f"data.{name}: {fault}"]) from None
    return payload

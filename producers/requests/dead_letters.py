"""An operator's decisions about dead letters: replay or drop. Each is recorded as an audit entry."""

from collections.abc import Callable

import dramatiq
from dramatiq.errors import DecodeError
from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Database, DeadLetter, DeadLetterStatus
from certline.models.audit.identity import Identity
from certline.models.commands.admission import admit
from certline.models.commands.command import OPEN, OtherCommandError, hasten
from certline.models.commands.dead_letter import WITHOUT_KEY, decide
from certline.models.commands.envelope import IncomingCommand, in_brief, incoming_command
from certline.models.database.secret_place import place_of
from certline.models.events.outbox import COMMANDS
from certline.models.senders.authorisation import (
    authorise,
    require_known,
    require_known_at_work_queues,
)
from certline.models.senders.sender import sender_at_work_queues, sender_with_user
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.workers.process.broker import cleanse
from certline.workers.runtime.messages import RefusedMessageError, named_in, require_its_own


class AlreadyDecidedError(Exception):
    """The letter was replayed or dropped before."""


class CannotReplayError(Exception):
    """A replay would be rejected like the first delivery; the text says why."""


def replay(database: Database, vault: Vault, letter_id: str, *, who: Identity) -> str:
    """Process a dead letter again. Returns the id of its command, which stays the one given in the message.

    A command of another system goes through the same checks as on arrival; a work message makes its open
    command due now. Raises AlreadyDecidedError if it was replayed or dropped before, CannotReplayError if it would
    be rejected again.
    """
    with database.transaction() as db:
        letter = _waiting(db, letter_id)
        body = vault.open(letter.body_sealed, place_of(letter, "body_sealed"))
        if WITHOUT_KEY in letter.properties:
            raise CannotReplayError(
                "it held a private key, which was removed: the sender has to replace that key, and send the "
                "command again without it"
            )
        if letter.properties.get("bytes", 0) > len(body):
            raise CannotReplayError("it was too large for a command, so only its beginning is kept")
        way: Callable[[Session, Vault, DeadLetter, bytes], Command] = (
            _admit if letter.source == COMMANDS else _wake
        )
        try:
            command = way(db, vault, letter, body)
        except BadCommandError as bad:
            raise CannotReplayError("; ".join(in_brief(bad.problems))) from None
        except (OtherCommandError, RefusedMessageError) as refusal:
            raise CannotReplayError(str(refusal)) from None
        letter.command_id = command.id
        decision = f"command {command.id}"
        decide(db, letter, DeadLetterStatus.REPLAYED, who=who, decision=decision)
        return command.id


def drop(database: Database, letter_id: str, *, reason: str, who: Identity) -> None:
    """Mark a dead letter as dropped, so that it never has an effect. Raises AlreadyDecidedError."""
    with database.transaction() as db:
        letter = _waiting(db, letter_id)
        decide(db, letter, DeadLetterStatus.DROPPED, who=who, decision=reason)


def _waiting(db: Session, letter_id: str) -> DeadLetter:
    # Locked, so that two operators can't decide about the same letter at once.
    letter = db.get_one(DeadLetter, letter_id, with_for_update=True)
    if letter.status is not DeadLetterStatus.WAITING:
        raise AlreadyDecidedError(
            f"{letter.id} was {letter.status} by {letter.decided_by}: {letter.decision}"
        )
    return letter


def _admit(db: Session, vault: Vault, letter: DeadLetter, body: bytes) -> Command:
    sent = letter.properties
    user = sent.get("user_id")
    sender = require_known(sender_with_user(db, user), user)
    asked = incoming_command(body, sent["exchange"], sent["routing_key"])
    permit = authorise(db, sender, asked)
    command, _ = admit(db, vault, asked, user_id=user, sender=permit.sender, pinned=permit.pinned)
    return command


def _wake(db: Session, vault: Vault, letter: DeadLetter, body: bytes) -> Command:
    try:
        message: dramatiq.Message[None] = dramatiq.Message.decode(body)
    except DecodeError:
        raise CannotReplayError(letter.reason) from None
    if cleanse(message, letter.source) or message.actor_name not in list(CommandType):
        raise CannotReplayError(letter.reason)
    step = CommandType(message.actor_name)
    named = named_in(step, message.args, message.kwargs)
    if isinstance(named, IncomingCommand):
        sender = require_known_at_work_queues(sender_at_work_queues(db))
        permit = authorise(db, sender, named)
        command, new = admit(
            db, vault, named, user_id=None, sender=permit.sender, pinned=permit.pinned
        )
        if new:  # its outbox row was just inserted, so it is due already
            return command
    else:
        require_its_own(db, step, named)
        command = db.get_one(Command, named)
    if command.status not in OPEN:
        raise CannotReplayError(f"command {command.id} is {command.status}: nothing waits for it")
    hasten(db, command)
    return command

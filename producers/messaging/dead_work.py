"""Storing of work messages that workers rejected: read from RabbitMQ's `.XQ` queues, each kept with a reason.

RabbitMQ reports that a message was rejected, but not why, so each message is checked again as a worker would.
"""

from dataclasses import dataclass, replace

import dramatiq
import structlog
from dramatiq.common import q_name
from dramatiq.errors import DecodeError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Database
from certline.models.commands.admission import require_admissible
from certline.models.commands.command import OtherCommandError
from certline.models.commands.dead_letter import MOST_OF_SENDER
from certline.models.commands.envelope import IncomingCommand, id_in, in_brief
from certline.models.commands.redelivery import MOST_REDELIVERIES, redeliveries_of
from certline.models.database.outage import NoFreeConnectionError
from certline.models.database.session import blames_the_data
from certline.models.senders.authorisation import (
    ForbiddenCommandError,
    authorise,
    require_known_at_work_queues,
)
from certline.models.senders.sender import sender_at_work_queues
from certline.models.validation import BadCommandError
from certline.models.vault import Vault, WithdrawnVaultError
from certline.producers.messaging.delivery import Delivery, storable
from certline.producers.messaging.poison import UNREAD
from certline.producers.messaging.rejection import reject
from certline.workers.process.broker import cleanse
from certline.workers.runtime.messages import RefusedMessageError, named_in, require_its_own
from certline.workers.runtime.redelivery import work_digest

log = structlog.get_logger()

# The number of tries is read from the message itself, so a sender may have put any number there.
MOST_ATTEMPTS = 1_000


@dataclass(frozen=True)
class Found:
    """Findings about a dead work message. `brought`: the message carried a whole command of another system;
    `unread`: that command was not read, because workers were given the message again and again; `forbidden`:
    nobody may send that command to a work queue.
    """

    problems: list[str]
    message_id: str = ""
    command_id: str | None = None
    attempts: int = 1
    brought: bool = False
    unread: bool = False
    forbidden: ForbiddenCommandError | None = None


def keep_dead(
    database: Database, vault: Vault, delivery: Delivery, *, most: int = MOST_OF_SENDER
) -> None:
    """Store a dead work message as a dead letter, with the reason why it was rejected.

    If the message carried a whole command, its sender is informed by a `command.rejected` event.
    `most`: dead letters that wait of one sender. Raises one of OUTAGES if Postgres is unreachable or has no
    tables, WithdrawnVaultError as `ingress.take` does.
    """
    queue = q_name(delivery.queue)
    try:
        with database.transaction() as db:
            found = look_at(db, vault, queue, delivery)
    # No fault of the message: it waits until the ingress is restarted, or a connection is free.
    except (WithdrawnVaultError, NoFreeConnectionError):
        raise
    except Exception as error:  # one odd message must not block the queue
        if isinstance(error, DBAPIError) and not blames_the_data(error):
            raise
        log.exception("dead_letter.unreadable", source=queue, message=delivery.message_id)
        found = Found([f"a fault of certline itself ({type(error).__name__}) when it was checked"])
    # A separate transaction, since a failed check leaves the first one unusable.
    with database.transaction() as db:
        reject(
            db,
            vault,
            # A dead work message that comes again was answered before.
            replace(delivery, redelivered=True),
            found.problems,
            source=queue,
            message_id=found.message_id or delivery.message_id,
            command_id=found.command_id,
            attempts=found.attempts,
            most=most,
            unread=found.unread,
            answers=found.brought and found.command_id is not None,
            forbidden=found.forbidden,
        )


def look_at(db: Session, vault: Vault, queue: str, delivery: Delivery) -> Found:
    """Find out why a worker rejected this message, and which command the message was about."""
    try:
        message: dramatiq.Message[None] = dramatiq.Message.decode(delivery.body)
    except DecodeError:
        return Found(["it is not a message in Dramatiq's format"])
    fault = cleanse(message, queue)
    if fault is not None:
        return Found([f"it is not a message in Dramatiq's format: {fault}"])
    attempts = min(message.options.get("retries", 0), MOST_ATTEMPTS) + 1
    found = Found([], storable(message.message_id)[:255], attempts=attempts)
    if message.actor_name not in list(CommandType):
        return replace(found, problems=in_brief([f"there is no step {message.actor_name!r}"]))
    step = CommandType(message.actor_name)
    if redeliveries_of(db, work_digest(message)) >= MOST_REDELIVERIES:
        return replace(found, problems=[UNREAD], unread=True)
    try:
        named = named_in(step, message.args, message.kwargs)
    except BadCommandError as bad:
        # An invalid whole command may still carry a usable id, under which its sender is informed.
        own = id_in(message.kwargs)
        brief = in_brief(bad.problems)
        return replace(found, problems=brief, command_id=own, brought=own is not None)
    found = replace(
        found,
        command_id=named if isinstance(named, str) else named.id,
        brought=isinstance(named, IncomingCommand),
    )
    try:
        if isinstance(named, IncomingCommand):
            sender = require_known_at_work_queues(sender_at_work_queues(db))
            authorise(db, sender, named)
            require_admissible(db, vault, named, sender=sender.name)
        else:
            require_its_own(db, step, named)
    except ForbiddenCommandError as forbidden:
        return replace(found, problems=in_brief(forbidden.problems), forbidden=forbidden)
    except (BadCommandError, OtherCommandError, RefusedMessageError) as refusal:
        return replace(found, problems=in_brief([str(refusal)]))
    return replace(found, problems=in_brief([_why(db, found, delivery)]))


def _why(db: Session, found: Found, delivery: Delivery) -> str:
    """Return the reason for a well-formed message: tries used up, or what RabbitMQ reported."""
    verdict = delivery.deaths[0].get("reason") if delivery.deaths else None
    why = f"it failed {found.attempts} times; see the workers' log"
    if verdict not in (None, "rejected"):
        why = f"RabbitMQ dead-lettered it: {verdict}"
    command = db.get(Command, found.command_id)
    if command is None:
        return why
    return f"{why}; its command is {command.status}" + (
        f": {command.error}" if command.error else ""
    )

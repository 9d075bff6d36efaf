"""Poison messages: what RabbitMQ delivers again and again without an acknowledgement is put aside unread."""

from collections.abc import Callable

import structlog
from dramatiq.common import q_name
from sqlalchemy.exc import SQLAlchemyError

from certline.models import Database
from certline.models.commands.idempotency import known_id
from certline.models.commands.redelivery import (
    MOST_REDELIVERIES,
    count_redelivery,
    message_digest,
)
from certline.models.events.outbox import COMMANDS, INGRESS
from certline.models.validation import BadCommandError
from certline.models.vault import Vault, WithdrawnVaultError
from certline.producers.messaging.delivery import Delivery
from certline.producers.messaging.rejection import reject

log = structlog.get_logger()

UNREAD = (
    f"it was delivered again {MOST_REDELIVERIES} times without being acknowledged, so it was put aside unread: "
    "reading it may end its reader; the log of that time may tell why"
)
Handler = Callable[[Delivery], None]


class PoisonWatch:
    """Passes deliveries to a handler, except those that were redelivered MOST_REDELIVERIES times."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        # Digests of messages whose handler met a fault of ours: they are counted afresh.
        self._pardoned: set[str] = set()

    def over(self, handler: Handler) -> Handler:
        """Return the handler with this watch before it. A first delivery costs nothing."""

        def watched(delivery: Delivery) -> None:
            if self._is_poison(delivery):
                self._put_aside(delivery)
                return
            try:
                handler(delivery)
            except (SQLAlchemyError, WithdrawnVaultError):
                self._pardoned.add(_digest(delivery))
                raise

        return watched

    def _is_poison(self, delivery: Delivery) -> bool:
        if not delivery.redelivered:
            return False
        digest = _digest(delivery)
        # Committed before the message is read, since reading it may end this process.
        with self._database.transaction() as db:
            count = count_redelivery(db, digest, afresh=digest in self._pardoned)
        self._pardoned.discard(digest)
        return count >= MOST_REDELIVERIES

    def _put_aside(self, delivery: Delivery) -> None:
        commands = delivery.queue == INGRESS
        with self._database.transaction() as db:
            reject(
                db,
                self._vault,
                delivery,
                [UNREAD],
                source=COMMANDS if commands else q_name(delivery.queue),
                message_id=delivery.message_id,
                command_id=_named(delivery),
                attempts=MOST_REDELIVERIES,
                unread=True,
                answers=commands,
            )


def _digest(delivery: Delivery) -> str:
    sender = delivery.user_id or ""
    return message_digest(delivery.queue, sender, delivery.message_id, delivery.body)


def _named(delivery: Delivery) -> str | None:
    """Return the command id that the message's property names; its body is not read."""
    try:
        return known_id(delivery.message_id)
    except BadCommandError:
        return None

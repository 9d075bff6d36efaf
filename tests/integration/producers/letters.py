"""Dead letters of commands that the ingress refused, and of work that failed permanently."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from dramatiq.common import xq_name
from sqlalchemy import select

from certline.models import AuditEntry, Command, CommandType, Database, DeadLetter, Queue
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.events.outbox import COMMANDS, INGRESS
from certline.producers import ingress as ingress_module
from certline.producers.ingress import take
from certline.producers.messaging.dead_work import keep_dead
from certline.producers.messaging.delivery import Delivery
from tests.integration.producers.senders import USER, VAULT, letters


def from_outside(event: dict[str, Any] | bytes, **properties: Any) -> Delivery:
    """Return a message as it arrives over the exchange."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    usual = {
        "exchange": COMMANDS,
        "routing_key": "order",
        "bytes": len(body),
        "user_id": USER,
    }
    return Delivery(INGRESS, False, usual | properties, body)


def from_work(kwargs: dict[str, Any], actor: str = "poll", **fields: Any) -> Delivery:
    """Return a message that a worker gave up."""
    message = {
        "queue_name": Queue.POLL,
        "actor_name": actor,
        "args": [],
        "kwargs": kwargs,
        "options": {},
        "message_id": str(uuid4()),
        "message_timestamp": 1764000000000,
    }
    body = json.dumps(message | fields).encode()
    return Delivery(xq_name(Queue.POLL), False, {"bytes": len(body)}, body)


def refused(database: Database, event: dict[str, Any] | bytes, **properties: Any) -> DeadLetter:
    """Return the dead letter of a command that the ingress refuses."""
    take(database, VAULT, from_outside(event, **properties))
    return letters(database)[-1]


def refused_by_a_fault_of_ours(
    database: Database, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any], **properties: Any
) -> DeadLetter:
    """Return the dead letter of a valid command that met an internal error."""

    def admit(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(ingress_module, "admit", admit)
        return refused(database, event, **properties)


def gave_up(database: Database, delivery: Delivery) -> DeadLetter:
    """Return the dead letter of a work message."""
    keep_dead(database, VAULT, delivery)
    return letters(database)[-1]


def as_it_stands(database: Database, letter: DeadLetter) -> DeadLetter:
    """Reload the dead letter."""
    with database.transaction() as db:
        return db.get_one(DeadLetter, letter.id)


def log_of(database: Database, letter: DeadLetter) -> list[tuple[str, str, str | None]]:
    """Return (type, who, why) of each audit entry of a dead letter."""
    with database.transaction() as db:
        found = db.scalars(select(AuditEntry).where(AuditEntry.subject == letter.id))
        return [(event.type, event.who, event.why) for event in found]


def a_waiting_poll(database: Database) -> Command:
    """Insert a command that is due in an hour."""
    with database.transaction() as db:
        command, _ = accept(
            db,
            CommandType.POLL,
            {},
            requested_by=Identity("os:ida"),
            source="test",
            after=timedelta(hours=1),
        )
    return command

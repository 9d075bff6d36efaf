"""Two outside systems, the shop and the bank, and what becomes of the commands that they send."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import (
    Account,
    AuditEntry,
    Command,
    CommandType,
    Database,
    OrderStatus,
    Outbox,
    Sender,
)
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.events.due import DueMessage
from certline.models.events.outbox import EVENTS
from certline.models.senders.copies import COPY, address_copies
from certline.models.senders.sender import USUAL_COMMANDS
from certline.producers.ingress import take
from tests.integration.producers.letters import from_outside
from tests.integration.producers.senders import VAULT, an_event, commands, events, letters
from tests.support.factories import (
    a_certificate,
    a_line,
    a_sender,
    an_account,
    an_order,
    an_organization,
)

BANK, SHOP = "bank", "shop"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a database with an account, an organisation, and two senders with the usual rights."""
    database = Database(database_url)
    with database.transaction() as db:
        account = an_account(db, name="demo")
        db.add(an_organization(account_id=account.id, scm_id=9101, name="Nordhafen University"))
        db.add(an_organization(account_id=account.id, scm_id=9102, name="Nordhafen AG"))
        for name in (SHOP, BANK):
            a_sender(db, name=name, amqp_user=name, commands=list(USUAL_COMMANDS), own_only=True)
    yield database
    database.close()


def allow(database: Database, **limits: Any) -> None:
    """Give the shop other rights."""
    with database.transaction() as db:
        for name, value in limits.items():
            setattr(db.get_one(Sender, SHOP), name, value)


def stored(
    database: Database, name: str, *, by: str | None = None, **columns: Any
) -> tuple[str, str]:
    """Store a certificate that a sender has ordered, or else an operator. Returns (its id, its order's)."""
    with database.transaction() as db:
        account = db.scalars(
            select(Account).where(Account.name == columns.pop("account", "demo"))
        ).one()
        command, _ = accept(
            db, CommandType.ORDER, {}, requested_by=Identity("os:ida"), source="x", sender=by
        )
        line = columns.pop("line_id", None) or a_line(db, account).id
        placed = {
            name: columns.pop(name)
            for name in ("organization_id", "status", "sans")
            if name in columns
        }
        order = an_order(
            db,
            account,
            **{"status": OrderStatus.STORED, "common_name": name, "line_id": line} | placed,
            command_id=command.id,
        )
        found = a_certificate(db, order, **columns)
        order.certificate_id = found.id
        return found.id, order.id


def sent(
    database: Database, name: str, data: dict[str, Any], *, user: str | None = SHOP, **more: Any
) -> list[str]:
    """Send a command as a user. Returns the problems with it; none if it was accepted."""
    event = an_event(name, data=data, **more)
    before = {letter.id for letter in letters(database)}
    delivery = from_outside(event, routing_key=name)
    properties = {key: value for key, value in delivery.properties.items() if key != "user_id"}
    if user is not None:
        properties["user_id"] = user
    take(database, VAULT, type(delivery)(delivery.queue, False, properties, delivery.body))
    new = [letter for letter in letters(database) if letter.id not in before]
    if not new:
        return []
    [rejected] = [
        each["data"]
        for each in events(database, "command.rejected")
        if each["data"]["dead_letter"] == new[0].id
    ]
    return list(rejected["problems"])


def refusals(database: Database) -> list[AuditEntry]:
    with database.transaction() as db:
        found = db.scalars(select(AuditEntry).where(AuditEntry.type == "command.refused"))
        return list(found)


def own_commands(database: Database) -> list[Command]:
    """Return the commands that came from outside in this test, without those of `stored`."""
    return [command for command in commands(database) if command.source != "x"]


def copies(database: Database, kind: str) -> list[list[str]]:
    """Return, for each event of a type, the senders that receive a copy of it."""
    with database.transaction() as db:
        rows = list(db.scalars(select(Outbox).where(Outbox.routing_key == kind)))
        events = [
            DueMessage(
                row.id, row.event_id, EVENTS, kind, json.dumps(row.body), senders=row.senders
            )
            for row in rows
        ]
        address_copies(db, events)
    return [
        [key.removeprefix(f"{COPY}.").removesuffix(f".{kind}") for key in event.copies]
        for event in events
    ]

"""Fixtures: events, a relay without RabbitMQ, and the step that posts; the test runs each of them itself."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import func, select, update

from certline.models import Command, CommandStatus, CommandType, Database, Webhook
from certline.models.audit.identity import Identity
from certline.models.events.outbox import emit_event
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.producers.messaging.publisher import wire_of
from certline.producers.relay import Relay
from certline.producers.requests.webhooks import Added, add_webhook
from certline.workers.app import declare
from certline.workers.process.broker import make_broker
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import run
from certline.workers.steps.webhook import STEP
from tests.support.documented_events import some


class Post:
    """An installation that emits events and posts them, one call at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        settings = Settings(database_url=SecretStr(database.url))
        self.line = WorkerContext(database, Vault(Fernet.generate_key().decode()), settings)
        broker = make_broker(settings)
        declare(broker, self.line)
        self.relay = Relay(database, wire_of(broker))

    def add(self, url: str, *events: str, allow_private: bool = True) -> Added:
        """Add a webhook for these events, or for all."""
        patterns = events or ("*",)
        named = {"allow_private": allow_private, "who": Identity("os:ida")}
        return add_webhook(self.database, self.line.vault, url, patterns, **named)  # type: ignore[arg-type]  # mypy sees one type of both

    def tell(self, kind: str = "order.held", **attributes: Any) -> None:
        """Emit an event, and have the relay send it."""
        with self.database.transaction() as db:
            given: dict[str, Any] = {"subject": "01J", "correlation_id": None}
            emit_event(db, some(kind), **given | attributes)
        self.relay.pump()

    def deliveries(self) -> list[Command]:
        """Return every delivery, in order of creation."""
        with self.database.transaction() as db:
            query = select(Command).where(Command.type == CommandType.WEBHOOK)
            return list(db.scalars(query.order_by(Command.created_at)))

    def run(self) -> int:
        """Run the step for due deliveries. Returns how many there were."""
        with self.database.transaction() as db:
            due = select(Command.id).where(
                Command.type == CommandType.WEBHOOK,
                Command.status == CommandStatus.QUEUED,
                Command.not_before <= func.now(),
            )
            found = db.scalars(due.order_by(Command.created_at)).all()
        for command_id in found:
            run(self.line, STEP, command_id)
        return len(found)

    def let_pass(self, time: timedelta = timedelta(days=1)) -> None:
        """Let time pass for waiting deliveries and resting webhooks."""
        with self.database.transaction() as db:
            db.execute(update(Command).values(not_before=Command.not_before - time))
            db.execute(update(Webhook).values(resting_until=Webhook.resting_until - time))

    def hook(self) -> Webhook:
        """Return the one webhook."""
        with self.database.transaction() as db:
            return db.scalars(select(Webhook)).one()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a migrated database of the test's own."""
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


@pytest.fixture
def line(database: Database) -> Post:
    """Return an installation that emits events and posts them."""
    return Post(database)

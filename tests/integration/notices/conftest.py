"""Fixtures: events, a relay without RabbitMQ, and the step that sends; the test runs each of them itself."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import func, select, update

from certline.models import Command, CommandStatus, CommandType, Database, Notice, NoticeRoute
from certline.models.audit.identity import Identity
from certline.models.events.base import EventData
from certline.models.events.outbox import emit_event
from certline.models.notices.kind import Severity
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.producers.messaging.publisher import wire_of
from certline.producers.notices.routes import add_route
from certline.producers.relay import Relay
from certline.workers.app import declare
from certline.workers.process.broker import make_broker
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import run
from certline.workers.steps.notify import STEP
from tests.integration.cli.conftest import Typist, a_typist
from tests.support.documented_events import some
from tests.support.mail_server import MailServer, mail_server

WHO = Identity("os:ida")


class Office:
    """An installation that emits events and tells people, one call at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.key = Fernet.generate_key().decode()
        settings = Settings(database_url=SecretStr(database.url))
        self.line = WorkerContext(database, Vault(self.key), settings)
        broker = make_broker(settings)
        declare(broker, self.line)
        self.relay = Relay(database, wire_of(broker))

    def add(self, url: str, *kinds: str, name: str = "ops", **named: Any) -> NoticeRoute:
        """Add a route for these kinds of news, or for all."""
        usual: dict[str, Any] = {"severity": Severity.INFO, "digest": False, "at_most": None}
        given = usual | named | {"who": WHO}
        wanted = kinds or (() if given["digest"] else ("*",))
        return add_route(self.database, self.line.vault, name, url, wanted, **given).route

    def tell(self, kind: str = "order.review", count: int = 1, **fields: Any) -> None:
        """Emit events of a kind, and have the relay send them."""
        with self.database.transaction() as db:
            for _ in range(count):
                emit_event(db, changed(some(kind), fields), subject="01J", correlation_id=None)
        while self.relay.pump():
            pass

    def notices(self) -> list[Notice]:
        """Return every notice, in order of creation."""
        with self.database.transaction() as db:
            return list(db.scalars(select(Notice).order_by(Notice.id)))

    def commands(self) -> list[Command]:
        """Return the commands that send notices, in order of creation."""
        with self.database.transaction() as db:
            query = select(Command).where(Command.type == CommandType.NOTIFY)
            return list(db.scalars(query.order_by(Command.created_at)))

    def run(self) -> int:
        """Run the step for due commands. Returns how many there were."""
        due = self.due()
        for command_id in due:
            run(self.line, STEP, command_id)
        return len(due)

    def due(self) -> list[str]:
        """Return the ids of the commands that are due."""
        with self.database.transaction() as db:
            query = select(Command.id).where(
                Command.type == CommandType.NOTIFY,
                Command.status == CommandStatus.QUEUED,
                Command.not_before <= func.now(),
            )
            return list(db.scalars(query.order_by(Command.created_at)))

    def let_pass(self, time: timedelta = timedelta(seconds=11)) -> None:
        """Let time pass for everything that has to do with notices."""
        with self.database.transaction() as db:
            db.execute(update(Command).values(not_before=Command.not_before - time))
            db.execute(update(NoticeRoute).values(sending_until=NoticeRoute.sending_until - time))
            db.execute(
                update(Notice).values(
                    created_at=Notice.created_at - time,
                    waits_from=Notice.waits_from - time,
                    sent_at=Notice.sent_at - time,
                    parked_at=Notice.parked_at - time,
                )
            )

    def go(self, time: timedelta = timedelta(seconds=11)) -> int:
        """Let time pass, and run what is due then."""
        self.let_pass(time)
        return self.run()

    def route(self, name: str = "ops") -> NoticeRoute:
        """Return a route as it is now."""
        with self.database.transaction() as db:
            return db.scalars(select(NoticeRoute).where(NoticeRoute.name == name)).one()


def changed(event: EventData, fields: dict[str, Any]) -> EventData:
    """Return an event's data with other values."""
    return event.model_copy(update=fields)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a migrated database of the test's own."""
    database = Database(database_url, pool_size=4)
    yield database
    database.close()


@pytest.fixture
def office(database: Database) -> Office:
    """Return an installation that emits events and tells people."""
    return Office(database)


@pytest.fixture
def mail() -> Iterator[MailServer]:
    """Yield a mail server."""
    with mail_server() as served:
        yield served


@pytest.fixture
def typist(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typist]:
    """Yield a user with a database and a secret key."""
    yield from a_typist(database_url, monkeypatch, capsys)

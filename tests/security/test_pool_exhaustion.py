"""What somebody tries who can use up a part's connections to Postgres: to end the part, or to lose its work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import Any, Protocol

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool
from structlog.testing import capture_logs

from certline.models import Database, Queue
from certline.models.events.outbox import INGRESS
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.producers.ingress import Ingress, take
from certline.producers.messaging.dead_work import keep_dead
from certline.producers.messaging.delivery import Delivery
from certline.producers.relay import Relay
from certline.producers.schedule import Producer
from certline.workers.app import open_line
from certline.workers.runtime.context import WorkerContext
from tests.integration.producers.outgoing import emit
from tests.integration.producers.rabbit import a_wire, open_wire, waiting
from tests.integration.producers.senders import letters
from tests.servers import until

VAULT = Vault(Fernet.generate_key().decode())


class Part(Protocol):
    """A part that runs until it is told to stop. `beat`: when it last reached its servers."""

    beat: float | None

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set."""


@pytest.fixture
def other(database_url: str) -> Iterator[Database]:
    """Yield the database by connections that are not those of the part."""
    database = Database(database_url, pool_size=1)
    yield database
    database.close()


@pytest.fixture
def small(database_url: str) -> Iterator[Database]:
    """Yield the database of a part: of two connections, for which it waits a moment only."""
    database = Database(database_url, pool_size=1)
    assert isinstance(database.engine.pool, QueuePool)
    database.engine.pool._timeout = 0.05
    yield database
    database.close()


@contextmanager
def used_up(database: Database) -> Iterator[ExitStack]:
    """Hold all connections of a pool, until the block ends or the stack is closed."""
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(database.engine.connect())
        yield held


class OnceUsedUp(Database):
    """A database without a free connection for the first transaction."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.url, pool_size=1)
        self.engine.dispose()
        self._database = database
        self._asked = 0

    def transaction(self) -> AbstractContextManager[Session]:  # type: ignore[override]
        """Return a transaction, but not the first time. Raises PoolTimeoutError then."""
        self._asked += 1
        if self._asked == 1:
            raise PoolTimeoutError("QueuePool limit of size 1 overflow 1 reached")
        return self._database.transaction()


def a_relay(database: Database, vhost: str) -> Part:
    return Relay(database, a_wire(database.url, vhost))


def an_ingress(database: Database, vhost: str) -> Part:
    return Ingress(database, VAULT, a_wire(database.url, vhost))


def a_producer(database: Database, _: str) -> Part:
    return Producer(database, timedelta(minutes=15))


@pytest.mark.parametrize("part", [a_relay, an_ingress, a_producer])
def test_a_part_without_a_free_connection_waits_for_one_and_goes_on(
    part: Callable[[Database, str], Part],
    small: Database,
    vhost: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("certline.producers.schedule.TICK", 0.1)
    with open_wire(small.url, vhost):
        running, stop = part(small, vhost), threading.Event()
    thread = threading.Thread(target=running.run, args=(stop,), daemon=True)
    with used_up(small) as held, capture_logs() as logs:
        thread.start()
        until(lambda: said(logs) or not thread.is_alive(), 60)
        assert thread.is_alive()
        assert running.beat is None
        held.close()
        until(lambda: running.beat is not None, 60)
        stop.set()
        thread.join(60)

    assert not thread.is_alive()
    assert said(logs)[0]["error"] == "all connections of this process to Postgres are in use"


def said(logs: list[Any]) -> list[Any]:
    """Return the log entries of a part that waits."""
    return [entry for entry in logs if entry["event"].endswith(".waits")]


def test_the_relay_sends_afterwards_what_was_written_meanwhile(
    small: Database, other: Database, vhost: str
) -> None:
    with open_wire(small.url, vhost):
        pass
    relay, stop = a_relay(small, vhost), threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,), daemon=True)
    with used_up(small), capture_logs() as logs:
        thread.start()
        emit(other, 3)
        until(lambda: said(logs) or not thread.is_alive(), 60)
    until(lambda: not waiting(other) or not thread.is_alive(), 60)
    stop.set()
    thread.join(60)

    assert waiting(other) == 0


@pytest.mark.parametrize("handle", [take, keep_dead])
def test_a_message_that_comes_meanwhile_is_no_dead_letter_but_waits(
    handle: Callable[[Database, Vault, Delivery], None], other: Database
) -> None:
    """A connection is free again as soon as it was missed: nothing may be stored for that reason."""
    queue = INGRESS if handle is take else f"{Queue.POLL.value}.XQ"
    delivery = Delivery(queue, False, {"exchange": "", "routing_key": "", "bytes": 2}, b"{}")

    with pytest.raises(PoolTimeoutError):
        handle(OnceUsedUp(other), VAULT, delivery)
    assert letters(other) == []

    handle(other, VAULT, delivery)
    assert len(letters(other)) == 1


def test_a_worker_keeps_an_answer_of_scm_until_a_connection_is_free(small: Database) -> None:
    settings = Settings(database_url=SecretStr(small.url))
    context = WorkerContext(small, VAULT, settings)
    stored: list[int] = []

    def store() -> None:
        stored.append(context.store(lambda db: db.scalar(text("SELECT 7")) or 0))

    thread = threading.Thread(target=store, daemon=True)
    with used_up(small), capture_logs() as logs:
        thread.start()
        until(lambda: logs or not thread.is_alive(), 60)
    thread.join(60)

    assert stored == [7]
    assert logs[0]["event"] == "storing.again"


def test_a_worker_has_a_connection_for_each_of_its_threads_however_many(database_url: str) -> None:
    key = Fernet.generate_key().decode()
    settings = Settings(database_url=SecretStr(database_url), secret_key=SecretStr(key))
    database = open_line(settings).database
    assert isinstance(database.engine.pool, QueuePool)
    database.engine.pool._timeout = 0.05

    with ExitStack() as held:
        for _ in range(24):
            held.enter_context(database.transaction()).execute(text("SELECT 1"))
    database.close()

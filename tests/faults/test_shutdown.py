"""Fault tests of SIGTERM: work in progress ends well, other workers do the rest, a second signal is safe."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import requests
from sqlalchemy import func, select, text, update

from certline.models import (
    Command,
    CommandStatus,
    CommandType,
    Database,
    Order,
    OrderStatus,
    Outbox,
    Queue,
    Schedule,
    ScheduleRun,
)
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import SyncCommand
from certline.models.commands.wake_up import emit_wake_up
from certline.models.database.session import clock
from certline.producers.relay import BATCH
from certline.producers.requests.catalogue import request_sync
from certline.simulator.server import Simulator
from tests.faults.conftest import ENROLL, calls, orders_at_scm
from tests.integration.producers.rabbit import channel_to
from tests.servers import Process, until
from tests.support.deployment import Plant
from tests.support.proxy import Gate

pytestmark = pytest.mark.slow

# Logged by a worker once it takes no new message.
STOPPING = "worker.stopping"


def ready(plant: Plant, queue: Queue) -> int:
    """Count the queue's messages that no worker holds."""
    with channel_to(plant.environment["CERTLINE_RABBITMQ_URL"]) as channel:
        return int(channel.queue_declare(queue.value, passive=True).method.message_count)


def held_in_its_call(plant: Plant, gate: Gate, names: list[str]) -> tuple[Process, list[Command]]:
    """Start a worker of one thread whose POST has reached SCM. The response is held, and the other orders are left
    to any worker with a free thread.
    """
    gate.close(answers=True)
    worker = plant.start("worker", "--threads", "1")
    commands = [plant.place(name) for name in names]
    assert gate.arrived.wait(60)
    until(lambda: ready(plant, Queue.ORDER) == len(names) - 1, 60)
    return worker, commands


def test_a_call_under_way_ends_and_its_answer_is_stored_and_others_do_the_rest(
    plant: Plant, gate: Gate, simulator: Simulator
) -> None:
    names = [f"term{number}.nordhafen.example" for number in range(3)]
    worker, commands = held_in_its_call(plant, gate, names)

    worker.popen.terminate()
    worker.wait_for(STOPPING, 60)
    with pytest.raises(TimeoutError):  # it waits for its call
        worker.wait(5)
    gate.open()
    code = worker.wait(60)
    statuses = [plant.status(command) for command in commands]
    with plant.start("worker"):
        for command in commands:
            plant.until(command, OrderStatus.STORED)

    assert code == 0
    assert sorted(statuses) == [OrderStatus.PENDING, OrderStatus.PLACED, OrderStatus.PLACED]
    assert calls(simulator, ENROLL) == len(names)
    with plant.database.transaction() as db:
        assert set(db.scalars(select(Order.fence))) == {1}


def test_a_second_sigterm_ends_it_at_once_and_the_order_rests_where_nobody_sends_it_again(
    plant: Plant, gate: Gate, simulator: Simulator
) -> None:
    worker, (command,) = held_in_its_call(plant, gate, ["twice.nordhafen.example"])

    worker.popen.terminate()
    worker.wait_for(STOPPING, 60)
    worker.popen.terminate()
    code = worker.wait(60)
    gate.drop()
    plant.start("worker")
    plant.until(plant.place("witness.nordhafen.example"), OrderStatus.STORED)

    assert code != 0
    assert plant.status(command) is OrderStatus.SENDING
    assert calls(simulator, ENROLL) == 2
    assert len({order["commonName"] for order in orders_at_scm(simulator)}) == 2


def test_a_sync_begins_no_further_call_and_another_worker_does_it(
    plant: Plant, simulator: Simulator
) -> None:
    def asked() -> int:
        return sum(requests.get(f"{simulator.door}/calls", timeout=30).json().values())

    whole, before = asked(), asked()  # the plant has synced once, and requested nothing else
    requests.post(f"{simulator.door}/settings", json={"latency_ms": 500}, timeout=30)
    worker = plant.start("worker")
    (sync,) = request_sync(plant.database, SyncCommand(), requested_by=Identity("os:test"))
    until(lambda: asked() - before >= 3, 60)

    code = worker.terminate(60)
    made = asked() - before
    with plant.database.transaction() as db:
        command = db.get_one(Command, sync.id)
    requests.post(f"{simulator.door}/settings", json={"latency_ms": 0}, timeout=30)
    with plant.start("worker"):
        until(lambda: status_of(plant, sync) is CommandStatus.DONE, 60)

    assert code == 0
    assert made < whole
    assert command.status is CommandStatus.QUEUED
    assert command.attempts == 0


def status_of(plant: Plant, command: Command) -> CommandStatus:
    with plant.database.transaction() as db:
        return db.get_one(Command, command.id).status


@contextmanager
def table_locked(database: Database, table: str, mode: str) -> Iterator[None]:
    """Make writes to that table wait until the end of the block."""
    with database.transaction() as db:
        db.execute(text(f"LOCK TABLE {table} IN {mode} MODE"))
        yield


def somebody_waits_for_a_lock(database: Database) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with database.transaction() as db:
        return bool(db.scalars(text(query)).one())


@pytest.fixture
def line(database_url: str, vhost: str) -> Iterator[Plant]:
    """Yield a plant whose processes are not started yet."""
    with Plant(database_url, vhost) as plant:
        yield plant


def test_the_relay_ends_after_the_batch_in_hand(line: Plant) -> None:
    with line.database.transaction() as db:
        for number in range(BATCH + 50):
            emit_wake_up(db, CommandType.FETCH, f"00000000-0000-4000-8000-{number:012}")
    with table_locked(line.database, "outbox", "SHARE"):  # it waits as it takes the first batch
        relay = line.start("relay")
        until(lambda: somebody_waits_for_a_lock(line.database), 60)
        relay.popen.terminate()
        assert relay.exit_code is None
    code = relay.wait(60)

    with line.database.transaction() as db:
        sent = db.scalar(select(func.count()).where(Outbox.sent_at.is_not(None)))
    assert code == 0
    assert sent == BATCH
    assert ready(line, Queue.POLL) == sent


def test_the_producer_ends_after_the_firing_in_hand(line: Plant) -> None:
    with line.database.transaction() as db:
        db.execute(update(Schedule).values(next_due=func.now() + timedelta(days=1)))
        db.get_one(Schedule, "sweep").next_due = clock(db)
    with table_locked(line.database, "schedule_run", "SHARE"):
        producer = line.start("producer")
        until(lambda: somebody_waits_for_a_lock(line.database), 60)
        producer.popen.terminate()
        assert producer.exit_code is None
    code = producer.wait(60)

    with line.database.transaction() as db:
        fired = db.scalar(select(func.count()).select_from(ScheduleRun))
        due_again = db.get_one(Schedule, "sweep").next_due > clock(db)
    assert code == 0
    assert fired == 1
    assert due_again

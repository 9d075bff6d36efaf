"""Fault test of a database that is put back in its place: system identifier, timeline and oid stay the same."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from shutil import rmtree
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from certline.models import Certificate, Command, CommandStatus, Recovery
from certline.models.audit.witness import Witness, has_entries_of, witness_of
from certline.models.restore.recovery import recovery_of
from certline.models.restore.testimony import witness_key
from certline.producers.witness.store import HELD_FOR, ONE, WITNESS
from certline.simulator.server import Simulator
from tests.conftest import migrate
from tests.faults.failover.line import all_parts
from tests.faults.harness.external_client import order_event, send_all_to_exchange
from tests.faults.harness.nodes import connect
from tests.faults.harness.scenario import Stage
from tests.faults.harness.subscriber import WORK_QUEUES
from tests.servers import until
from tests.servers.postgres_cluster import Cluster, cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BEFORE, AFTER = 5, 20
PARTS = ("relay", "producer", "ingress", "worker")
WAITS = 3  # exit code of `certline recover` while a recovery is in progress

Events = list[dict[str, Any]]


def copy_folder(server: Cluster) -> Callable[[], None]:
    """Stop the server, copy its folder and start it again. Returns what puts the copy back."""
    copy = server.home / "copy"
    server.stop("fast")
    server.copy_folder(copy)
    server.start()

    def put_back() -> None:
        server.stop("fast")
        rmtree(server.data)
        copy.rename(server.data)
        server.start()

    return put_back


def dump(server: Cluster) -> Callable[[], None]:
    """Dump the database. Returns what restores it in its place, while the server runs."""
    file = str(server.archive / "dump")
    server.run("pg_dump", "-Fc", "-f", file, server.url)
    words = ("--clean", "--if-exists", "--dbname", server.url, file)
    return lambda: server.run("pg_restore", *words)


# Copies the database, and returns what puts the copy back.
Way = Callable[[Cluster], Callable[[], None]]


@pytest.fixture
def server() -> Iterator[Cluster]:
    """Yield a Postgres whose folder may be copied."""
    with cluster() as server:
        migrate(server.url)
        yield server


@pytest.fixture
def stage(server: Cluster, vhost: str, simulator: Simulator) -> Iterator[Stage]:
    """Yield a stage with all its processes; what another test on the vhost has left is gone."""
    with connect(vhost) as connection:
        connection.channel().queue_delete(WITNESS)
    with all_parts(server.url, vhost, simulator) as stage:
        yield stage


@pytest.mark.parametrize(
    ("way", "keeps_running"),
    [(copy_folder, False), (copy_folder, True), (dump, False)],
    ids=["folder, parts restarted", "folder, parts running", "dump, parts restarted"],
)
def test_a_line_whose_database_was_put_back_orders_nothing_twice(
    stage: Stage, server: Cluster, way: Way, *, keeps_running: bool
) -> None:
    before, after, put_back, copied_at = ordered_with_a_copy_in_between(stage, server, way)
    until(lambda: witness_is_current(stage), 60, every=0.2)
    if not keeps_running:
        stage.stop_parts()

    put_back()
    if not keeps_running:
        start_all(stage)
    # Its sender misses answers, and sends everything again at once.
    send_all_to_exchange(stage.vhost, before + after)
    begun = until(lambda: recovery_in(stage), 60, every=0.1)
    shown = stage.plant.json("recover", "--status", expect=WAITS)
    until(lambda: has_ended(stage), 240, every=0.2)
    until(lambda: still_open(stage, before + after) == [], 120, every=0.5)

    assert Counter(names_at_scm(stage)) == Counter(stage.names)
    assert begun is not None
    assert begun.number == 1
    assert begun.known_until is None or begun.known_until < copied_at
    assert "as its witness says" in shown["why"]
    assert shown["noticed_at"] is not None
    with stage.plant.database.transaction() as db:
        assert db.scalar(select(func.count()).where(Certificate.key_lost)) == AFTER


def test_a_line_that_has_lost_its_rabbitmq_as_well_orders_nothing_twice(
    stage: Stage, server: Cluster
) -> None:
    def copy_what_knows(server: Cluster) -> Callable[[], None]:
        until(lambda: knows_of_a_witness(stage), 60, every=0.2)
        return copy_folder(server)

    before, after, put_back, _ = ordered_with_a_copy_in_between(stage, server, copy_what_knows)
    stage.stop_parts()
    put_back()
    lose_rabbitmq(stage)
    said = {each["name"]: each for each in stage.plant.json("doctor", expect=1)["checks"]}
    start_all(stage)

    send_all_to_exchange(stage.vhost, before + after)
    until(lambda: recovery_in(stage), 60 + HELD_FOR, every=0.5)
    until(lambda: has_ended(stage), 240, every=0.2)
    until(lambda: still_open(stage, before + after) == [], 120, every=0.5)

    assert Counter(names_at_scm(stage)) == Counter(stage.names)
    assert "RabbitMQ has none, although one was kept" in said["recovery"]["text"]
    assert "certline recover --accept" in said["recovery"]["advice"]


def test_a_line_whose_rabbitmq_was_restored_as_well_orders_twice_what_was_lost(
    stage: Stage, server: Cluster
) -> None:
    """The proof that the story can fail, and the limit: the witness is as old as the database."""
    old: list[bytes] = []

    def copy_both(server: Cluster) -> Callable[[], None]:
        until(lambda: witness_is_current(stage), 60, every=0.2)
        old.append(witness_at(stage))
        return copy_folder(server)

    before, after, put_back, _ = ordered_with_a_copy_in_between(stage, server, copy_both)
    stage.stop_parts()
    put_back()
    lose_rabbitmq(stage)
    with connect(stage.vhost) as connection:
        channel = connection.channel()
        channel.queue_declare(WITNESS, durable=True, arguments=ONE)
        channel.confirm_delivery()
        channel.basic_publish("", WITNESS, old[0], mandatory=True)
    start_all(stage)

    send_all_to_exchange(stage.vhost, before + after)
    until(lambda: still_open(stage, before + after) == [], 120, every=0.5)

    lost = [event["data"]["common_name"] for event in after]
    assert Counter(names_at_scm(stage)) == Counter(stage.names) + Counter(lost)


def test_a_crash_of_postgres_and_a_purged_witness_stop_nothing(
    stage: Stage, server: Cluster
) -> None:
    send_all_to_exchange(stage.vhost, events_of(stage, BEFORE))
    until(lambda: witness_is_current(stage), 60, every=0.2)
    server.stop("immediate")
    server.start()
    send_all_to_exchange(stage.vhost, events_of(stage, BEFORE))
    until(lambda: certificates(stage) == 2 * BEFORE, 120, every=0.2)

    with connect(stage.vhost) as connection:
        connection.channel().queue_purge(WITNESS)
    stage.stop("relay")
    stage.start("relay")
    send_all_to_exchange(stage.vhost, events_of(stage, BEFORE))
    until(lambda: certificates(stage) == 3 * BEFORE, 120, every=0.2)

    with stage.plant.database.transaction() as db:
        assert recovery_of(db).number == 0
    until(lambda: witness_is_current(stage), 60, every=0.2)
    assert stage.finish() == []


def ordered_with_a_copy_in_between(
    stage: Stage, server: Cluster, way: Way
) -> tuple[Events, Events, Callable[[], None], datetime]:
    """Have orders sent, copy the database, and have more sent.

    Returns both, what puts the copy back, and when it was made.
    """
    before = events_of(stage, BEFORE)
    send_all_to_exchange(stage.vhost, before)
    until(lambda: certificates(stage) == BEFORE, 120, every=0.2)
    put_back, copied_at = way(server), datetime.now(UTC)
    after = events_of(stage, AFTER)
    send_all_to_exchange(stage.vhost, after)
    until(lambda: certificates(stage) == BEFORE + AFTER, 120, every=0.2)
    return before, after, put_back, copied_at


def start_all(stage: Stage) -> None:
    """Start all processes."""
    for part in PARTS:
        stage.start(part)


def events_of(stage: Stage, count: int) -> Events:
    """Return orders of another system for new names."""
    return [order_event(stage.plant.wanted(stage.new_name())) for _ in range(count)]


def certificates(stage: Stage) -> int:
    """Count the stored certificates; none while Postgres is away."""
    with suppress(DBAPIError), stage.plant.database.transaction() as db:
        return db.scalar(select(func.count()).select_from(Certificate)) or 0
    return 0


def lose_rabbitmq(stage: Stage) -> None:
    """Delete the queues, as RabbitMQ loses them with its data."""
    with connect(stage.vhost) as connection:
        for queue in (WITNESS, *WORK_QUEUES):
            connection.channel().queue_delete(queue)


def witness_at(stage: Stage) -> bytes:
    """Return the witness at RabbitMQ, empty without one."""
    with connect(stage.vhost) as connection:
        _, _, body = connection.channel().basic_get(WITNESS)
    return bytes(body or b"")


def witness_is_current(stage: Stage) -> bool:
    """Return True if the witness at RabbitMQ has the present head of the log."""
    body = witness_at(stage)
    if not body:
        return False
    with stage.plant.database.transaction() as db:
        kept = Witness.read(body, witness_key(db))
        return has_entries_of(db, kept.head) and kept.head == witness_of(db).head


def knows_of_a_witness(stage: Stage) -> bool:
    """Return True once the database says that a witness is kept, some seconds after its relay first ran."""
    with stage.plant.database.transaction() as db:
        return recovery_of(db).witness_kept


def recovery_in(stage: Stage) -> Recovery | None:
    """Return the recovery that is in progress, once a producer has begun it."""
    with suppress(DBAPIError), stage.plant.database.transaction() as db:
        row = recovery_of(db)
        return row if row.in_progress and row.compares_at is not None else None
    return None


def has_ended(stage: Stage) -> bool:
    """Return True once no recovery is in progress."""
    with suppress(DBAPIError), stage.plant.database.transaction() as db:
        return not recovery_of(db).in_progress
    return False


def still_open(stage: Stage, events: Events) -> list[str]:
    """Return the ids of the commands that are not done."""
    with suppress(DBAPIError), stage.plant.database.transaction() as db:
        done = select(Command.id).where(Command.status == CommandStatus.DONE)
        return sorted({event["id"] for event in events} - set(db.scalars(done)))
    return ["the database does not answer"]


def names_at_scm(stage: Stage) -> list[str]:
    """Return the names that SCM was asked for, each as often as it was."""
    return [record["commonName"] for record in stage.simulate("GET", "orders")]

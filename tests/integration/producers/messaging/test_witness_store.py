"""Tests of the places that keep the witness: a queue of RabbitMQ, and a file."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from certline.producers.messaging.publisher import RabbitWire
from certline.producers.messaging.shipment import WireDownError
from certline.producers.witness.store import WITNESS, WitnessFile, WitnessQueue
from tests.integration.producers.rabbit import a_wire, channel_to
from tests.servers import RabbitServer


@pytest.fixture(params=[False, True], ids=["classic", "quorum"])
def quorum(request: pytest.FixtureRequest) -> bool:
    """Return the type of the queue."""
    return bool(request.param)


@pytest.fixture
def wire(vhost: str) -> Iterator[RabbitWire]:
    """Yield a wire to a vhost without a witness."""
    with channel_to(vhost) as channel:
        channel.queue_delete(WITNESS)
    wire = a_wire("postgresql://nowhere", vhost)
    wire.open()
    yield wire
    wire.close()


@pytest.fixture
def queue(wire: RabbitWire, *, quorum: bool) -> WitnessQueue:
    """Return the queue."""
    return WitnessQueue(wire, quorum=quorum)


def test_what_was_written_last_stays_however_often_it_is_read(queue: WitnessQueue) -> None:
    assert queue.read() is None
    for body in (b"first", b"second"):
        assert queue.write(body)

    assert [queue.read() for _ in range(3)] == [b"second"] * 3
    assert queue.write(b"third")
    assert queue.read() == b"third"


def test_a_queue_that_is_purged_has_no_witness_until_the_next_is_written(
    queue: WitnessQueue, vhost: str
) -> None:
    queue.read()
    queue.write(b"first")
    with channel_to(vhost) as channel:
        channel.queue_purge(WITNESS)

    assert queue.read() is None
    assert queue.write(b"second")
    assert queue.read() == b"second"


def test_a_queue_that_is_deleted_is_declared_again(queue: WitnessQueue, vhost: str) -> None:
    queue.read()
    with channel_to(vhost) as channel:
        channel.queue_delete(WITNESS)

    assert not queue.write(b"lost")
    assert queue.write(b"kept")
    assert queue.read() == b"kept"


def test_relays_that_read_at_the_same_time_all_find_it(vhost: str, queue: WitnessQueue) -> None:
    queue.read()
    queue.write(b"kept")
    quorum = queue._arguments.get("x-queue-type") == "quorum"  # of the fixture
    found: list[bytes | None] = []

    def read() -> None:
        wire = a_wire("postgresql://nowhere", vhost)
        found.extend(WitnessQueue(wire, quorum=quorum).read() for _ in range(10))
        wire.close()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)

    assert found == [b"kept"] * 30


def test_what_was_written_while_another_relay_held_the_last_one_stays(
    queue: WitnessQueue, vhost: str
) -> None:
    queue.read()
    queue.write(b"old")
    with channel_to(vhost) as frozen:
        assert frozen.basic_get(WITNESS)[2] == b"old"
        assert queue.read() is None
        assert queue.write(b"new")

    # Its connection has ended, and what it held went back.
    assert [queue.read() for _ in range(3)] == [b"new"] * 3


def test_a_queue_of_another_type_is_left_alone_and_said_once(wire: RabbitWire, vhost: str) -> None:
    with channel_to(vhost) as channel:
        channel.queue_declare(WITNESS, durable=True)
    queue = WitnessQueue(wire, quorum=False)

    with capture_logs() as said:
        assert [queue.read(), queue.read()] == [None, None]
        assert not queue.write(b"witness")
    assert queue.held_for == 0  # nobody is waited for

    assert [each["event"] for each in said] == ["witness.not_kept"]
    wire.tend()  # the connection is as it was


def test_a_lost_rabbitmq_is_told(private_rabbitmq: RabbitServer) -> None:
    wire = a_wire("postgresql://nowhere", private_rabbitmq.url)
    wire.open()
    queue = WitnessQueue(wire, quorum=False)
    queue.write(b"kept")
    private_rabbitmq.stop()

    with pytest.raises(WireDownError):
        queue.read()
    with pytest.raises(WireDownError):
        queue.write(b"lost")


def test_a_file_is_replaced_and_read(tmp_path: Path) -> None:
    file = WitnessFile(tmp_path / "witness.json")
    assert file.read() is None
    for body in (b"first", b"second"):
        assert file.write(body)

    assert file.read() == b"second"
    assert [each.name for each in tmp_path.iterdir()] == ["witness.json"]
    assert (tmp_path / "witness.json").stat().st_mode & 0o077 == 0


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    file = WitnessFile(tmp_path / "missing" / "witness.json")

    with capture_logs() as said:
        assert not file.write(b"witness")

    assert [each["event"] for each in said] == ["witness.not_kept"]
    assert file.read() is None


def test_without_a_path_nothing_is_kept() -> None:
    nowhere = WitnessFile(None)

    assert not nowhere.write(b"witness")
    assert nowhere.read() is None

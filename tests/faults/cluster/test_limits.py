"""Fault tests of the limits of quorum queues in a cluster: deliveries of a message, and the time for one."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from certline.models import DeadLetter, Order, OrderStatus, Queue
from certline.models.events.outbox import INGRESS
from tests.faults.cluster.line import ClusteredLine
from tests.faults.harness.external_client import order_event, send_to_exchange
from tests.faults.harness.nodes import connect
from tests.servers import until
from tests.servers.cluster import RabbitCluster

pytestmark = pytest.mark.slow

# Deliveries that a work message may have (workers/process/broker.py), and the first one.
DELIVERIES = 20 + 1
# Milliseconds that a node waits for an ack, and between two looks; usually an hour (cluster.conf) and a minute.
HASTY, USUAL = (5_000, 200), (3_600_000, 60_000)


@pytest.fixture
def hasty_nodes(cluster: RabbitCluster) -> Iterator[RabbitCluster]:
    """Yield the cluster, whose nodes do not wait long for an ack on the channels that are opened from now on."""
    wait_for_acks(cluster, *HASTY)
    yield cluster
    wait_for_acks(cluster, *USUAL)


def wait_for_acks(cluster: RabbitCluster, timeout: int, every: int) -> None:
    """Set how long each node waits for an ack."""
    for node in cluster.nodes:
        node.ctl(
            "eval",
            f"application:set_env(rabbit, consumer_timeout, {timeout}), "
            f"application:set_env(rabbit, channel_tick_interval, {every}).",
        )


def ready(urls: str, queue: str) -> int:
    """Count the messages of a queue that no consumer holds."""
    with connect(urls) as connection:
        declared = connection.channel().queue_declare(queue, passive=True)
        return int(declared.method.message_count)


def lose(urls: str, queue: str) -> None:
    """Take a message and lose the connection with it."""
    with connect(urls) as connection:
        assert connection.channel().basic_get(queue) != (None, None, None)


def test_a_message_that_no_worker_survives_is_a_dead_letter_and_its_order_is_sent_once(
    line: ClusteredLine,
) -> None:
    stage = line.stage
    stage.until_well()
    stage.stop("worker")
    order = stage.place()
    until(lambda: ready(stage.vhost, Queue.ORDER) == 1, 30)

    for _ in range(DELIVERIES - 1):
        lose(stage.vhost, Queue.ORDER)
        until(lambda: ready(stage.vhost, Queue.ORDER) == 1, 30)
    lose(stage.vhost, Queue.ORDER)

    stage.letters += 1
    until(lambda: reasons(line) != [], 60)
    assert "RabbitMQ dead-lettered it: delivery_limit" in str(reasons(line))
    assert stage.order(order).status is OrderStatus.PLACED
    # The sweep takes the message for lost.
    stage.age()
    stage.start("worker")
    assert stage.finish() == []
    assert stage.order(order).status is OrderStatus.STORED


def test_who_holds_messages_for_too_long_gets_them_again_and_each_order_is_sent_once(
    hasty_nodes: RabbitCluster, line: ClusteredLine
) -> None:
    stage = line.stage
    stage.until_well()
    holders = line.parts("worker", "ingress")
    for part in holders:
        part.freeze()
    for _ in range(2):
        stage.place()
        send_to_exchange(stage.vhost, order_event(stage.plant.wanted(stage.new_name())))

    # They were delivered, and come back.
    until(lambda: ready(stage.vhost, Queue.ORDER) == 2 == ready(stage.vhost, INGRESS), 60)
    # They open new channels, on which a slow machine may take its time.
    wait_for_acks(hasty_nodes, *USUAL)
    for part in holders:
        part.thaw()

    until(lambda: stored(line) == len(stage.names), 90)
    assert line.ended() == []
    assert any("timed out waiting for" in node.output for node in hasty_nodes.nodes)
    assert stage.finish() == []


def stored(line: ClusteredLine) -> int:
    """Count the stored orders."""
    with line.stage.plant.database.transaction() as db:
        return len(db.scalars(select(Order).where(Order.status == OrderStatus.STORED)).all())


def reasons(line: ClusteredLine) -> list[str]:
    """Return why there are dead letters."""
    with line.stage.plant.database.transaction() as db:
        return list(db.scalars(select(DeadLetter.reason)))

"""Fault tests of a message that outlives its connection, so that its delivery tag means another message."""

import threading
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import pytest

from tests.faults.broker.stage import PATIENCE, Kind, Left, Stage, delivered
from tests.servers import RabbitServer, until


@pytest.mark.parametrize(
    ("kind", "failed", "left"),
    [
        (Kind.STOCK, False, Left()),
        (Kind.STOCK, True, Left(dead=["C"])),
        (Kind.OURS, False, Left(waiting=["C"])),
        (Kind.OURS, True, Left(waiting=["C"])),
    ],
)
def test_a_message_of_a_lost_connection_settles_another_on_stock_and_none_on_ours(
    stage_of: Callable[[Kind], Stage], kind: Kind, failed: bool, left: Left
) -> None:
    stage = stage_of(kind)
    stage.publish("A")
    lost = stage.consume()
    a = delivered(lost)
    lost.close()
    elsewhere = stage.consume()
    elsewhere.ack(delivered(elsewhere))
    elsewhere.close()
    stage.publish("C")
    present = stage.consume()
    c = delivered(present)
    assert (c.message_id, c._tag) == ("C", a._tag)

    (present.nack if failed else present.ack)(a)
    present.close()  # the process ends before it gets to C

    assert stage.left(at_least=len(left)) == left


@pytest.mark.parametrize(
    ("kind", "ran"), [(Kind.STOCK, ["A", "B", "A", "B"]), (Kind.OURS, ["A", "A", "B"])]
)
def test_a_message_that_waited_in_the_worker_when_rabbitmq_dropped_it_runs_twice_on_stock_only(
    stage_of: Callable[[Kind], Stage], rabbitmq: RabbitServer, kind: Kind, ran: list[str]
) -> None:
    stage = stage_of(kind)
    go_on = threading.Event()
    stage.act = lambda _name: assert_that(go_on.wait(PATIENCE))
    stage.publish("A")
    stage.publish("B")
    vhost = unquote(urlsplit(stage.url).path[1:])

    with stage.working() as worker:
        thread = worker.consumers[stage.queue]
        until(lambda: has_both(thread.consumer), PATIENCE)
        stage.has_run("A")
        lost = thread.consumer
        rabbitmq.ctl("close_all_connections", "--vhost", vhost, "a fault test")
        until(lambda: thread.consumer is not lost and has_both(thread.consumer), PATIENCE)
        go_on.set()
        until(lambda: worker.work_queue.unfinished_tasks == 0, PATIENCE)

    assert stage.ran == ran
    assert stage.left() == Left()


def has_both(consumer: object) -> bool:
    """Check whether RabbitMQ has delivered A and B to this consumer."""
    return getattr(consumer, "known_tags", None) == {1, 2}


def assert_that(truth: bool) -> None:
    """Assert where only an expression is allowed."""
    assert truth

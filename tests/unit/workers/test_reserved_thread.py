"""Tests of a worker process's work queue: slow messages never occupy all of its threads."""

import threading
from queue import Empty
from typing import Any

import dramatiq
import pytest
from dramatiq.broker import MessageProxy
from dramatiq.brokers.stub import StubBroker
from dramatiq.common import iter_queue
from dramatiq.worker import _WorkQueueItem

from certline.workers.process.middleware.reserved_thread import KeepAThread, SharedQueue


def message(queue: str, priority: int = 0) -> Any:
    sent: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=f"certline.{queue}", actor_name="x", args=(), kwargs={}, options={}
    )
    return _WorkQueueItem(priority, MessageProxy(sent))


def taken(queue: SharedQueue) -> str:
    """Take a message in another thread, which keeps it. Returns the name of its queue."""
    found: list[str] = []

    def take() -> None:
        found.append(queue.get(timeout=0.01).message.queue_name)

    thread = threading.Thread(target=_or_nothing, args=(take,))
    thread.start()
    thread.join(10)
    return found[0].removeprefix("certline.") if found else "nothing"


def _or_nothing(take: Any) -> None:
    try:
        take()
    except Empty:
        return


def test_slow_messages_leave_a_thread_and_quick_ones_take_it() -> None:
    queue = SharedQueue(2)
    for kind in ("bulk", "bulk", "poll", "bulk"):
        queue.put(message(kind))

    assert [taken(queue) for _ in range(3)] == ["bulk", "bulk", "nothing"]
    queue.put(message("manage"))
    queue.put(message("order"))
    assert [taken(queue) for _ in range(3)] == ["manage", "order", "nothing"]


def test_a_slow_message_that_is_done_lets_the_next_one_in() -> None:
    queue = SharedQueue(1)
    queue.put(message("bulk"))
    queue.put(message("poll"))

    queue.get()
    assert taken(queue) == "nothing"
    queue.task_done()

    assert taken(queue) == "poll"


def test_who_waits_is_woken_when_a_slow_message_is_done() -> None:
    queue = SharedQueue(1)
    queue.put(message("bulk"))
    queue.put(message("bulk"))
    queue.get()
    got = threading.Event()

    def wait() -> None:
        queue.get(timeout=30)
        got.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert not got.is_set()
    queue.task_done()

    assert got.wait(10)


def test_the_lowest_priority_goes_first_whichever_kind_it_is() -> None:
    queue = SharedQueue(9)
    for kind, priority in (("bulk", 10), ("order", 0), ("poll", -1), ("manage", -10)):
        queue.put(message(kind, priority))

    assert [taken(queue) for _ in range(4)] == ["manage", "poll", "order", "bulk"]


def test_everything_comes_out_when_a_worker_stops() -> None:
    queue = SharedQueue(1)
    for _ in range(5):
        queue.put(message("bulk"))

    assert len(list(iter_queue(queue))) == 5


@pytest.mark.parametrize(
    ("threads", "queues", "shared"),
    [
        (4, None, True),
        (1, None, False),
        (4, {"certline.bulk", "certline.poll"}, False),
        (4, {"certline.bulk", "certline.manage"}, True),
    ],
)
def test_a_thread_is_kept_where_there_is_one_to_keep_and_somebody_to_keep_it_for(
    threads: int, queues: set[str] | None, shared: bool
) -> None:
    broker = StubBroker()
    worker = dramatiq.Worker(broker, queues=queues, worker_threads=threads)

    KeepAThread().before_worker_boot(broker, worker)

    assert isinstance(worker.work_queue, SharedQueue) is shared


@pytest.mark.parametrize(
    ("slow", "order"),
    [
        (2, ["webhook", "poll", "nothing"]),
        (3, ["webhook", "webhook", "poll", "nothing"]),
        (9, ["webhook", "webhook", "webhook", "poll", "bulk", "poll", "nothing"]),
    ],
)
def test_posts_to_receivers_have_two_threads_or_a_third_and_leave_one(
    slow: int, order: list[str]
) -> None:
    queue = SharedQueue(slow)
    for kind in ("webhook", "webhook", "webhook", "webhook", "poll", "bulk", "poll"):
        queue.put(message(kind))

    assert [taken(queue) for _ in order] == order


def test_a_receiver_that_has_answered_lets_the_next_post_in() -> None:
    queue = SharedQueue(1)
    queue.put(message("webhook"))
    queue.put(message("webhook"))

    queue.get()
    assert taken(queue) == "nothing"
    queue.task_done()

    assert taken(queue) == "webhook"

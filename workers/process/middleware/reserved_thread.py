"""Reservation of one thread of each worker process for urgent messages, such as revocations.

Dramatiq's threads take messages in order of arrival, so an import could occupy all of them for minutes.
"""

from heapq import heappop, heappush
from queue import PriorityQueue
from threading import Thread, current_thread
from typing import Any

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from certline.models.states import Queue

# Queues that may hold thousands of messages, or messages that take minutes. POLL is one of them, because an
# import's orders are polled and fetched through it.
SLOW = frozenset({Queue.BULK.value, Queue.POLL.value, Queue.HOOK.value, Queue.WEBHOOK.value})
# Webhook deliveries wait for receivers that may be slow, so they get at most one in SHARE of the threads for slow
# messages; but two where there are three, because one receiver has one thread at most (`webhooks.turns`), and the
# others need another.
WAITING, SHARE, PAIR = Queue.WEBHOOK.value, 3, 2


class KeepAThread(Middleware):
    """Middleware that gives a worker a work queue whose slow messages use all threads but one."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Replace the worker's queue. A worker with one thread, or with slow queues only, keeps Dramatiq's."""
        # Has to happen here: threads and consumers are created next, and keep a reference to the queue.
        listens: set[str] = worker.consumer_whitelist or {queue.value for queue in Queue}
        if worker.worker_threads > 1 and not listens <= SLOW:
            worker.work_queue = SharedQueue(worker.worker_threads - 1)


class SharedQueue(PriorityQueue[Any]):
    """Work queue that hands out at most `most_slow` slow messages at a time, and of those at most one in SHARE
    from the webhook queue, but at least PAIR where another one is left, and at least one.
    """

    def __init__(self, most_slow: int) -> None:
        self._most_slow = most_slow
        self._most_waiting = max(1, min(PAIR, most_slow - 1), most_slow // SHARE)
        self._busy: set[Thread] = set()  # threads with a slow message in hand
        self._waiting: set[Thread] = set()  # those with a webhook delivery in hand
        super().__init__()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the first message that may be taken now. Raises Empty after `timeout` seconds."""
        self._let_go()  # a thread that wants another message has finished its last one
        return super().get(block, timeout)

    def task_done(self) -> None:
        """Record that the calling thread has finished its message."""
        self._let_go()
        super().task_done()

    # The hooks below (_init to _get) are called by queue.Queue with its lock held.

    def _init(self, maxsize: int) -> None:  # noqa: ARG002  # the queue is unbounded
        self._quick: list[Any] = []
        self._slow: list[Any] = []
        self._posts: list[Any] = []

    def _qsize(self) -> int:
        # Counts only messages that may be taken now: `get` of queue.Queue blocks while this is 0.
        return sum(map(len, self._open()))

    def _put(self, item: Any) -> None:
        name = item.message.queue_name
        kept = self._posts if name == WAITING else self._slow if name in SLOW else self._quick
        heappush(kept, item)

    def _get(self) -> Any:
        # Compares the heaps' first messages; for equal priority and time the quick one, which `min` sees first.
        chosen = min((kept for kept in self._open() if kept), key=lambda kept: kept[0])
        if chosen is not self._quick:
            self._busy.add(current_thread())
        if chosen is self._posts:
            self._waiting.add(current_thread())
        return heappop(chosen)

    def _open(self) -> list[list[Any]]:
        """Return the heaps from which a thread may take a message now."""
        may_be_slow = len(self._busy) < self._most_slow
        may_wait = may_be_slow and len(self._waiting) < self._most_waiting
        return [self._quick, *([self._slow] * may_be_slow), *([self._posts] * may_wait)]

    def _let_go(self) -> None:
        with self.mutex:  # must not be held yet: called before `get` and `task_done` acquire it
            if current_thread() in self._busy:
                self._busy.discard(current_thread())
                self._waiting.discard(current_thread())
                self.not_empty.notify()  # a thread may be waiting although slow messages were queued

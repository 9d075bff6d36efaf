"""One thread of each worker process is never given to bulk work: a revocation finds it free.

Dramatiq's threads take whatever came first, so that an import could have all of them for minutes.
"""

from heapq import heappop, heappush
from queue import PriorityQueue
from threading import Thread, current_thread
from typing import Any

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from certline.models.events.outbox import Queue

# What may be a thousand messages long, or takes minutes. An import's orders are fetched and polled, so
# that counts too.
SLOW = frozenset({Queue.BULK.value, Queue.POLL.value, Queue.HOOK.value, Queue.WEBHOOK.value})
# What waits for others' receivers, which may be as slow as they like: it has no more than its share of
# the threads for slow messages, one in so many.
WAITING, SHARE = Queue.WEBHOOK.value, 3


class KeepAThread(Middleware):
    """Gives a worker a work queue whose slow messages have all of its threads but one."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Replace the queue before there is a thread or a consumer. One thread can't be shared out,
        and a worker of nothing but slow queues needs none for others.
        """
        listens: set[str] = worker.consumer_whitelist or {queue.value for queue in Queue}
        if worker.worker_threads > 1 and not listens <= SLOW:
            worker.work_queue = SharedQueue(worker.worker_threads - 1)


class SharedQueue(PriorityQueue[Any]):
    """Dramatiq's work queue, of whose slow messages at most so many are in hand at a time, and of
    those that wait for receivers at most their share.
    """

    def __init__(self, most_slow: int) -> None:
        self._most_slow = most_slow
        self._most_waiting = max(1, most_slow // SHARE)
        self._busy: set[Thread] = set()  # those that have a slow message in hand
        self._waiting: set[Thread] = set()  # those of them that wait for a receiver
        super().__init__()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The first message that may be taken now. Raises Empty."""
        self._let_go()  # who asks for another one has nothing in hand
        return super().get(block, timeout)

    def task_done(self) -> None:
        """A thread has done its message."""
        self._let_go()
        super().task_done()

    # The rest is called by queue.Queue while its lock is held.

    def _init(self, maxsize: int) -> None:  # noqa: ARG002  # there is no limit
        self._quick: list[Any] = []
        self._slow: list[Any] = []
        self._posts: list[Any] = []

    def _qsize(self) -> int:
        return sum(map(len, self._open()))

    def _put(self, item: Any) -> None:
        name = item.message.queue_name
        kept = self._posts if name == WAITING else self._slow if name in SLOW else self._quick
        heappush(kept, item)

    def _get(self) -> Any:
        # The first of them where two are alike.
        chosen = min((kept for kept in self._open() if kept), key=lambda kept: kept[0])
        if chosen is not self._quick:
            self._busy.add(current_thread())
        if chosen is self._posts:
            self._waiting.add(current_thread())
        return heappop(chosen)

    def _open(self) -> list[list[Any]]:
        """Of what a thread may take something now."""
        may_be_slow = len(self._busy) < self._most_slow
        may_wait = may_be_slow and len(self._waiting) < self._most_waiting
        return [self._quick, *([self._slow] * may_be_slow), *([self._posts] * may_wait)]

    def _let_go(self) -> None:
        with self.mutex:
            if current_thread() in self._busy:
                self._busy.discard(current_thread())
                self._waiting.discard(current_thread())
                self.not_empty.notify()

"""Listener at RabbitMQ: every event published, and the number of messages waiting in the work queues."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from certline.models.events.outbox import EVENTS
from certline.models.server_url import urls_in
from certline.models.states import Queue
from certline.producers.witness.store import WITNESS
from certline.workers.process.broker import NO_LIMIT
from tests.faults.harness.nodes import connect

EAR = "ear"
# Each with its queues of delayed messages (.DQ) and dead letters (.XQ).
WORK_QUEUES = [f"{queue}{ending}" for queue in Queue for ending in ("", ".DQ", ".XQ")]


class Ear:
    """A queue that receives every event; all queues of the vhost are deleted first.

    In a cluster it is a quorum queue, as subscribers have it who want to lose no event with a node.
    """

    def __init__(self, vhost: str) -> None:
        self._vhost = vhost
        self._arguments: dict[str, Any] = {}
        if len(urls_in(vhost)) > 1:
            self._arguments = {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT}
        with self._channel() as channel:
            for queue in (EAR, WITNESS, *WORK_QUEUES):  # left by an earlier stage on the same vhost
                channel.queue_delete(queue)
        self.listen()

    def listen(self) -> None:
        """Receive every event from now on."""
        with self._channel() as channel:
            channel.exchange_declare(EVENTS, exchange_type="topic", durable=True)
            channel.queue_declare(EAR, durable=True, arguments=self._arguments)
            channel.queue_bind(EAR, EVENTS, "#")

    def waiting(self) -> dict[str, int]:
        """Return the number of ready messages (not delivered to a consumer) of each work queue."""
        with self._channel() as channel:
            return {queue: _count(channel, queue) for queue in WORK_QUEUES}

    def waiting_for_workers(self) -> list[int]:
        """Return the number of ready messages of each work queue but those of dead letters."""
        return [count for queue, count in self.waiting().items() if not queue.endswith(".XQ")]

    def hasten_delayed(self) -> None:
        """Move each ready message of a delay queue to its queue of work, as Dramatiq does when it is due."""
        with self._channel() as channel:
            for queue in Queue:
                while True:
                    method, properties, body = channel.basic_get(f"{queue}.DQ")
                    if method is None:
                        break
                    channel.basic_publish("", queue.value, body, properties)
                    channel.basic_ack(method.delivery_tag)

    def consumers(self) -> int:
        """Return how many workers RabbitMQ delivers orders to."""
        with self._channel() as channel:
            declared = channel.queue_declare(Queue.ORDER.value, passive=True)
            return int(declared.method.consumer_count)

    def heard(self) -> list[str]:
        """Return the ids of all events received so far."""
        heard: list[str] = []
        with self._channel() as channel:
            while True:
                method, properties, _ = channel.basic_get(EAR)
                if method is None:
                    return heard
                heard.append(properties.message_id)
                # Not acked: when the channel closes, RabbitMQ requeues them for the next call.

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        with connect(self._vhost) as connection:
            yield connection.channel()


def _count(channel: Any, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).method.message_count)

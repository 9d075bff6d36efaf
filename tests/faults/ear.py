"""What is heard on the wire: every event, and how many messages wait in the queues of the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika

from certline.models.events.outbox import EVENTS, Queue

EAR = "ear"
# Each with its delays and its dead letters.
WORK_QUEUES = [f"{queue}{ending}" for queue in Queue for ending in ("", ".DQ", ".XQ")]


class Ear:
    """A queue that gets every event, on a vhost whose queues are gone to begin with."""

    def __init__(self, vhost: str) -> None:
        self._vhost = vhost
        with self._channel() as channel:
            for queue in (EAR, *WORK_QUEUES):  # a vhost may have seen an earlier stage
                channel.queue_delete(queue)
        self.listen()

    def listen(self) -> None:
        """Hear every event from now on."""
        with self._channel() as channel:
            channel.exchange_declare(EVENTS, exchange_type="topic", durable=True)
            channel.queue_declare(EAR, durable=True)
            channel.queue_bind(EAR, EVENTS, "#")

    def waiting(self) -> dict[str, int]:
        """How many messages each queue has that nobody holds."""
        with self._channel() as channel:
            return {queue: _count(channel, queue) for queue in WORK_QUEUES}

    def heard(self) -> list[str]:
        """The ids of the events."""
        heard: list[str] = []
        with self._channel() as channel:
            while True:
                method, properties, _ = channel.basic_get(EAR)
                if method is None:
                    return heard
                heard.append(properties.message_id)
                # Not acked: the next look hears the same.

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        with pika.BlockingConnection(pika.URLParameters(self._vhost)) as connection:
            yield connection.channel()


def _count(channel: Any, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).method.message_count)

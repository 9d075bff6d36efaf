"""Connections of a test to RabbitMQ, be it one node or a cluster of which nodes may be down."""

from contextlib import suppress

import pika
from pika.exceptions import AMQPError

from certline.models.server_url import urls_in
from tests.servers import until

SECONDS_TO_CONNECT = 60


def connect(urls: str) -> pika.BlockingConnection:
    """Connect to the first node that accepts it; `urls` are separated as in `CERTLINE_RABBITMQ_URL`."""
    nodes = [pika.URLParameters(url) for url in urls_in(urls)]
    for node in nodes:
        node.socket_timeout = node.stack_timeout = 5

    def connected() -> pika.BlockingConnection | None:
        with suppress(AMQPError, OSError):
            return pika.BlockingConnection(nodes)
        return None

    return until(connected, SECONDS_TO_CONNECT, every=0.5)

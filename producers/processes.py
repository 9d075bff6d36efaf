"""The long-running parts as processes: each runs until it is told to stop, and answers its exit code.

SIGTERM or Ctrl-C ends a part after what it has in hand; a second one, or SIGKILL, is safe too.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pika
import structlog
from dramatiq import cli

from certline.models import Database, Queue
from certline.models.database.embedded import database_url
from certline.models.settings import Settings, without_password
from certline.models.vault import open_vault
from certline.producers.ingress import Ingress
from certline.producers.messaging.publisher import rabbit_wire, wire_of
from certline.producers.relay import Relay
from certline.producers.schedule import Producer
from certline.workers.ordering.submission import SEND_WITHIN
from certline.workers.process.broker import connection_url, make_broker
from certline.workers.process.health import serve_health
from certline.workers.process.logs import configure
from certline.workers.process.parent_watch import end_with
from certline.workers.scm.transport.http import DRIPS

log = structlog.get_logger()

# Seconds to store an answer.
STORING = 10.0
# In the environment of the parts of `certline run all`: the number of the process that they end with.
RUN_ALL = "CERTLINE_RUN_ALL"


class ServerDownError(Exception):
    """A server that a part needs does not answer; the text names it without its password."""


class NeedsRabbitError(Exception):
    """A part that works through RabbitMQ was started without one."""


def grace(settings: Settings) -> float:
    """Seconds that a worker may take to finish its calls, when it is told to stop.

    As long as the longest order: from its claim to its first byte (or to no connection at all), until
    all of the answer is there, and stored. compose.yaml grants a little more.
    """
    begun = max(SEND_WITHIN, settings.scm_connect_seconds)
    return begun + DRIPS * settings.scm_read_seconds + STORING


def run_worker(
    settings: Settings, *, queues: list[str] | None = None, processes: int = 1, threads: int = 4
) -> int:
    """Run worker processes under Dramatiq's own manager. Raises ServerDownError, NeedsRabbitError."""
    reach_rabbit(settings)
    return int(cli.main(worker_arguments(settings, queues, processes, threads)) or 0)


def worker_arguments(
    settings: Settings, queues: list[str] | None, processes: int, threads: int
) -> argparse.Namespace:
    """Return what Dramatiq's command line is started with."""
    arguments: argparse.Namespace = cli.make_argument_parser().parse_args(
        [
            "certline.workers.app:worker_app",
            f"--processes={processes}",
            f"--threads={threads}",
            f"--worker-shutdown-timeout={round(grace(settings) * 1000)}",
            "--skip-logging",
            "--path",  # none: Dramatiq would search the current folder before all others
            "--queues",
            *(queues or [queue.value for queue in Queue]),
        ]
    )
    return arguments


def run_relay(settings: Settings) -> int:
    """Run a relay. Raises ServerDownError, NeedsRabbitError."""
    configure(settings)
    reach_rabbit(settings)
    database = Database(database_url(settings), pool_size=2)
    relay = Relay(database, wire_of(make_broker(settings)))
    if settings.metrics_port is not None:
        serve_health(settings.metrics_port, relay.fault, database)
    with until_told() as stop:
        log.info("relay.started")
        relay.run(stop)
    log.info("relay.stopped")
    return 0


def run_producer(settings: Settings) -> int:
    """Run a periodic producer."""
    configure(settings)
    database = Database(database_url(settings), pool_size=2)
    producer = Producer(database, settings.settle)
    if settings.metrics_port is not None:
        serve_health(settings.metrics_port, producer.fault, database)
    with until_told() as stop:
        log.info("producer.started")
        producer.run(stop)
    log.info("producer.stopped")
    return 0


def run_ingress(settings: Settings) -> int:
    """Run an ingress. Raises ServerDownError, NeedsRabbitError."""
    configure(settings)
    reach_rabbit(settings)
    database = Database(database_url(settings), pool_size=2)
    ingress = Ingress(database, open_vault(settings), rabbit_wire(make_broker(settings)))
    if settings.metrics_port is not None:
        serve_health(settings.metrics_port, ingress.fault, database)
    with until_told() as stop:
        log.info("ingress.started")
        ingress.run(stop)
    log.info("ingress.stopped")
    return 0


def end_with_run_all() -> None:
    """In a part that `certline run all` has started: end when that has ended, however it did."""
    parent = os.environ.pop(RUN_ALL, None)
    if parent is not None:
        end_with(int(parent))


def run_all(settings: Settings, *, processes: int = 1, threads: int = 4) -> int:
    """Run all parts as processes of their own; when one ends, so do the others, and when this one is
    killed they stop by themselves.
    """
    reach_rabbit(settings)
    program = [sys.executable, "-P", "-m", "certline", "run"]
    environment = {
        name: value for name, value in os.environ.items() if name != "CERTLINE_METRICS_PORT"
    } | {RUN_ALL: str(os.getpid())}
    worker = ["worker", f"--processes={processes}", f"--threads={threads}"]
    parts = [
        subprocess.Popen([*program, *part], env=environment, start_new_session=True)  # noqa: S603  # our own
        for part in (worker, ["relay"], ["ingress"], ["producer"])
    ]
    try:
        with until_told() as stop:
            while not stop.wait(0.5) and all(part.poll() is None for part in parts):
                pass
    finally:
        for part in parts:
            part.terminate()
        codes = [part.wait(grace(settings) + 10) for part in parts]
    return max(abs(code) for code in codes)


def reach_rabbit(settings: Settings) -> None:
    """Make sure that one of the RabbitMQ nodes answers. Raises ServerDownError, NeedsRabbitError."""
    if settings.rabbitmq_url is None:
        raise NeedsRabbitError(
            "CERTLINE_RABBITMQ_URL is not set; without RabbitMQ all parts run in one process: certline up"
        )
    urls = settings.rabbitmq_urls
    shown = ";".join(map(without_password, urls))
    try:
        nodes = [pika.URLParameters(connection_url(url)) for url in urls]
        pika.BlockingConnection(nodes).close()
    except (pika.exceptions.AMQPError, OSError, ValueError) as error:
        why = type(error).__name__
        raise ServerDownError(f"RabbitMQ at {shown} does not answer ({why})") from error


@contextmanager
def until_told() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; the second signal ends the process at once."""
    stop = threading.Event()

    def tell(number: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Entry points of the long-running processes: each runs until it is stopped, and returns its exit code.

On SIGTERM or Ctrl-C a process finishes its current work and ends. A second signal, or SIGKILL, ends it at once,
which is safe too.
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
from certline.models.database.embedded_postgres import database_url
from certline.models.heartbeat import Part
from certline.models.server_url import without_password
from certline.models.settings import Settings
from certline.models.vault import open_vault, vault_if_given
from certline.producers.capacity import sized
from certline.producers.ingress import Ingress
from certline.producers.installation_figures import InstallationFigures
from certline.producers.messaging.broker_fault import broker_fault
from certline.producers.messaging.publisher import rabbit_wire
from certline.producers.presence import alive
from certline.producers.relay import Relay
from certline.producers.retention import Keep
from certline.producers.schedule import Producer
from certline.producers.witness.keeper import WitnessKeeper
from certline.producers.witness.store import WitnessQueue
from certline.workers.metrics.exposition import Exposition
from certline.workers.ordering.claim import SEND_WITHIN
from certline.workers.process.broker import connection_urls, make_broker
from certline.workers.process.health import fault_below, serve_health
from certline.workers.process.logs import choose_format, configure
from certline.workers.process.parent_watch import RUN_ALL
from certline.workers.scm.transport.http import DRIPS

log = structlog.get_logger()

# Seconds allowed for storing SCM's response.
STORING = 10.0


class ServerDownError(Exception):
    """A server that the process needs is unreachable; the text has its address without the password."""


class NeedsRabbitError(Exception):
    """A process that works through RabbitMQ was started without its URL."""


def grace(settings: Settings) -> float:
    """Return the seconds that a worker gets to finish its current calls when it is stopped.

    This is the longest time an order may take: from its claim to the first byte sent (or to a failed connect),
    until SCM's whole response has arrived, plus the time to store it. compose.yaml grants a little more.
    """
    begun = max(SEND_WITHIN, settings.scm_connect_seconds)
    return begun + DRIPS * settings.scm_read_seconds + STORING


def run_worker(
    settings: Settings,
    *,
    queues: list[str] | None = None,
    processes: int | None = None,
    threads: int | None = None,
) -> int:
    """Run worker processes under Dramatiq's own manager, for these queues (all by default).

    Without `processes` and `threads`, their numbers follow from the machine and the rate limits.

    Raises NeedsRabbitError without a RabbitMQ URL, ServerDownError if RabbitMQ is unreachable.
    """
    reach_rabbit(settings)
    choose_format(settings)
    size = sized(settings, processes, threads)
    return int(cli.main(worker_arguments(settings, queues, size.processes, size.threads)) or 0)


def worker_arguments(
    settings: Settings, queues: list[str] | None, processes: int, threads: int
) -> argparse.Namespace:
    """Return the parsed arguments that Dramatiq's own program is started with."""
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
    """Run a relay, which needs no secret key.

    Raises NeedsRabbitError without a RabbitMQ URL, ServerDownError if RabbitMQ is unreachable.
    """
    configure(settings, "relay")
    reach_rabbit(settings)
    database = Database(database_url(settings), pool_size=2)
    wire = rabbit_wire(make_broker(settings))
    queue = WitnessQueue(wire, quorum=settings.queue_type == "quorum")
    relay = Relay(database, wire, settings.direct_url, WitnessKeeper(database, queue))
    with (
        until_told() as stop,
        alive(
            settings,
            database,
            Part.RELAY,
            relay.fault,
            live=relay.watchdog.fault,
            vault=vault_if_given(settings),
        ),
    ):
        log.info("relay.started")
        relay.run(stop)
    log.info("relay.stopped")
    return 0


def run_producer(settings: Settings) -> int:
    """Run a periodic producer, which needs Postgres only, and no secret key."""
    configure(settings, "producer")
    database = Database(database_url(settings), pool_size=2)
    producer = Producer(database, settings.settle, Keep.of(settings), settings.audit_heads)
    with (
        until_told() as stop,
        alive(
            settings,
            database,
            Part.PRODUCER,
            producer.fault,
            live=producer.watchdog.fault,
            vault=vault_if_given(settings),
        ),
    ):
        log.info("producer.started")
        producer.run(stop)
    log.info("producer.stopped")
    return 0


def run_ingress(settings: Settings) -> int:
    """Run an ingress. Raises NeedsRabbitError without a RabbitMQ URL, ServerDownError if it is unreachable."""
    configure(settings, "ingress")
    reach_rabbit(settings)
    database = Database(database_url(settings), pool_size=2)
    vault = open_vault(settings)
    ingress = Ingress(
        database,
        vault,
        rabbit_wire(make_broker(settings)),
        most_letters=settings.most_dead_letters,
        most_open=settings.most_open_commands,
    )
    with (
        until_told() as stop,
        alive(
            settings,
            database,
            Part.INGRESS,
            ingress.fault,
            live=ingress.watchdog.fault,
            vault=vault,
        ),
    ):
        log.info("ingress.started")
        ingress.run(stop)
    log.info("ingress.stopped")
    return 0


def run_all(settings: Settings, *, processes: int | None = None, threads: int | None = None) -> int:
    """Run worker, relay, ingress and producer as child processes until stopped. Returns the largest exit code.

    When one child ends, the others are stopped; when this process is killed, the children stop automatically.
    Raises NeedsRabbitError without a RabbitMQ URL, ServerDownError if RabbitMQ is unreachable.
    """
    reach_rabbit(settings)
    choose_format(settings)
    program = [sys.executable, "-P", "-m", "certline", "run"]
    size = sized(settings, processes, threads)
    worker = ["worker", f"--processes={size.processes}", f"--threads={size.threads}"]
    # Sessions of their own: Ctrl-C reaches this process only, which then stops the children once.
    parts = [
        subprocess.Popen(  # noqa: S603  # our own program
            [*program, *part], env=_child_environment(settings, number), start_new_session=True
        )
        for number, part in enumerate((worker, ["relay"], ["ingress"], ["producer"]), start=1)
    ]
    if settings.metrics_port is not None:
        configure(settings, "all")
        below = [settings.metrics_port + number for number in range(1, len(parts) + 1)]
        exposition = Exposition("all", [InstallationFigures(database_url(settings))])
        host = settings.metrics_host
        serve_health(
            settings,
            lambda: fault_below(host, below),
            exposition,
            live=lambda: fault_below(host, below, "/livez"),
            ready=lambda: fault_below(host, below, "/readyz"),
        )
    try:
        with until_told() as stop:
            while not stop.wait(0.5) and all(part.poll() is None for part in parts):
                pass
    finally:
        for part in parts:
            part.terminate()
        codes = [part.wait(grace(settings) + 10) for part in parts]
    return max(abs(code) for code in codes)


def _child_environment(settings: Settings, number: int) -> dict[str, str]:
    """Return the environment of the n-th child of `run all`; its health is on the n-th port after ours."""
    environment = os.environ | {RUN_ALL: str(os.getpid())}
    if settings.metrics_port is not None:
        environment["CERTLINE_METRICS_PORT"] = str(settings.metrics_port + number)
    return environment


def reach_rabbit(settings: Settings) -> None:
    """Check that at least one of the RabbitMQ nodes accepts a connection.

    Raises NeedsRabbitError without a RabbitMQ URL, ServerDownError if no node is reachable.
    """
    if settings.rabbitmq_url is None:
        raise NeedsRabbitError(
            "CERTLINE_RABBITMQ_URL is not set; without RabbitMQ all parts run in one process: certline up"
        )
    urls = settings.rabbitmq_urls
    shown = ";".join(map(without_password, urls))
    try:
        nodes = [pika.URLParameters(url) for url in connection_urls(urls)]
        pika.BlockingConnection(nodes).close()
    except (pika.exceptions.AMQPError, OSError, ValueError, TypeError) as error:
        raise ServerDownError(f"RabbitMQ at {shown} {broker_fault(error)}") from error


@contextmanager
def until_told() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM, SIGINT and SIGHUP set.

    A second signal ends the process at once, with exit code 128 + n.
    """
    stop = threading.Event()

    def tell(number: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    numbers = [signal.SIGTERM, signal.SIGINT]
    # A closed terminal ends it too, unless `nohup` says otherwise.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, tell) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

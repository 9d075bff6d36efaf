"""Acceptance tests of traces: every part as a process, over RabbitMQ, and a collector that hears of them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
import requests

from certline.models import OrderStatus
from certline.models.audit.identity import Identity
from certline.models.events.outbox import INGRESS
from certline.producers.requests.webhooks import add_webhook
from certline.simulator.server import Simulator
from tests.acceptance.secrecy import PASSWORD
from tests.integration.producers.rabbit import channel_to
from tests.integration.producers.senders import ORDER, an_event, sending
from tests.servers import until
from tests.support.collector import Collector
from tests.support.deployment import Plant
from tests.support.factories import senders_of_everything
from tests.support.forkserver import nursery
from tests.unit.scm.odd_server import OddServer, http

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OUTSIDE = f"00-{TRACE}-{SPAN}-01"
PATIENCE = 60


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Yield a collector."""
    with Collector() as collector:
        yield collector


@pytest.fixture
def plant(
    database_url: str, vhost: str, simulator: Simulator, collector: Collector
) -> Iterator[Plant]:
    """Yield a plant with every process running, which sends its spans at once, and a synced account."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 200}, timeout=30)
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with Plant(database_url, vhost, **variables) as plant:
        plant.database.run(senders_of_everything)
        plant.start_all()
        plant.start("ingress")
        plant.add_account(simulator.url, PASSWORD)
        yield plant


def test_an_order_of_another_system_is_one_trace_through_all_parts(
    plant: Plant, collector: Collector, vhost: str
) -> None:
    with OddServer([http("204 No Content")] * 3) as receiver:
        add_webhook(
            plant.database,
            plant.vault,
            receiver.url,
            ("certificate.stored",),
            allow_private=True,
            who=Identity("os:anna"),
        )
        event = an_event(traceparent=OUTSIDE, data=ORDER | {"key_algorithm": "EC"})
        with channel_to(vhost) as channel:
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, "certline.events", "certificate.stored")
            with sending(vhost) as sender:
                until(lambda: _is_there(vhost), PATIENCE)
                sender.send(event)
            [(properties, told)] = [
                (properties, json.loads(body))
                for _, properties, body in [next(channel.consume(queue, inactivity_timeout=60))]
                if properties is not None
            ]
        expected = {
            ("certline-ingress", "receive order"),
            ("certline-relay", "publish certline.order"),
            ("certline-worker", "step order"),
            ("certline-worker", "scm enroll"),
            ("certline-worker", "step poll"),
            ("certline-relay", "publish certificate.stored"),
            ("certline-worker", "step webhook"),
            ("certline-worker", "webhook post"),
        }

        def all_there() -> bool:
            return expected <= {(each.service, each.name) for each in collector.in_trace(TRACE)}

        until(all_there, PATIENCE)
        [posted] = receiver.seen

    spans = collector.in_trace(TRACE)
    assert {each.above for each in spans} <= {each.id for each in spans} | {SPAN}
    # What others hear names the trace, and a span of it.
    for traceparent in (
        told["traceparent"],
        properties.headers["traceparent"],
        posted.headers["traceparent"],
    ):
        assert traceparent[3:35] == TRACE
        assert traceparent[36:52] in {each.id for each in spans}
    shown = plant.json("command", "show", event["id"])
    assert shown["trace_id"] == TRACE


def test_a_typed_order_is_one_trace_whose_root_is_the_command(
    plant: Plant, collector: Collector
) -> None:
    ended = plant.order("typed.nordhafen.example", "--wait", "--timeout", "60")
    trace_id = plant.json("command", "show", ended["id"])["trace_id"]

    def all_there() -> bool:
        names = {each.name for each in collector.in_trace(trace_id)}
        return {"certline order create", "step order", "publish certificate.stored"} <= names

    until(all_there, PATIENCE)
    spans = collector.in_trace(trace_id)
    [root] = [each for each in spans if not each.above]
    assert (root.service, root.name) == ("certline-cli", "certline order create")
    assert {each.above for each in spans} <= {each.id for each in spans} | {""}


def test_what_a_worker_recorded_last_is_sent_when_it_stops(
    database_url: str, vhost: str, simulator: Simulator, collector: Collector
) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 200}, timeout=30)
    with Plant(database_url, vhost, **variables) as plant:
        plant.start("relay")
        worker = plant.start("worker", "--processes", "1")
        plant.add_account(simulator.url, PASSWORD)
        command = plant.place("last.nordhafen.example")
        plant.until(command, OrderStatus.STORED)
        assert command.trace_id is not None
        assert collector.in_trace(command.trace_id) == []

        worker.terminate(60)

        names = {each.name for each in collector.in_trace(command.trace_id)}
    assert {"step order", "step poll"} <= names


def test_a_dead_collector_neither_stops_nor_delays_a_command(database_url: str) -> None:
    # Nobody listens on port 9, and nobody answers at an address for documentation (RFC 5737).
    for endpoint in ("http://127.0.0.1:9", "http://192.0.2.1:4318"):
        with Plant(database_url, "amqp://unused", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as plant:
            begun = time.monotonic()
            done = nursery().type(
                ["order", "list", "--json"], os.environ | plant.environment, given="", timeout=120
            )
            assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, [], "")
            assert time.monotonic() - begun < 10


def test_without_the_packages_a_part_says_so_and_a_command_is_carried_out(
    database_url: str, vhost: str, tmp_path: Path
) -> None:
    # As if they were not installed: found before them, and no package.
    (tmp_path / "opentelemetry.py").touch()
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": str(tmp_path)}
    with Plant(database_url, vhost, **variables) as plant:
        environment = os.environ | plant.environment
        program = [sys.executable, "-m", "certline"]
        asked = subprocess.run(
            [*program, "order", "list", "--json"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        part = subprocess.run(
            [*program, "run", "relay"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    missing = "OpenTelemetry is not installed: pip install 'certline[tracing]'"
    assert (asked.returncode, json.loads(asked.stdout)) == (0, [])
    assert missing in asked.stderr
    assert part.returncode == 2
    assert missing in part.stderr


def _is_there(vhost: str) -> bool:
    """Return whether the ingress listens, or its queue at least waits for it."""
    try:
        with channel_to(vhost) as channel:
            channel.queue_declare(INGRESS, passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        return False
    return True

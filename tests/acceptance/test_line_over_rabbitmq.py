"""Acceptance tests of the main path with worker, relay and producer as processes, RabbitMQ, and SCM over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pika
import pytest
import requests
from cryptography.hazmat.primitives.serialization import pkcs12

from benchmarks.two_hundred_orders import ORDERS, keystores_that_open, place_and_wait
from certline.models import Queue
from certline.models.settings import Settings
from certline.producers.capacity import sized
from certline.simulator.server import Simulator
from tests.acceptance.secrecy import PASSWORD
from tests.servers import RabbitServer, until
from tests.support.deployment import Plant


@pytest.fixture
def plant(database_url: str, vhost: str, simulator: Simulator) -> Iterator[Plant]:
    """Yield a plant with every process running and a synced account."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 200}, timeout=30)
    with Plant(database_url, vhost) as plant:
        plant.start_all()
        plant.add_account(simulator.url, PASSWORD)
        yield plant


@pytest.mark.parametrize(("algorithm", "size"), [("EC", "P-256"), ("RSA", "2048")])
def test_from_an_order_at_the_terminal_to_a_pkcs12_that_opens(
    plant: Plant, tmp_path: Path, algorithm: str, size: str
) -> None:
    wait = ("--wait", "--timeout", "60")
    ended = plant.order("www.nordhafen.example", *wait, algorithm=algorithm, size=size)
    certificate = plant.json("certificate", "show", ended["result"]["certificate_id"])
    target = tmp_path / "www.p12"
    plant.certline("certificate", "export", certificate["id"], "--output", str(target))
    password = plant.certline("certificate", "password", certificate["id"]).strip()

    opened = pkcs12.load_pkcs12(target.read_bytes(), password.encode())

    assert ended["status"] == "done"
    assert (certificate["key_algorithm"], certificate["key_size"]) == (algorithm, size)
    assert opened.key is not None
    assert opened.cert is not None
    assert opened.cert.certificate.public_key() == opened.key.public_key()
    assert target.stat().st_mode & 0o777 == 0o600


def test_other_systems_hear_of_each_step(plant: Plant, vhost: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "certline.events", "#")

        command = plant.order("told.nordhafen.example", "--wait", "--timeout", "60")
        heard: list[str] = []
        for method, _, body in channel.consume(queue, inactivity_timeout=30):
            assert method is not None, f"only {heard} were heard"
            assert b"PRIVATE" not in body
            if command["id"].encode() in body:  # the producer has started a sync of its own
                heard.append(method.routing_key)
            if heard[-1:] == ["certificate.stored"]:
                break

    assert heard[0] == "order.placed"
    assert {"order.pending", "order.issued"} <= set(heard)


@pytest.mark.slow
def test_a_worker_takes_as_many_messages_of_a_queue_as_it_has_threads(
    plant: Plant, vhost: str, rabbitmq: RabbitServer
) -> None:
    name = unquote(vhost.rpartition("/")[2])
    words = ("-q", "--formatter", "json", "-p", name, "list_consumers")

    def taken() -> dict[str, int]:
        consumers = json.loads(rabbitmq.ctl(*words, "queue_name", "prefetch_count"))
        return {each["queue_name"]: each["prefetch_count"] for each in consumers}

    until(lambda: taken().keys() >= set(Queue), 60)  # consumers start one queue after another
    rates = Settings(
        rate_read=1000, rate_order=1000
    )  # those of the plant, from which the default follows
    assert {taken()[queue] for queue in Queue} == {sized(rates).threads}
    assert plant


@pytest.mark.slow
def test_two_hundred_orders_by_two_worker_processes_are_two_hundred_certificates(
    plant: Plant, database_url: str, simulator: Simulator
) -> None:
    plant.start("worker", "--processes", "2")

    place_and_wait(plant, database_url)

    at_scm = requests.get(f"{simulator.door}/orders", timeout=30).json()
    assert len(at_scm) == ORDERS
    assert len({order["commonName"] for order in at_scm}) == ORDERS
    assert keystores_that_open(plant, database_url) == ORDERS

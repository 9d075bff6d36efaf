"""Work and trouble of a watched line: what an operator, another system, or SCM would do to it."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pika
import requests
from sqlalchemy import func, update

from certline.models import Certificate, CertificateStatus
from certline.models.accounts.catalogue import Domain
from certline.simulator.server import Simulator
from tests.servers import until
from tests.support.deployment import Plant

# A certificate of 90 days with 28 left is renewed automatically, and not late yet.
OLDER = timedelta(days=62)


def order_from_outside(plant: Plant, rabbitmq_url: str, name: str) -> None:
    """Send an order as another system does. Its user, RabbitMQ's `guest`, must be a sender."""
    wanted = {"common_name": name, "organization": "Nordhafen University", "term": 90}
    command = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "//shop.example/orders",
        "type": "certline.command.order.v1",
        "data": wanted | {"profile": "OV Multi-Domain SSL"},
    }
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(message_id=command["id"], user_id="guest")
        channel.basic_publish("certline.commands", "order", json.dumps(command), properties, True)
    until(lambda: plant.knows(str(command["id"])), 60)
    plant.certline("command", "wait", str(command["id"]), "--timeout", "60")


def make_due(plant: Plant, name: str) -> None:
    """Make the active certificate of that name old enough to be renewed."""
    of_the_name = (Certificate.common_name == name, Certificate.status == CertificateStatus.ACTIVE)
    older = {
        "not_before": Certificate.not_before - OLDER,
        "not_after": Certificate.not_after - OLDER,
        "renews_at": func.now(),
    }
    with plant.database.transaction() as db:
        db.execute(update(Certificate).where(*of_the_name).values(**older))


def end_validations(plant: Plant) -> None:
    """Let the validation of every domain end, as far as certline knows."""
    with plant.database.transaction() as db:
        ended = Domain.validation_expires - 1000
        db.execute(update(Domain).values(validation_expires=ended))


@contextmanager
def failing(simulator: Simulator) -> Iterator[None]:
    """Let every call to SCM fail meanwhile, as during maintenance."""
    fault = {"path": "", "times": None, "kind": "status", "status": 503}
    requests.post(f"{simulator.door}/faults", json=[fault], timeout=30).raise_for_status()
    try:
        yield
    finally:
        requests.delete(f"{simulator.door}/faults", timeout=30).raise_for_status()


@contextmanager
def other_password(simulator: Simulator) -> Iterator[None]:
    """Let SCM have another password meanwhile."""
    set_up(simulator, password="changed")
    try:
        yield
    finally:
        set_up(simulator, password="secret")


def set_up(simulator: Simulator, **settings: object) -> None:
    """Change settings of the simulator."""
    requests.post(f"{simulator.door}/settings", json=settings, timeout=30).raise_for_status()


@contextmanager
def full_license(plant: Plant) -> Iterator[None]:
    """Let the licence have no free line meanwhile."""
    now = plant.json("license", "show")
    plant.certline("license", "set", str(now["used"]))
    try:
        yield
    finally:
        plant.certline("license", "set", str(now["capacity"]))

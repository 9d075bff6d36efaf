"""Fixtures: another system in front of an ingress, and a relay that sends when the test calls it."""

from collections.abc import Iterator

import pytest

from certline.models import Database
from certline.producers import ingress as ingress_module
from certline.producers.ingress import Ingress
from certline.producers.messaging.publisher import RabbitWire
from certline.producers.relay import Relay
from tests.integration.producers.rabbit import open_wire
from tests.integration.producers.senders import Sender, empty, sending, taking
from tests.support.factories import senders_of_everything


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's database, in which the test's own user of RabbitMQ may send everything."""
    database = Database(database_url)
    database.run(senders_of_everything)
    yield database
    database.close()


@pytest.fixture
def sender(database: Database, vhost: str) -> Iterator[Sender]:
    """Yield another system, with its queues declared and empty."""
    empty(database.url, vhost)
    with sending(vhost) as sender:
        yield sender


@pytest.fixture
def ingress(
    database: Database, vhost: str, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ingress]:
    """Yield an ingress that runs until the test has ended, and then stops quickly."""
    assert sender  # requested first: it empties the queues
    monkeypatch.setattr(ingress_module, "LOOK_EVERY", 0.02)
    with taking(database, vhost) as ingress:
        yield ingress


@pytest.fixture
def wire(database: Database, vhost: str) -> Iterator[RabbitWire]:
    """Yield a wire to the module's vhost, whose queues are empty."""
    with open_wire(database.url, vhost) as wire:
        yield wire


@pytest.fixture
def relay(database: Database, wire: RabbitWire) -> Relay:
    """Return a relay that sends a batch when it is pumped."""
    return Relay(database, wire)

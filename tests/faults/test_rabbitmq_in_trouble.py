"""Fault tests of RabbitMQ failing in each way: accepted orders are finished, and sent once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import unquote, urlsplit

import pika
import pytest
import requests
from sqlalchemy import update

from certline.models import Command, OrderStatus, Outbox, Queue
from certline.models.events.outbox import EVENTS
from certline.simulator.server import Simulator
from tests.faults.extent import at_length
from tests.faults.stage import Stage
from tests.nursery import nursery
from tests.plant import Plant
from tests.servers import RabbitServer, open_rabbitmq, until


class Mortal:
    """A stage on a RabbitMQ of its own."""

    def __init__(self, stage: Stage, server: RabbitServer) -> None:
        self.stage = stage
        self.server = server
        self.heard = 0
        self.vhost = unquote(urlsplit(stage.vhost).path.removeprefix("/"))

    def ctl(self, *words: str) -> None:
        """Run `rabbitmqctl` for the stage's vhost."""
        self.server.ctl(words[0], "-p", self.vhost, *words[1:])

    def until_relay_says(self, text: str) -> None:
        """Wait until the relay logs the text, after what earlier calls have seen."""

        def fresh() -> str:
            return self.stage.output_of("relay")[self.heard :]

        try:
            until(lambda: text in fresh(), 60)
        except TimeoutError:
            pytest.fail(f"the relay has not said {text!r}: {fresh()[-3000:]}")
        self.heard += len(fresh())


def is_killed(mortal: Mortal) -> None:
    """Kill RabbitMQ and start it again; what is durable is still there."""
    mortal.server.restart(immediate=True)


def is_away_for_a_while(mortal: Mortal) -> None:
    """Place an order while RabbitMQ is down."""
    mortal.server.kill()
    mortal.stage.place()
    mortal.until_relay_says("relay.waits")
    mortal.server.start()


def closes_all_connections(mortal: Mortal) -> None:
    """Close all connections, as an administrator or a failover does."""
    mortal.server.ctl("close_all_connections", "--global", "for a test")
    mortal.until_relay_says("relay.waits")


def raises_an_alarm(mortal: Mortal) -> None:
    """Raise the disk alarm, so that RabbitMQ accepts nothing until there is room."""
    mortal.server.ctl("set_disk_free_limit", "1000000GB")
    mortal.stage.place()
    mortal.until_relay_says("relay.waits")
    mortal.server.ctl("set_disk_free_limit", "1MB")


def loses_its_queues(mortal: Mortal) -> None:
    """Delete the queues; the sweep wakes the commands whose messages were lost."""
    with pika.BlockingConnection(pika.URLParameters(mortal.stage.vhost)) as connection:
        for queue in (Queue.ORDER, Queue.POLL):
            connection.channel().queue_delete(queue)
    mortal.stage.age_commands()


def withdraws_permissions(mortal: Mortal) -> None:
    """Withdraw all permissions, and give them back."""
    user = mortal.server.user
    mortal.ctl("set_permissions", user, "", "", "")
    mortal.server.ctl("close_all_connections", "--global", "for a test")
    mortal.stage.place()
    mortal.until_relay_says("relay.waits")
    mortal.ctl("set_permissions", user, ".*", ".*", ".*")


def is_wiped(mortal: Mortal) -> None:
    """Remove all of RabbitMQ's data. An administrator creates the vhost again, and resends events that listeners
    may have lost; the sweep wakes the commands.
    """
    mortal.stage.place()
    for word in ("stop_app", "reset", "start_app"):
        mortal.server.ctl(word)
    mortal.server.add_vhost(mortal.vhost)
    mortal.stage.ear.listen()
    with mortal.stage.plant.database.transaction() as db:
        db.execute(update(Outbox).where(Outbox.exchange == EVENTS).values(sent_at=None))
    mortal.stage.age_commands()


Trouble = Callable[[Mortal], None]
LONG: list[Trouble] = [
    closes_all_connections,
    loses_its_queues,
    withdraws_permissions,
    raises_an_alarm,
    is_away_for_a_while,
    is_killed,
    is_wiped,
]
SHORT: list[Trouble] = [
    closes_all_connections,
    loses_its_queues,
    withdraws_permissions,
    raises_an_alarm,
    is_wiped,
]


@pytest.fixture
def mortal(database_url: str, simulator: Simulator) -> Iterator[Mortal]:
    """Yield a stage on a RabbitMQ that may die; its processes notice within seconds that it is gone or blocked."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 50}, timeout=30)
    with ExitStack() as stack:
        server = stack.enter_context(open_rabbitmq(private=True))
        vhost = stack.enter_context(server.vhost())
        url = f"{vhost}?heartbeat=2&blocked_connection_timeout=2&retry_delay=0.2"
        plant = stack.enter_context(Plant(database_url, url))
        stage = Stage(nursery(), plant, vhost, simulator)
        stack.callback(stage.stop_parts)
        stage.add_account()
        for part in ("relay", "producer", "ingress", "worker"):
            stage.start(part)
        stage.until_well()
        server.keep_declarations()
        yield Mortal(stage, server)


def test_orders_go_on_whatever_happens_to_rabbitmq(mortal: Mortal) -> None:
    stage = mortal.stage
    for trouble in at_length(LONG, short=SHORT):
        orders = [stage.place() for _ in range(3)]
        trouble(mortal)
        orders.append(stage.place())
        until_stored(stage, orders)

    assert stage.finish() == []


def until_stored(stage: Stage, orders: list[Command]) -> None:
    """Wait until these orders are stored, running the sweep for what was lost."""

    def stored() -> bool:
        stage.type("schedule", "run", "sweep")
        return {stage.order(each).status for each in orders} == {OrderStatus.STORED}

    until(stored, 120, every=0.5)

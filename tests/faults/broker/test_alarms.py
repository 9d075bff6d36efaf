"""Fault tests of a disk alarm: RabbitMQ reads publishes from the socket only once the alarm is over."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from dramatiq.errors import ConnectionClosed

from certline.models import OrderStatus
from certline.producers.messaging.publisher import rabbit_wire
from certline.producers.messaging.shipment import WireDownError
from certline.producers.relay import Relay
from certline.workers.process.broker import HardenedBroker, connection_url
from tests.faults.broker.stock_or_ours import PATIENCE, Kind, Stage, broker_of
from tests.faults.broker.workers import only_the_order_is_to_be_sent, waiting, working
from tests.integration.workers.conftest import Bench
from tests.servers import RabbitServer, until

pytestmark = pytest.mark.slow

# It is a race whether RabbitMQ still reads what a connection wrote before giving up; hence several rounds.
ROUNDS = "ABCDE"
SOON = 5.0
ENROLL = "POST /ssl/v1/enroll"


@contextmanager
def disk_alarm(server: RabbitServer) -> Iterator[None]:
    """Raise RabbitMQ's disk alarm for the length of the block."""

    def is_on() -> bool:
        return "disk" in server.ctl("eval", "rabbit_alarm:get_alarms().")

    server.ctl("set_disk_free_limit", "1000000000000000")
    until(is_on, PATIENCE)
    try:
        yield
    finally:
        server.ctl("set_disk_free_limit", "1000")
        until(lambda: not is_on(), PATIENCE)


def impatient(vhost: str) -> str:
    """Return a URL whose connections give up after being blocked for a second."""
    return f"{vhost}?blocked_connection_timeout=1"


def test_on_stock_one_send_under_an_alarm_fails_and_the_work_is_done_several_times(
    own_rabbitmq: RabbitServer, own_vhost: str
) -> None:
    with closing(broker_of(Kind.STOCK, impatient(own_vhost))) as broker:
        stage = Stage(broker, own_vhost)
        note = broker.get_actor("note")
        for name in ROUNDS:
            with disk_alarm(own_rabbitmq), pytest.raises(ConnectionClosed):
                note.send(name)
            note.send(f"after {name}")
            with stage.working():
                stage.has_run(f"after {name}")
            if stage.ran.count(name) > 1:
                return

    pytest.fail(f"never more than once: {stage.ran}")


def test_on_ours_a_row_that_could_not_be_published_comes_several_times_and_is_done_once(
    own_rabbitmq: RabbitServer, own_vhost: str, bench: Bench
) -> None:
    command = bench.place()
    only_the_order_is_to_be_sent(bench.database)
    with closing(HardenedBroker(url=[connection_url(impatient(own_vhost))])) as broker:
        wire = rabbit_wire(broker)
        wire.open()
        relay = Relay(bench.database, wire)
        for _ in ROUNDS:
            with disk_alarm(own_rabbitmq), pytest.raises(WireDownError):
                relay.pump()
            with suppress(TimeoutError):
                until(lambda: waiting(own_vhost) > 0, SOON)
                break
        until(lambda: relay.pump() == 1, PATIENCE)
        until(lambda: waiting(own_vhost) > 1, PATIENCE)

        with working(bench.line, own_vhost, threads=2):
            until(lambda: bench.command(command.id).restarts > 0, PATIENCE)
            until(lambda: bench.order(command).status is OrderStatus.PENDING, PATIENCE)
            until(lambda: waiting(own_vhost) == 0, PATIENCE)

    assert bench.calls(ENROLL) == 1


def test_a_relay_does_not_wait_with_its_transaction_until_the_alarm_is_over(
    own_rabbitmq: RabbitServer, own_vhost: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certline.producers.messaging.window.CONFIRM_WITHIN", 1.0)
    bench.place()
    only_the_order_is_to_be_sent(bench.database)
    # Its connections would rather wait for an hour than give up.
    url = connection_url(f"{own_vhost}?blocked_connection_timeout=3600")
    with closing(HardenedBroker(url=[url])) as broker:
        wire = rabbit_wire(broker)
        wire.open()
        relay = Relay(bench.database, wire)
        with (
            disk_alarm(own_rabbitmq),
            pytest.raises(WireDownError, match="RabbitMQ"),
        ):
            relay.pump()

        assert until(relay.pump, PATIENCE) == 1

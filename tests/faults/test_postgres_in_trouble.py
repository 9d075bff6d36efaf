"""Postgres fails in each way that it can, and orders go on: what was accepted ends, and is sent once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import psycopg
import pytest
import requests
from sqlalchemy.exc import DBAPIError

from certline.models import Command, OrderStatus
from certline.simulator.server import Simulator
from tests.conftest import migrate
from tests.faults.harness.scenario import Stage
from tests.servers import PostgresServer, open_postgres, until
from tests.support.deployment import Plant
from tests.support.forkserver import nursery
from tests.support.proxy import Gate

pytestmark = pytest.mark.slow

APPLICATION = "others"
END_OTHERS = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> %s"""


class Mortal:
    """A stage on a Postgres of its own, with a gate before SCM."""

    def __init__(self, stage: Stage, server: PostgresServer, gate: Gate) -> None:
        self.stage = stage
        self.server = server
        self.gate = gate


def is_restarted(mortal: Mortal) -> None:
    """It crashes and recovers."""
    mortal.server.restart(immediate=True)


def is_away_when_scm_answers(mortal: Mortal) -> None:
    """SCM's answer to an order comes while nothing can be stored."""
    mortal.gate.close(answers=True)
    mortal.stage.place()
    assert mortal.gate.arrived.wait(60)
    mortal.server.stop(immediate=True)
    mortal.gate.open()
    mortal.server.start()


def ends_all_sessions(mortal: Mortal) -> None:
    """An administrator, or a failover, throws everybody out, three times."""
    for _ in range(3):
        with psycopg.connect(mortal.server.url, autocommit=True) as administrator:

            def ended(end: psycopg.Connection = administrator) -> int:
                count = end.execute(END_OTHERS, [APPLICATION]).fetchone()
                return 0 if count is None else int(count[0])

            until(ended, 60)  # those of the time before may still be on their way back
        mortal.stage.plant.database.close()  # the test's own have gone, too


def has_no_room(mortal: Mortal) -> None:
    """Others take every connection that there is, those of the line too."""
    with ExitStack() as others:
        administrator = others.enter_context(psycopg.connect(mortal.server.url, autocommit=True))
        take_all(mortal.server.url, others)
        administrator.execute(END_OTHERS, [APPLICATION])
        take_all(mortal.server.url, others)
        until(lambda: "relay.waits" in mortal.stage.output_of("relay"), 60)
    mortal.stage.plant.database.close()


def take_all(url: str, stack: ExitStack) -> None:
    """Open connections until there are no more."""
    with suppress(psycopg.OperationalError):
        while True:
            stack.enter_context(psycopg.connect(url, application_name=APPLICATION))


Trouble = Callable[[Mortal], None]
TROUBLES: list[Trouble] = [is_restarted, is_away_when_scm_answers, ends_all_sessions, has_no_room]


@pytest.fixture
def mortal(vhost: str, simulator: Simulator, gate: Gate) -> Iterator[Mortal]:
    """All parts on a Postgres that may die."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 50}, timeout=30)
    with ExitStack() as stack:
        server = stack.enter_context(open_postgres(private=True))
        url = stack.enter_context(server.database())
        migrate(url)
        plant = stack.enter_context(Plant(url, vhost))
        stage = Stage(nursery(), plant, vhost, simulator)
        stack.callback(stage.stop_parts)
        stage.add_account(gate.url)
        for part in ("relay", "producer", "ingress", "worker"):
            stage.start(part)
        stage.until_well()
        yield Mortal(stage, server, gate)


def test_orders_go_on_whatever_happens_to_postgres(mortal: Mortal) -> None:
    stage = mortal.stage
    for trouble in TROUBLES:
        orders = [stage.place() for _ in range(3)]
        trouble(mortal)
        orders.append(stage.place())
        until_ended(stage, orders)
    stage.stop("worker")
    stage.age()
    stage.start("worker")
    stage.place()

    assert stage.finish() == []


def until_ended(stage: Stage, orders: list[Command]) -> None:
    """Wait until these orders are stored, or rest because an answer was lost."""
    ended = {OrderStatus.STORED, OrderStatus.SENDING}

    def there() -> bool:
        with suppress(DBAPIError):
            return {stage.order(each).status for each in orders} <= ended
        return False

    until(there, 120, every=0.2)

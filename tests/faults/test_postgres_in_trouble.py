"""Fault tests of Postgres failing in each way: accepted orders are finished, and sent once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import psycopg
import pytest
import requests
from sqlalchemy.exc import DBAPIError

from certline.models import Command, OrderStatus
from certline.simulator.server import Simulator
from tests.conftest import migrate
from tests.faults.stage import Stage
from tests.gate import Gate
from tests.nursery import nursery
from tests.plant import Plant
from tests.servers import PostgresServer, open_postgres, until

APPLICATION = "others"
END_OTHERS = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> %s"""


class Mortal:
    """A stage on a Postgres of its own, with a gate in front of SCM."""

    def __init__(self, stage: Stage, server: PostgresServer, gate: Gate) -> None:
        self.stage = stage
        self.server = server
        self.gate = gate


def is_restarted(mortal: Mortal) -> None:
    """Crash Postgres and let it recover."""
    mortal.server.restart(immediate=True)


def is_away_when_scm_answers(mortal: Mortal) -> None:
    """Stop Postgres while SCM's response to an order arrives."""
    mortal.gate.close(answers=True)
    mortal.stage.place()
    assert mortal.gate.arrived.wait(60)
    mortal.server.stop(immediate=True)
    mortal.gate.open()
    mortal.server.start()


def ends_all_sessions(mortal: Mortal) -> None:
    """End all sessions three times, as an administrator or a failover does."""
    for _ in range(3):
        with psycopg.connect(mortal.server.url, autocommit=True) as administrator:

            def ended(end: psycopg.Connection = administrator) -> int:
                count = end.execute(END_OTHERS, [APPLICATION]).fetchone()
                return 0 if count is None else int(count[0])

            until(ended, 60)  # earlier sessions may still be reconnecting
        mortal.stage.plant.database.close()  # the test's own sessions have ended, too


def has_no_room(mortal: Mortal) -> None:
    """Let other clients take every connection, those of certline too."""
    with ExitStack() as others:
        administrator = others.enter_context(psycopg.connect(mortal.server.url, autocommit=True))
        take_all(mortal.server.url, others)
        administrator.execute(END_OTHERS, [APPLICATION])
        take_all(mortal.server.url, others)
        until(lambda: "relay.waits" in mortal.stage.output_of("relay"), 60)
    mortal.stage.plant.database.close()


def take_all(url: str, stack: ExitStack) -> None:
    """Open connections until Postgres refuses."""
    with suppress(psycopg.OperationalError):
        while True:
            stack.enter_context(psycopg.connect(url, application_name=APPLICATION))


Trouble = Callable[[Mortal], None]
TROUBLES: list[Trouble] = [is_restarted, is_away_when_scm_answers, ends_all_sessions, has_no_room]


@pytest.fixture
def mortal(vhost: str, simulator: Simulator, gate: Gate) -> Iterator[Mortal]:
    """Yield a stage with all processes on a Postgres that may die."""
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
    """Wait until these orders are stored, or in `sending` because a response was lost."""
    ended = {OrderStatus.STORED, OrderStatus.SENDING}

    def there() -> bool:
        with suppress(DBAPIError):
            return {stage.order(each).status for each in orders} <= ended
        return False

    until(there, 120, every=0.2)

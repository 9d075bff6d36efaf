"""Fault tests of a failover of Postgres: the standby is promoted while orders run, and none is lost or doubled."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from certline.models import Command, Database, OrderStatus
from certline.simulator.server import Simulator
from tests.faults.failover.line import all_parts, url_of_both
from tests.faults.harness.scenario import Stage
from tests.servers import until
from tests.servers.replication import NoReplicationError, Pair, open_pair

pytestmark = pytest.mark.slow

ORDERS = int(os.environ.get("CERTLINE_TEST_FAILOVER_ORDERS", "40"))
ENDED = {OrderStatus.STORED, OrderStatus.SENDING}


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Yield a primary and its synchronous standby; without their programs, the test fails and names them."""
    with ExitStack() as stack:
        try:
            pair = stack.enter_context(open_pair())
        except NoReplicationError as missing:
            pytest.fail(str(missing))
        pair.commit_on_both()
        yield pair


@pytest.fixture
def database_url(pair: Pair) -> str:
    """Return the URL of a migrated database with two hosts."""
    return url_of_both(pair)


@pytest.fixture
def stage(database_url: str, vhost: str, simulator: Simulator) -> Iterator[Stage]:
    """Yield a stage with all its processes."""
    with all_parts(database_url, vhost, simulator) as stage:
        yield stage


def test_a_promoted_standby_goes_on_with_every_order(stage: Stage, pair: Pair) -> None:
    orders = [stage.place() for _ in range(ORDERS // 2)]

    until(lambda: any(stage.order(each).status is not OrderStatus.PLACED for each in orders), 60)
    pair.fail_over()
    while len(orders) < ORDERS:
        with suppress(DBAPIError):  # a pool that learns of it now
            orders.append(stage.place())

    until(lambda: all(is_ended(stage, each) for each in orders), 240, every=0.5)
    assert stage.sick() == {}
    stage.stop("worker")
    stage.age()
    stage.start("worker")
    stage.place()
    assert stage.finish() == []


def is_ended(stage: Stage, command: Command) -> bool:
    """Return True if the order is stored, or unclear because an answer was lost."""
    with suppress(DBAPIError):
        return stage.order(command).status in ENDED
    return False


def test_a_pool_leaves_a_server_that_became_read_only(pair: Pair, database_url: str) -> None:
    database = Database(database_url)
    with database.transaction() as db:
        db.connection().exec_driver_sql("CREATE TABLE touched (at timestamptz)")
    pair.standby.promote()  # the old primary lives on, as after a switchover by hand
    pair.primary.configure(default_transaction_read_only="on", synchronous_standby_names="")
    pair.primary.ask("SELECT pg_reload_conf()")
    until(lambda: pair.primary.ask("SHOW default_transaction_read_only") == "on", 30)

    with pytest.raises(DBAPIError, match="read-only"):
        touch(database)
    touch(database)

    with psycopg.connect(database_url) as connection:
        assert connection.info.port == pair.standby.port
        assert connection.execute("SELECT count(*) FROM touched").fetchone() == (1,)
    database.close()


def touch(database: Database) -> None:
    """Write a row."""
    with database.transaction() as db:
        db.connection().exec_driver_sql("INSERT INTO touched VALUES (now())")

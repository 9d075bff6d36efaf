"""Fault tests of certline through PgBouncer: no session is relied on, and none hides a failover."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from certline.models import Command, Database
from certline.models.restore.recovery import noticed_at, recovering
from certline.simulator.server import Simulator
from tests.conftest import migrate
from tests.faults.failover.line import all_parts
from tests.faults.harness.scenario import Stage
from tests.servers import session, until
from tests.servers.pgbouncer import Bouncer, NoBouncerError, open_bouncer, running_bouncer
from tests.servers.replication import NoReplicationError, Pair, open_pair

pytestmark = pytest.mark.slow

ORDERS = 8
# Bytes of WAL that the standby lacks.
BEHIND = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint FROM pg_stat_replication"


@pytest.fixture(params=["", "options"], ids=["refuses options", "drops options"])
def bouncer_url(request: pytest.FixtureRequest, database_url: str) -> Iterator[str]:
    """Yield the database's URL through PgBouncer; without that program, the test fails and names it."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(open_bouncer(database_url, ignored=request.param))
        except NoBouncerError as missing:
            pytest.fail(str(missing))
        yield url


def test_each_transaction_has_our_limits_whatever_session_it_gets(bouncer_url: str) -> None:
    database = Database(bouncer_url)

    for _ in range(8):
        with database.transaction() as db:
            assert db.scalars(text("SHOW statement_timeout")).one() == "1min"
            assert db.scalars(text("SHOW lock_timeout")).one() == "30s"

    assert database.goes_through_bouncer()
    database.close()


def test_a_plain_server_is_not_taken_for_a_bouncer(database_url: str) -> None:
    database = Database(database_url)

    assert not database.goes_through_bouncer()
    database.close()


@pytest.mark.parametrize("is_direct", [True, False], ids=["woken past it", "looking by itself"])
def test_orders_are_carried_out_through_it(
    bouncer_url: str, database_url: str, vhost: str, simulator: Simulator, is_direct: bool
) -> None:
    past = {"CERTLINE_DATABASE_DIRECT_URL": database_url} if is_direct else {}
    with all_parts(bouncer_url, vhost, simulator, **past) as stage:
        for _ in range(10):
            stage.place()
        stage.plant.order(stage.new_name())

        assert ("relay.not_woken" in stage.output_of("relay")) is not is_direct
        assert stage.finish() == []


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Yield a primary and a standby that may lack its last commits."""
    with ExitStack() as stack:
        try:
            pair = stack.enter_context(open_pair())
        except NoReplicationError as missing:
            pytest.fail(str(missing))
        yield pair


@pytest.fixture
def bouncer(pair: Pair) -> Iterator[Bouncer]:
    """Yield a PgBouncer in front of a migrated database of the pair's primary."""
    name = session.name()
    pair.primary.ask(f'CREATE DATABASE "{name}"')
    url = f"postgresql://postgres@127.0.0.1:{pair.primary.port}/{name}"
    migrate(url)
    with ExitStack() as stack:
        try:
            bouncer = stack.enter_context(running_bouncer(url))
        except NoBouncerError as missing:
            pytest.fail(str(missing))
        yield bouncer


def fail_over(pair: Pair, bouncer: Bouncer) -> None:
    """Promote the standby, which has everything, and let PgBouncer lead to it."""
    until(lambda: pair.primary.ask(BEHIND) == 0, 30)
    pair.fail_over()
    bouncer.lead_to(pair.primary.port)


def test_a_failover_behind_it_is_noticed_though_connections_to_it_stay_open(
    pair: Pair, bouncer: Bouncer
) -> None:
    database = Database(bouncer.url)
    with database.transaction() as first, database.transaction() as second:
        assert not recovering(first)
        assert not recovering(second)

    fail_over(pair, bouncer)

    # Nothing of the former connections goes on as if nothing had happened.
    for _ in range(2):
        with pytest.raises(OperationalError), database.transaction() as db:
            recovering(db)
    with database.transaction() as db:
        assert recovering(db)
    assert database.may_recover
    database.close()


def test_the_line_compares_itself_with_scm_after_a_failover_behind_it(
    pair: Pair, bouncer: Bouncer, vhost: str, simulator: Simulator
) -> None:
    with all_parts(bouncer.url, vhost, simulator) as stage:
        for _ in range(ORDERS):
            stage.place()
        until(lambda: not stage.open_orders(), 120)

        fail_over(pair, bouncer)
        for _ in range(ORDERS):
            placed(stage)

        with stage.plant.database.transaction() as db:
            assert noticed_at(db) is not None
        assert stage.finish(timeout=180) == []


def placed(stage: Stage) -> Command:
    """Place an order, once the connections to the former server are given up."""
    while True:
        with suppress(DBAPIError):
            return stage.place()
        stage.names.pop()  # nothing was stored

"""Fault tests of certline through PgBouncer in transaction mode: every part works, and no session is relied on."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests
from sqlalchemy import text

from certline.models import Database
from certline.simulator.server import Simulator
from tests.faults.harness.scenario import Stage
from tests.servers.pgbouncer import NoBouncerError, open_bouncer
from tests.support.deployment import Plant
from tests.support.forkserver import nursery

pytestmark = pytest.mark.slow


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
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 50}, timeout=30)
    past = {"CERTLINE_DATABASE_DIRECT_URL": database_url} if is_direct else {}
    with Plant(bouncer_url, vhost, **past) as plant:
        stage = Stage(nursery(), plant, vhost, simulator)
        try:
            stage.add_account()
            for part in ("relay", "producer", "ingress", "worker"):
                stage.start(part)
            stage.until_well()
            for _ in range(10):
                stage.place()
            plant.order(stage.new_name())

            assert ("relay.not_woken" in stage.output_of("relay")) is not is_direct
            assert stage.finish() == []
        finally:
            stage.stop_parts()

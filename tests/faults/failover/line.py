"""A line on a primary and its standby: the database with two hosts, and all parts at work."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from certline.simulator.server import Simulator
from tests.conftest import migrate
from tests.faults.harness.scenario import Stage
from tests.servers import session
from tests.servers.replication import Pair
from tests.support.deployment import Plant
from tests.support.forkserver import nursery


def url_of_both(pair: Pair) -> str:
    """Return the URL of a migrated database with two hosts."""
    name = session.name()
    pair.primary.ask(f'CREATE DATABASE "{name}"')
    url = pair.url(name)
    migrate(url)
    return url


@contextmanager
def all_parts(
    database_url: str, vhost: str, simulator: Simulator, **settings: str
) -> Iterator[Stage]:
    """Yield a stage with all its processes."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 50}, timeout=30)
    # After a failover the line compares itself with SCM before it orders on, once the settle time has passed.
    with Plant(database_url, vhost, CERTLINE_SETTLE_SECONDS="10", **settings) as plant:
        stage = Stage(nursery(), plant, vhost, simulator)
        try:
            stage.add_account()
            for part in ("relay", "producer", "ingress", "worker"):
                stage.start(part)
            stage.until_well()
            yield stage
        finally:
            stage.stop_parts()

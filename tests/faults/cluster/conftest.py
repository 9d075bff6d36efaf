"""Fixtures of the tests with a cluster: three nodes, and a line on a vhost of its own."""

from collections.abc import Iterator

import pytest

from certline.simulator.server import Simulator
from tests.faults.cluster.line import ClusteredLine, line_on
from tests.servers.cluster import RabbitCluster, open_cluster


@pytest.fixture(scope="package")
def cluster() -> Iterator[RabbitCluster]:
    """Yield a cluster of three nodes."""
    with open_cluster() as cluster:
        yield cluster


@pytest.fixture
def line(
    cluster: RabbitCluster, database_url: str, simulator: Simulator
) -> Iterator[ClusteredLine]:
    """Yield a line on the cluster."""
    with line_on(cluster, database_url, simulator) as line:
        yield line

"""Fixtures of the tests that need Prometheus."""

import pytest

from tests.servers.discovery import this_machine
from tests.servers.runtimes import PROMETHEUS, is_fault, missing


@pytest.fixture(scope="session")
def prometheus_programs() -> None:
    """Make the test fail on CI, and skip elsewhere with what to install, if Prometheus is missing."""
    lacks = missing(PROMETHEUS)
    if lacks is not None:
        give_up = pytest.fail if is_fault(PROMETHEUS, this_machine()) else pytest.skip
        give_up(f"The alerts and the dashboard are not tested: {lacks}")

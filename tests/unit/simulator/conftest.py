"""Fixtures: one simulator for all tests of this folder, reset before each."""

from collections.abc import Iterator

import pytest

from certline.simulator.server import Simulator, running
from tests.unit.simulator.customer import Customer


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """Yield a simulator whose CA never issues automatically: tests decide when."""
    with running(issue_after_ms=3_600_000) as started:
        yield started


@pytest.fixture
def scm(simulator: Simulator) -> Customer:
    """Return a customer of an SCM without orders."""
    customer = Customer(simulator)
    assert customer.door("POST", "/reset").status_code == 204
    return customer

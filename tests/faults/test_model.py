"""Model tests: every sequence of deliveries, duplicates, crashes, late responses, checks and decisions ends in one
order.

The steps are certline's own, on a real Postgres; SCM is a model, so that thousands of histories fit.
"""

import os
from collections.abc import Callable, Iterator
from typing import cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from certline.models import Database
from tests.faults.model.histories import Histories

pytestmark = pytest.mark.slow


@pytest.fixture
def machine(database_url: str) -> Iterator[Callable[[], Histories]]:
    """Yield a factory of histories, which share one database."""
    database = Database(database_url, pool_size=2)
    yield lambda: Histories(database)
    database.close()


def test_whatever_happens_one_intent_is_one_order(machine: Callable[[], Histories]) -> None:
    run_state_machine_as_test(
        cast("type[Histories]", machine),
        settings=settings(
            max_examples=int(os.environ.get("CERTLINE_TEST_HISTORIES", "30")),
            stateful_step_count=30,
            derandomize="CERTLINE_TEST_HISTORIES" not in os.environ,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )

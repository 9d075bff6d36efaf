"""Fault tests of a slow response from SCM, with a time limit on the worker."""

from collections.abc import Callable

import dramatiq
import pytest
import requests
from dramatiq.middleware import TimeLimit

from certline.simulator.server import Simulator
from tests.faults.broker.stage import PATIENCE, Kind, Stage
from tests.servers import until

ENROLL = "POST /ssl/v1/enroll"


@pytest.mark.parametrize(("kind", "posts", "kept"), [(Kind.STOCK, 2, 0), (Kind.OURS, 1, 1)])
def test_a_late_answer_is_thrown_away_on_stock_and_asked_for_again_and_kept_on_ours(
    stage_of: Callable[[Kind], Stage], simulator: Simulator, kind: Kind, posts: int, kept: int
) -> None:
    stage = stage_of(kind)
    answers: list[int] = []

    def call() -> None:
        answers.append(requests.post(f"{simulator.url}/ssl/v1/enroll", timeout=30).status_code)

    declare = dramatiq.actor(
        queue_name=stage.queue, max_retries=1, min_backoff=1, broker=stage.broker
    )
    order: dramatiq.Actor[[], None] = declare(call)
    shorten_limits(stage.broker)
    slow = [{"method": "POST", "path": "", "times": None, "kind": "delay", "delay_ms": 3000}]
    requests.post(f"{simulator.door}/faults", json=slow, timeout=30).raise_for_status()
    order.send()

    with stage.working():
        until(lambda: asked(simulator) == posts, PATIENCE)

    assert asked(simulator) == posts
    assert len(answers) == kept


def shorten_limits(broker: dramatiq.Broker) -> None:
    """Set a time limit, where there is one, to a second; stock's ten minutes are too long for a test."""
    for middleware in broker.middleware:
        if isinstance(middleware, TimeLimit):
            middleware.time_limit = 1000
            middleware.manager.interval = 0.1  # type: ignore[union-attr]  # no gevent here
    broker.emit_after("process_boot")  # as Dramatiq's CLI does; it starts the timer thread


def asked(simulator: Simulator) -> int:
    """Return how many orders SCM has received."""
    counts: dict[str, int] = requests.get(f"{simulator.door}/calls", timeout=30).json()
    return counts.get(ENROLL, 0)

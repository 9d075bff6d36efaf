"""Fault tests of a failed actor whose retry RabbitMQ refuses to accept."""

from collections.abc import Callable

import pytest
from dramatiq.common import dq_name

from tests.faults.broker.stage import Kind, Left, Stage, channel_to


@pytest.mark.parametrize(("kind", "left"), [(Kind.STOCK, Left()), (Kind.OURS, Left(dead=["A"]))])
def test_a_failure_whose_retry_is_refused_is_lost_on_stock_and_a_dead_letter_on_ours(
    stage_of: Callable[[Kind], Stage], kind: Kind, left: Left
) -> None:
    stage = stage_of(kind)
    stage.act = fail
    refuse_delays(stage)
    stage.publish("A")

    with stage.working():
        stage.has_run("A")

    assert stage.left(at_least=len(left)) == left
    assert stage.ran == ["A"]


@pytest.mark.parametrize("kind", list(Kind))
def test_a_failure_whose_retry_is_taken_is_delayed_by_both(
    stage_of: Callable[[Kind], Stage], kind: Kind
) -> None:
    stage = stage_of(kind)
    stage.act = fail
    stage.publish("A")

    with stage.working():
        stage.has_run("A")

    assert stage.left(at_least=1) == Left(delayed=["A"])


def fail(name: str) -> None:
    """Raise, as the body of the actor."""
    raise RuntimeError(name)


def refuse_delays(stage: Stage) -> None:
    """Replace the delay queue by one that rejects every publish; the broker doesn't declare it again."""
    delays = dq_name(stage.queue)
    with channel_to(stage.url) as channel:
        channel.queue_delete(delays)
        full = {"x-max-length": 0, "x-overflow": "reject-publish"}
        channel.queue_declare(delays, durable=True, arguments=full)

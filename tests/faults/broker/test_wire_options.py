"""Fault tests of messages from outside that carry more options than the actor to run."""

import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest

from tests.faults.broker.stage import Kind, Left, Stage, ids


@pytest.mark.parametrize(
    ("option", "fails"), [("pipe_target", False), ("on_success", False), ("on_failure", True)]
)
@pytest.mark.parametrize(("kind", "called"), [(Kind.STOCK, 1), (Kind.OURS, 0)])
def test_an_option_calls_another_actor_on_stock_and_none_on_ours(
    stage_of: Callable[[Kind], Stage],
    kind: Kind,
    called: int,
    option: str,
    fails: bool,
) -> None:
    stage = stage_of(kind)
    other = f"{stage.queue}.other"
    revoke = dramatiq.actor(actor_name="revoke", queue_name=other, broker=stage.broker)(ignore)
    stage.broker.declare_queue(other, ensure=True)
    if fails:
        stage.act = fail
    target = revoke.message("everything").asdict() if option == "pipe_target" else "revoke"
    stage.publish("A", options={option: target})

    with stage.working():
        stage.has_run("A")

    assert len(ids(stage.url, other)) == called


@pytest.mark.parametrize(
    "options", [{"max_retries": "abc"}, {"retries": "9"}, {"throws": "X"}], ids=str
)
@pytest.mark.parametrize(("kind", "left"), [(Kind.STOCK, Left()), (Kind.OURS, Left(delayed=["A"]))])
def test_an_option_of_the_wrong_type_loses_a_failure_on_stock_and_it_is_tried_again_on_ours(
    stage_of: Callable[[Kind], Stage],
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    left: Left,
    options: dict[str, Any],
) -> None:
    killed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", killed.append)
    stage = stage_of(kind)
    stage.act = fail
    stage.publish("A", options=options)

    with stage.working():
        stage.has_run("A")

    assert stage.left(at_least=len(left)) == left
    assert len(killed) == (kind is Kind.STOCK and "throws" in options)  # it kills its thread


def ignore(*_: Any) -> None:
    """Do nothing, as the other actor."""


def fail(name: str) -> None:
    """Raise, as the body of the actor."""
    raise RuntimeError(name)

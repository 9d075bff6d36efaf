"""Fault tests of a malformed message from outside, with a good message waiting behind it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.broker.stage import PATIENCE, Kind, Left, Stage
from tests.servers import until

# A consumer that has taken the same message this often is in an endless loop.
FOR_EVER = 4

STALLING = [{"options": None}, {"actor_name": ["note"]}]


@pytest.mark.parametrize("fields", STALLING, ids=str)
def test_a_malformed_message_stalls_a_stock_queue(
    stage_of: Callable[[Kind], Stage], caplog: pytest.LogCaptureFixture, fields: dict[str, Any]
) -> None:
    stage = stage_of(Kind.STOCK)
    stage.publish("bad", **fields)
    stage.publish("good")

    with stage.working():
        fault = "Consumer encountered an unexpected error."
        until(lambda: caplog.messages.count(fault) >= FOR_EVER, PATIENCE)

    assert stage.ran == []
    assert stage.left(at_least=2) == Left(waiting=["bad", "good"])


@pytest.mark.parametrize(
    "fields",
    [*STALLING, {"options": []}, {"message_timestamp": "now"}, {"kwargs": None}],
    ids=str,
)
def test_a_malformed_message_is_a_dead_letter_of_ours_and_the_good_one_behind_it_runs(
    stage_of: Callable[[Kind], Stage], fields: dict[str, Any]
) -> None:
    stage = stage_of(Kind.OURS)
    stage.publish("bad", **fields)
    stage.publish("good")

    with stage.working() as worker:
        stage.has_run("good")
        assert all(thread.is_alive() for thread in [*worker.workers, *worker.consumers.values()])

    assert stage.ran == ["good"]
    assert stage.left(at_least=1) == Left(dead=["bad"])


def test_a_message_that_names_another_queue_kills_a_stock_thread(
    stage_of: Callable[[Kind], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", killed.append)
    stage = stage_of(Kind.STOCK)
    stage.publish("bad", queue_name="elsewhere")
    stage.publish("good")

    with stage.working() as worker:
        until(lambda: not worker.workers[0].is_alive(), PATIENCE)
        assert worker.consumers[
            stage.queue
        ].is_alive()  # it looks healthy, and goes on taking messages

    assert [thread.exc_type for thread in killed] == [KeyError]
    assert stage.ran == ["bad"]
    assert stage.left(at_least=2) == Left(waiting=["bad", "good"])


def test_a_message_that_names_another_queue_runs_on_ours_and_so_does_the_good_one_behind_it(
    stage_of: Callable[[Kind], Stage],
) -> None:
    stage = stage_of(Kind.OURS)
    stage.publish("bad", queue_name="elsewhere")
    stage.publish("good")

    with stage.working() as worker:
        stage.has_run("bad", "good")
        assert worker.workers[0].is_alive()

    assert stage.ran == ["bad", "good"]
    assert stage.left() == Left()

"""Tests of the log entries of steps: an order can be followed by them, and each entry says what it is about."""

import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.integration.workers.conftest import Bench


def entries(bench: Bench, command_id: str) -> list[EventDict]:
    """Run an order's steps until its certificate is stored. Returns what they log."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as said:
        bench.run(command_id)
        for _ in range(5):
            bench.make_due()
            bench.run_due()
    return said


def test_an_order_is_followed_through_its_steps_by_its_id(bench: Bench) -> None:
    command = bench.place()

    said = entries(bench, command.id)

    order = bench.order(command)
    steps = [each for each in said if each["event"] in ("step.done", "step.later")]
    assert {each["step"] for each in steps} == {"order", "poll"}
    for each in steps:
        assert each["order"] == order.id
        assert each["common_name"] == order.common_name
        assert each["account"]
        assert each["seconds"] >= 0
    # Polls and fetches have command ids of their own.
    assert {each.get("correlation", each["command"]) for each in steps} == {command.id}


def test_a_failed_step_is_logged_once_and_the_next_step_has_no_name_of_it(bench: Bench) -> None:
    command = bench.place()
    bench.run(command.id)
    bench.fault("GET", r"/ssl/v1/\d+$", "status", times=1, status=400, body='{"code": -3}')

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as said:
        bench.make_due()
        bench.run_due()
        structlog.get_logger().info("another.thing")

    assert [each["event"] for each in said].count("step.failed") == 1
    assert "order" not in said[-1]

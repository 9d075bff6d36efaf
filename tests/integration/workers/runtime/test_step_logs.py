"""Tests of the log entries of steps: an order can be followed by them, and each entry says what it is about."""

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from certline.models.lifecycle.moves import send_to_review
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


def test_every_entry_of_a_step_has_its_command_whatever_goes_wrong(bench: Bench) -> None:
    command = bench.place()
    bench.fault("POST", r"/ssl/v1/enroll$", "status", times=1, status=503)
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as said:
        bench.run(command.id)
        for _ in range(3):
            bench.make_due()
            bench.run_due()

    assert said
    assert [each for each in said if not each.get("command")] == []


def test_a_failed_attempt_is_a_warning_and_patience_is_none(bench: Bench) -> None:
    command = bench.place()
    bench.run(command.id)
    bench.fault("GET", r"/ssl/v1/\d+$", "status", times=1, status=503)

    with capture_logs() as said:
        bench.make_due()
        bench.run_due()

    levels = [each["log_level"] for each in said if each["event"] == "step.later"]
    assert levels == ["warning"]


def test_a_refused_login_is_an_error_and_only_once(bench: Bench) -> None:
    commands = [bench.place(common_name=f"h{number}.nordhafen.example") for number in range(2)]
    bench.fault("POST", r"/ssl/v1/enroll$", "status", times=1, status=401)

    with capture_logs() as said:
        for command in commands:
            bench.run(command.id)

    levels = [each["log_level"] for each in said if each["event"] == "step.suspended"]
    assert levels == ["error"]


def test_an_order_in_review_is_an_error_with_its_id(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    command = bench.place()
    bench.run(command.id)

    with bench.database.transaction() as db:
        send_to_review(db, bench.order(command).id, "two records look like it")

    [entry] = [each for each in caplog.records if each.getMessage() == "order.review"]
    assert entry.levelname == "ERROR"
    assert entry.__dict__["order"] == bench.order(command).id
    assert entry.__dict__["why"] == "two records look like it"

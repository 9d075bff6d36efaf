"""Tests that nothing tears a trace: a redelivery, a crash, a wait, a retry, a lost message."""

from dataclasses import replace
from datetime import timedelta
from unittest import mock

import pytest
from sqlalchemy import select

from certline.models import Command, CommandStatus
from certline.models.audit.identity import Identity
from certline.producers.requests.commands import retry
from certline.producers.schedule import run_now
from certline.workers.runtime.step import run
from certline.workers.steps import order as order_step
from tests.integration.workers.tracing.conftest import OUTSIDE, TRACE, Line
from tests.support.recorded_spans import above, facts, id_of_span, recorded_spans, trace_of


class CrashError(BaseException):
    """What ends a worker in the middle of a step."""


def test_a_redelivery_of_the_outside_message_does_not_tear_the_trace(line: Line) -> None:
    with recorded_spans() as recorded:
        command = line.hear(traceparent=OUTSIDE)
        line.hear(traceparent=OUTSIDE, id=command)
        line.go_on_to_the_end()

    first, _ = recorded.named("receive order")
    assert above(recorded.one("step order")) == id_of_span(first)
    assert {trace_of(each) for each in recorded.spans} == {TRACE}


def test_a_redelivered_wake_up_is_a_further_span_under_the_same_parent(line: Line) -> None:
    with recorded_spans() as recorded:
        command = line.hear(traceparent=OUTSIDE)
        line.bench.run(command)
        line.bench.run(command)

    first, again = recorded.named("step order")
    assert above(first) == above(again) == id_of_span(recorded.one("receive order"))


def test_a_step_whose_worker_dies_is_a_further_span_under_the_same_parent(line: Line) -> None:
    command = line.hear(traceparent=OUTSIDE)
    with recorded_spans() as recorded:
        broken = replace(order_step.STEP, work=mock.Mock(side_effect=CrashError))
        with pytest.raises(CrashError):
            run(line.bench.line, broken, command)
        assert line.bench.command(command).status is CommandStatus.RUNNING
        line.go_on_to_the_end()
        line.bench.run(command)  # redelivered by RabbitMQ, as nobody has acked it
        line.go_on_to_the_end()

    crashed, again = recorded.named("step order")
    assert (above(crashed), above(again)) == (OUTSIDE[36:52], OUTSIDE[36:52])
    assert facts(crashed)["error.type"] == "CrashError"
    assert facts(crashed)["certline.outcome"] == "crashed"
    assert (facts(crashed)["certline.restarts"], facts(again)["certline.restarts"]) == (0, 1)
    assert {trace_of(each) for each in recorded.spans} == {TRACE}


def test_a_postponed_command_goes_on_in_its_trace(line: Line) -> None:
    line.bench.fault("POST", "enroll", "status", status=429, retry_after=1)
    with recorded_spans() as recorded:
        line.hear(traceparent=OUTSIDE)
        line.go_on_to_the_end()

    later, *_, done = recorded.named("step order")
    assert (facts(later)["certline.outcome"], facts(done)["certline.outcome"]) == ("later", "done")
    assert {above(each) for each in recorded.named("step order")} == {above(later)}
    refused = recorded.named("scm enroll")[0]
    assert facts(refused)["certline.outcome"] == "throttled"
    assert facts(refused)["http.response.status_code"] == 429
    assert {trace_of(each) for each in recorded.spans} == {TRACE}


def test_a_step_whose_message_was_lost_is_begun_again_in_the_orders_trace(line: Line) -> None:
    command = line.hear(traceparent=OUTSIDE)
    line.bench.run(command)
    with line.bench.database.transaction() as db:
        for step in db.scalars(select(Command).where(Command.correlation_id == command)):
            if step.id != command:
                db.delete(step)
    with recorded_spans() as recorded:
        run_now(line.bench.database, "sweep", timedelta(0), requested_by=Identity("os:anna"))
        line.go_on_to_the_end()

    assert {trace_of(each) for each in recorded.named("step poll")} == {TRACE}


def test_a_command_that_a_user_retries_stays_in_its_trace(line: Line) -> None:
    command = line.hear(traceparent=OUTSIDE, organization="Nowhere")
    assert line.bench.run(command).status is CommandStatus.FAILED
    with recorded_spans() as recorded:
        retry(line.bench.database, line.bench.command(command), requested_by=Identity("os:anna"))
        line.go_on()

    assert {trace_of(each) for each in recorded.spans if each.name.startswith("step")} == {TRACE}


def test_a_command_of_an_earlier_version_runs_in_a_trace_of_its_own(line: Line) -> None:
    command = line.bench.place()
    with line.bench.database.transaction() as db:
        db.get_one(Command, command.id).traceparent = None
    with recorded_spans() as recorded:
        line.bench.run(command.id)

    assert above(recorded.one("step order")) is None

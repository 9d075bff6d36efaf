"""Tests that one order is one trace, from the message that asked for it to whoever is told in the end."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import select

from certline.models import Certificate, Command, CommandType, Hook, License, Outbox
from certline.models.audit.identity import Identity
from certline.models.events.outbox import EVENTS
from certline.producers.requests.webhooks import add_webhook
from certline.producers.schedule import run_now
from tests.integration.webhooks.receivers import TAKEN
from tests.integration.workers.deploying.certificates import script
from tests.integration.workers.tracing.conftest import OUTSIDE, SPAN, TRACE, Line
from tests.support.recorded_spans import above, facts, id_of_span, recorded_spans, trace_of
from tests.unit.scm.odd_server import OddServer

ANNA = Identity("os:anna")


def traceparents(line: Line) -> dict[str, str]:
    """Return the traceparent of each event by its type."""
    with line.bench.database.transaction() as db:
        rows = db.scalars(select(Outbox).where(Outbox.exchange == EVENTS).order_by(Outbox.id))
        return {row.routing_key: row.body.get("traceparent", "") for row in rows}


def commands_about(line: Line, command_id: str) -> list[Command]:
    """Return the commands that follow from one, with itself."""
    with line.bench.database.transaction() as db:
        query = select(Command).where(Command.correlation_id == command_id)
        return list(db.scalars(query.order_by(Command.created_at)))


def test_an_order_is_one_trace_from_the_message_to_hook_and_webhook(
    line: Line, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    hooked(command=script(tmp_path, f'echo "$TRACEPARENT" > {tmp_path}/trace'))
    with OddServer([TAKEN] * 5) as receiver:
        with recorded_spans() as recorded:
            add_webhook(
                line.bench.database,
                line.bench.line.vault,
                receiver.url,
                ("certificate.stored",),
                allow_private=True,
                who=ANNA,
            )
            command = line.hear(traceparent=OUTSIDE)
            line.go_on_to_the_end()
        [posted] = receiver.seen

    ours = recorded.in_trace(TRACE)
    assert {trace_of(each) for each in recorded.spans if each.name != "step sync"} == {TRACE}
    assert {
        *("receive order", "publish certline.order", "step order", "scm enroll", "step poll"),
        *("publish certificate.stored", "step hook", "hook run", "step webhook", "webhook post"),
    } <= {each.name for each in ours}
    # No span hangs in the air: each is below another one, or below what the sender named.
    assert {above(each) for each in ours} <= {id_of_span(each) for each in ours} | {SPAN}
    received, ordered = recorded.one("receive order"), recorded.one("step order")
    assert above(received) == SPAN
    assert above(ordered) == id_of_span(received)
    assert facts(ordered) | {
        "certline.command.id": command,
        "certline.step": "order",
        "certline.queue": "certline.order",
        "certline.attempt": 1,
        "certline.outcome": "done",
    } == facts(ordered)
    enrol = recorded.one("scm enroll")
    assert above(enrol) == id_of_span(ordered)
    assert facts(enrol) == {
        "certline.scm.operation": "enroll",
        "certline.outcome": "ok",
        "http.response.status_code": 200,
    }
    assert all(facts(each)["certline.order.id"] for each in recorded.named("step poll"))
    hook, post = recorded.one("hook run"), recorded.one("webhook post")
    assert (tmp_path / "trace").read_text().strip() == f"00-{TRACE}-{id_of_span(hook)}-01"
    assert posted.headers["traceparent"] == f"00-{TRACE}-{id_of_span(post)}-01"
    assert facts(post)["http.response.status_code"] == 204


def test_without_opentelemetry_an_outside_trace_goes_on_all_the_same(
    line: Line, hooked: Callable[..., Hook], tmp_path: Path
) -> None:
    hooked(command=script(tmp_path, f'echo "$TRACEPARENT" > {tmp_path}/trace'))

    command = line.hear(traceparent=OUTSIDE)
    line.go_on_to_the_end()

    told = traceparents(line)
    assert {told[kind] for kind in ("order.placed", "order.pending", "certificate.stored")} == {
        OUTSIDE
    }
    followed = commands_about(line, command)
    assert {each.type for each in followed} == {
        *(CommandType.ORDER, CommandType.POLL, CommandType.HOOK)
    }
    assert {each.traceparent for each in followed} == {OUTSIDE}
    assert (tmp_path / "trace").read_text().strip() == OUTSIDE


def test_each_log_entry_of_a_step_has_the_trace_id(line: Line) -> None:
    line.hear(traceparent=OUTSIDE)
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as entries:
        line.go_on_to_the_end()

    done = [entry for entry in entries if entry["event"] == "step.done"]
    assert {entry["step"] for entry in done} >= {"order", "poll"}
    assert {entry["trace"] for entry in done} == {TRACE}
    assert "trace" not in structlog.contextvars.get_contextvars()


@pytest.mark.parametrize(
    ("attributes", "headers", "trace"),
    [
        ({}, {"traceparent": OUTSIDE}, TRACE),
        ({"traceparent": OUTSIDE}, {"traceparent": OUTSIDE.replace("4", "5")}, TRACE),
        ({"traceparent": "nonsense"}, {"traceparent": OUTSIDE}, TRACE),
    ],
    ids=["header", "attribute before header", "header in place of a malformed attribute"],
)
def test_the_trace_is_taken_from_attribute_or_header(
    line: Line, attributes: dict[str, str], headers: dict[str, str], trace: str
) -> None:
    command = line.hear(headers=headers, **attributes)

    assert line.bench.command(command).trace_id == trace


@pytest.mark.parametrize("malformed", ["nonsense", OUTSIDE.upper(), 7, {"a": 1}, ["a"], "x" * 9000])
def test_a_malformed_traceparent_is_no_error_and_another_trace_begins(
    line: Line, malformed: object
) -> None:
    command = line.hear(traceparent=malformed, headers={"traceparent": malformed})

    trace_id = line.bench.command(command).trace_id
    assert trace_id is not None
    assert len(trace_id) == 32
    assert trace_id != TRACE


def test_a_refused_message_is_answered_within_its_trace(line: Line) -> None:
    with recorded_spans() as recorded:
        line.hear(traceparent=OUTSIDE, source="not a URI")

    span = recorded.one("receive")
    assert (trace_of(span), above(span)) == (TRACE, SPAN)
    assert facts(span)["certline.outcome"] == "rejected"
    assert traceparents(line)["command.rejected"] == f"00-{TRACE}-{id_of_span(span)}-01"


def test_what_the_sender_does_not_record_is_not_recorded_here_either(line: Line) -> None:
    silent = OUTSIDE.removesuffix("01") + "00"
    with recorded_spans() as recorded:
        command = line.hear(traceparent=silent)
        line.go_on_to_the_end()

    assert recorded.in_trace(TRACE) == []
    assert line.bench.command(command).trace_id == TRACE
    assert traceparents(line)["certificate.stored"].endswith("-00")


def test_an_order_without_an_outside_trace_has_one_of_its_own(line: Line) -> None:
    command = line.bench.place()
    line.go_on_to_the_end()

    followed = commands_about(line, command.id)
    assert {each.trace_id for each in followed} == {command.trace_id}
    assert traceparents(line)["certificate.stored"] == command.traceparent
    assert command.trace_id is not None


def test_an_order_typed_where_nothing_is_recorded_is_recorded_by_the_worker(line: Line) -> None:
    command = line.bench.place()
    with recorded_spans() as recorded:
        line.go_on_to_the_end()

    step = recorded.one("step order")
    assert above(step) is None
    assert trace_of(step) == command.trace_id
    assert {trace_of(each) for each in recorded.spans} == {command.trace_id}


def test_two_orders_are_two_traces(line: Line) -> None:
    first, second = line.bench.place(), line.bench.place(common_name="b.nordhafen.example")

    assert first.trace_id != second.trace_id


def test_an_order_that_a_free_licence_releases_goes_on_in_its_own_trace(line: Line) -> None:
    with line.bench.database.transaction() as db:
        db.get_one(License, 1).capacity = 0
    command = line.hear(traceparent=OUTSIDE)
    line.go_on_to_the_end()
    with line.bench.database.transaction() as db:
        db.get_one(License, 1).capacity = 10
    with recorded_spans() as recorded:
        run_now(line.bench.database, "sweep", timedelta(0), requested_by=ANNA)
        line.go_on_to_the_end()

    fired = recorded.one("schedule sweep")
    assert above(fired) is None
    assert trace_of(fired) != TRACE
    assert {trace_of(each) for each in recorded.named("step fetch")} == {TRACE}
    assert line.bench.order(line.bench.command(command)).status == "stored"


def test_what_a_schedule_begins_is_below_its_firing(line: Line) -> None:
    with recorded_spans() as recorded:
        run_now(line.bench.database, "sync", timedelta(0), requested_by=ANNA)
        line.go_on_to_the_end()

    fired, step = recorded.one("schedule sync"), recorded.one("step sync")
    assert above(fired) is None
    assert facts(fired) == {"certline.syncs": 1}
    assert above(step) == id_of_span(fired)


def test_no_attribute_holds_a_name_a_text_or_a_secret(line: Line) -> None:
    with recorded_spans() as recorded:
        command = line.hear(traceparent=OUTSIDE)
        line.go_on_to_the_end()
    with line.bench.database.transaction() as db:
        certificate = db.scalars(select(Certificate)).one()

    values = {str(value) for each in recorded.spans for value in facts(each).values()}
    assert command in values
    assert not [each for each in values if "PRIVATE" in each or "secret" in each]
    assert certificate.common_name not in " ".join(values)

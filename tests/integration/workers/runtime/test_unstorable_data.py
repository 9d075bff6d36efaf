"""Tests that data which Postgres can never store end a command at once, with the reason and its event."""

from typing import Any

import pytest
from sqlalchemy import insert, select, text

from certline.models import Command, CommandStatus, CommandType, OrderStatus, Organization, Outbox
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import plain_step, run
from tests.integration.workers.conftest import Bench

ROW: dict[str, Any] = {"account_id": 1, "scm_id": 7, "name": "x", "synced_at": text("now()")}


def started(bench: Bench, values: dict[str, Any], kind: CommandType) -> Command:
    """Run a step once that stores these values, for a command that needs nothing. Returns the command."""

    def work(context: WorkerContext, _: Command) -> None:
        context.store(lambda db: db.execute(insert(Organization).values(ROW | values)))

    with bench.database.transaction() as db:
        command, _ = accept(db, kind, {}, requested_by=Identity("amqp:shop"), source="shop")
    run(bench.line, plain_step(kind, work), command.id)
    return bench.command(command.id)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": "a\0b"}, "NUL"),
        ({"scm_id": 2**40}, "integer out of range"),
        ({"name": None}, "null value"),
    ],
)
def test_what_can_never_be_stored_fails_at_once_and_is_told(
    bench: Bench, values: dict[str, Any], told: str
) -> None:
    command = started(bench, values, CommandType.SYNC)

    assert (command.status, command.attempts) == (CommandStatus.FAILED, 1)
    assert (command.error or "").startswith("what was read cannot be stored: ")
    assert told in (command.error or "")
    with bench.database.transaction() as db:
        failed = select(Outbox).where(Outbox.routing_key == "command.failed")
        (event,) = db.scalars(failed).all()
    assert event.body["data"]["error"] == command.error


def test_a_conflict_with_another_row_is_tried_again(bench: Bench) -> None:
    with bench.database.transaction() as db:
        taken = db.scalars(select(Organization.scm_id)).first()

    with pytest.raises(Exception, match="duplicate key"):
        started(bench, {"scm_id": taken, "account_id": bench.account().id}, CommandType.SYNC)


def test_an_order_whose_answer_cannot_be_stored_is_for_a_person(bench: Bench) -> None:
    command = bench.place()
    body = '{"sslId": 1099511627776, "renewId": "x"}'
    bench.fault("POST", "enroll", "status", status=200, body=body)

    ended = bench.run(command.id)

    assert (ended.status, ended.restarts) == (CommandStatus.REVIEW, 0)
    assert "integer out of range" in (ended.error or "")
    # SCM may have the order: reconciling looks it up.
    assert bench.order(command).status is OrderStatus.SENDING
    assert bench.calls("POST /ssl/v1/enroll") == 1


def test_a_payload_that_is_not_read_any_more_fails_at_once(bench: Bench) -> None:
    with bench.database.transaction() as db:
        command, _ = accept(
            db,
            CommandType.REVOKE,
            {"colour": "blue"},
            requested_by=Identity("amqp:shop"),
            source="shop",
        )

    ended = bench.run(command.id)

    assert (ended.status, ended.attempts) == (CommandStatus.FAILED, 1)
    assert "colour: there is no such field" in (ended.error or "")

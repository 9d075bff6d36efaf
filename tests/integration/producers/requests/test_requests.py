"""Tests that a request repeated by a user, or made while its work is in progress, takes effect once."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models import (
    Command,
    CommandStatus,
    CommandType,
    Database,
    Order,
    OrderStatus,
    Outbox,
)
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept, claim, finish
from certline.models.validation import BadCommandError
from certline.producers.requests.commands import retry
from certline.workers.steps.poll import poll_all
from tests.support.factories import an_order

STEPS = [CommandType.POLL, CommandType.FETCH, CommandType.RECONCILE]


def a_step(db: Session, order: Order, kind: CommandType = CommandType.POLL) -> Command:
    """Insert a step of an order in progress."""
    command, _ = accept(
        db, kind, {}, requested_by=Identity("os:ida"), source="cli", subject=order.id
    )
    return command


def messages(database: Database) -> int:
    """Count the messages written, sent or not."""
    with database.transaction() as db:
        return db.scalar(select(func.count()).select_from(Outbox)) or 0


@pytest.mark.parametrize("kind", STEPS)
def test_a_failed_step_is_not_tried_again_while_another_is_at_the_same(
    database: Database, kind: CommandType
) -> None:
    with database.transaction() as db:
        order = an_order(db, status=OrderStatus.PENDING)
        failed = a_step(db, order, kind)
        finish(db, failed, CommandStatus.FAILED, error="no")
    with database.transaction() as db:
        going = a_step(db, order, kind)

    with pytest.raises(BadCommandError, match=f"command {going.id} is doing the same already"):
        retry(database, failed, requested_by=Identity("os:ida"))


@pytest.mark.parametrize("kind", STEPS)
def test_a_failed_step_without_another_is_tried_again(
    database: Database, kind: CommandType
) -> None:
    with database.transaction() as db:
        failed = a_step(db, an_order(db, status=OrderStatus.PENDING), kind)
        finish(db, failed, CommandStatus.FAILED, error="no")

    assert retry(database, failed, requested_by=Identity("os:ida")).status is CommandStatus.QUEUED


def test_a_poll_that_runs_is_not_sent_again_for_that_would_count_as_a_restart(
    database: Database,
) -> None:
    with database.transaction() as db:
        order = an_order(db, status=OrderStatus.PENDING)
        poll = a_step(db, order)
    database.run(lambda db: claim(db, poll.id))
    before = messages(database)

    for _ in range(3):
        database.run(poll_all)

    assert messages(database) == before

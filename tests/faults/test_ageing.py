"""Tests that time on the stage passes for a step and its message together, whatever certline does meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from certline.models import Command, CommandType, Database, Outbox
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from tests.faults.harness.scenario import Stage

pytestmark = pytest.mark.slow


def test_a_step_that_is_written_meanwhile_is_never_due_after_its_message(
    stage: Stage, database_url: str
) -> None:
    steps: list[str] = []
    message = Outbox.body["kwargs"]["command_id"].astext
    with closing(Database(database_url)) as line:

        def write_a_step() -> None:
            with line.transaction() as db:
                step, _ = accept(
                    db,
                    CommandType.POLL,
                    {},
                    requested_by=Identity("os:test"),
                    source="certline",
                    subject=f"order {len(steps)}",
                    after=timedelta(minutes=1),
                )
                steps.append(step.id)

        with after_each_statement(stage.plant.database, write_a_step):
            stage.hasten()
            stage.age()

        assert steps
        with line.transaction() as db:
            for step in steps:
                due = db.scalars(select(Outbox.not_before).where(message == step)).one()
                assert due >= db.get_one(Command, step).not_before


@contextmanager
def after_each_statement(database: Database, happens: Callable[[], None]) -> Iterator[None]:
    """Call a function after each statement executed on this database."""

    def listen(*_: Any) -> None:
        happens()

    event.listen(database.engine, "after_cursor_execute", listen)
    yield
    event.remove(database.engine, "after_cursor_execute", listen)

"""The short form of `make faults`: every part is killed at random moments while mixed commands come."""

import pytest
from sqlalchemy import select

from models import Command, CommandStatus
from models.command import MOST_RESTARTS, finish
from models.payloads import SyncCommand
from producers.requests import request_sync
from tests.faults import random_kills
from tests.faults.stage import Stage


@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_is_killed_at_random_the_world_is_right_in_the_end(stage: Stage, seed: int) -> None:
    outcome = random_kills.run(stage, seed, commands=25)

    assert outcome.wrong == [], f"make faults SEED={seed} FAULTS='--commands 25'"
    assert outcome.died.total() >= 4, outcome.died


def test_a_command_that_was_stopped_is_tried_again_by_a_person(stage: Stage) -> None:
    (stopped,) = request_sync(stage.plant.database, SyncCommand(), requested_by="test")
    with stage.plant.database.transaction() as db:
        row = db.get_one(Command, stopped.id)
        row.restarts = MOST_RESTARTS + 1
        finish(db, row, CommandStatus.REVIEW, error="started 10 times without an end")

    assert random_kills.try_stopped_again(stage) == 1

    stage.start("worker")
    assert stage.finish() == []
    with stage.plant.database.transaction() as db:
        status = db.scalars(select(Command.status).where(Command.id == stopped.id)).one()
    assert status is CommandStatus.DONE

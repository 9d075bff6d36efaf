"""The short form of `make faults`: every process is killed at random moments while mixed commands arrive."""

import pytest
from sqlalchemy import update

from certline.models import Command, CommandStatus, OrderStatus
from certline.models.commands.command import MOST_RESTARTS
from certline.models.commands.payloads import SyncCommand
from certline.producers.requests.orders import request_sync
from tests.faults import random_kills
from tests.faults.stage import Stage


@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_is_killed_at_random_the_world_is_right_in_the_end(stage: Stage, seed: int) -> None:
    outcome = random_kills.run(stage, seed, commands=25)

    assert outcome.wrong == [], f"make faults SEED={seed} FAULTS='--commands 25'"
    assert outcome.died.total() >= 4, outcome.died


def test_what_ten_deaths_have_stopped_is_tried_again_by_a_person(stage: Stage) -> None:
    (sync,) = request_sync(stage.plant.database, SyncCommand(), requested_by="test")
    order = stage.place()
    with stage.plant.database.transaction() as db:
        died = update(Command).where(Command.id.in_([sync.id, order.id]))
        db.execute(died.values(status=CommandStatus.RUNNING, restarts=MOST_RESTARTS))
    for command in (sync, order):
        stage.run(command)
    assert stage.order(order).status is OrderStatus.REVIEW

    assert random_kills.try_stopped_again(stage) == 2

    stage.start("worker")
    assert stage.finish() == []
    with stage.plant.database.transaction() as db:
        assert db.get_one(Command, sync.id).status is CommandStatus.DONE
    assert stage.order(order).status is OrderStatus.STORED

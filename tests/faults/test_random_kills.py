"""The short form of `make faults`: every process is killed at random moments while mixed commands arrive."""

import pytest
from sqlalchemy import update

from certline.models import Command, CommandStatus, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.command import MOST_RESTARTS
from certline.models.commands.payloads import SyncCommand
from certline.producers.requests.catalogue import request_sync
from tests.faults.harness.scenario import Stage
from tests.faults.random import kills

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_is_killed_at_random_the_world_is_right_in_the_end(stage: Stage, seed: int) -> None:
    outcome = kills.run(stage, seed, commands=25)

    assert outcome.wrong == [], f"make faults SEED={seed} FAULTS='--commands 25'"
    assert outcome.died.total() >= 4, outcome.died


def test_what_ten_deaths_have_stopped_is_tried_again_by_a_person(stage: Stage) -> None:
    (sync,) = request_sync(stage.plant.database, SyncCommand(), requested_by=Identity("os:test"))
    order = stage.place()
    with stage.plant.database.transaction() as db:
        died = update(Command).where(Command.id.in_([sync.id, order.id]))
        db.execute(died.values(status=CommandStatus.RUNNING, restarts=MOST_RESTARTS))
    for command in (sync, order):
        stage.run(command)
    assert stage.order(order).status is OrderStatus.REVIEW

    assert kills.try_stopped_again(stage) == 2

    stage.start("worker")
    assert stage.finish() == []
    with stage.plant.database.transaction() as db:
        assert db.get_one(Command, sync.id).status is CommandStatus.DONE
    assert stage.order(order).status is OrderStatus.STORED

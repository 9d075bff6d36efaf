"""Fault test that a revocation never waits behind bulk work, shown by the order of events over RabbitMQ."""

from typing import Any

import pytest
import requests
from sqlalchemy import ColumnElement, func, select

from certline.models import Certificate, Command, CommandStatus, CommandType
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.commands.payloads import RevokeCommand
from certline.models.imports.record import ImportRecord, RecordStatus
from certline.producers.requests.certificates import request_revocation
from tests.servers import until
from tests.support.deployment import Plant

pytestmark = pytest.mark.slow

# Orders to be imported, in as many commands as needed (1,000 may be named in each). SCM hangs at the first
# of them for as long as the test lasts, in a worker's thread; the rest waits.
MANY, NAMED = 10_000, 1_000
FIRST = 50_000_000  # sslIds that don't exist
HANGS = 60_000  # milliseconds


@pytest.fixture
def plant(database_url: str, vhost: str, simulator: Any) -> Any:
    """Yield a plant of one worker process with two threads."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 0}, timeout=30)
    with Plant(database_url, vhost) as plant:
        plant.start("worker", "--threads", "2")
        plant.start("relay")
        plant.add_account(simulator.url)
        yield plant


def test_a_revocation_is_done_while_an_import_of_ten_thousand_is_under_way(
    plant: Plant, simulator: Any
) -> None:
    ordered = plant.place("www.nordhafen.example")
    until(lambda: done(plant, ordered), 60)
    fault = {"method": "GET", "path": f"/ssl/v1/{FIRST // 1_000_000}", "kind": "delay"}
    posted = requests.post(
        f"{simulator.door}/faults", json=[fault | {"delay_ms": HANGS, "times": MANY}], timeout=30
    )
    posted.raise_for_status()
    with plant.database.transaction() as db:
        for first in range(FIRST, FIRST + MANY, NAMED):
            payload = {"account": "demo", "order": list(range(first, first + NAMED))}
            accept(db, CommandType.IMPORT, payload, requested_by=Identity("os:ida"), source="cli")
    until(lambda: batches(plant, Command.status == CommandStatus.RUNNING) > 0, 60)
    with plant.database.transaction() as db:
        certificate = db.scalars(select(Certificate)).one()

    wanted = RevokeCommand(certificate=certificate.id, comments="key was copied")
    asked = request_revocation(plant.database, wanted, requested_by=Identity("os:ida")).command

    until(lambda: done(plant, asked), 50)
    assert revoked_at_scm(simulator)
    # No record has been read meanwhile, successfully or not.
    with plant.database.transaction() as db:
        settled = ImportRecord.status != RecordStatus.WAITING
        assert db.scalar(select(func.count()).select_from(ImportRecord).where(settled)) == 0
    assert batches(plant, Command.status == CommandStatus.DONE) == 0
    assert batches(plant, Command.error.is_not(None)) == 0


def done(plant: Plant, command: Command) -> bool:
    with plant.database.transaction() as db:
        return db.get_one(Command, command.id).status is CommandStatus.DONE


def batches(plant: Plant, which: ColumnElement[bool]) -> int:
    query = select(func.count()).where(Command.type == CommandType.IMPORT_BATCH, which)
    with plant.database.transaction() as db:
        return db.scalar(query) or 0


def revoked_at_scm(simulator: Any) -> bool:
    held = requests.get(f"{simulator.door}/orders", timeout=30).json()
    return [each["status"] for each in held] == ["Revoked"]

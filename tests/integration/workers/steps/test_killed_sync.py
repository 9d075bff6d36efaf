"""Tests of a killed sync: it leaves the last complete state, and the next delivery completes it."""

import pytest
from sqlalchemy import select, text

from certline.models import CommandStatus, CommandType, Database, Domain
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import SyncCommand
from certline.producers.requests.catalogue import request_sync
from tests.integration.workers.conftest import Bench
from tests.integration.workers.steps.test_syncing import at_scm
from tests.servers import until
from tests.support.step_process import begin, stepping

WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)

Picture = dict[str, tuple[str | None, bool]]


def picture(database: Database) -> Picture:
    """Return {domain: (state, whether it is gone)}."""
    with database.transaction() as db:
        return {
            row.name: (row.state, row.gone_at is not None) for row in db.scalars(select(Domain))
        }


def change_at_scm(bench: Bench) -> Picture:
    """Add one domain, delete one, suspend one. Returns the picture to be expected."""
    delegation = {"orgId": 9301, "certTypes": ["SSL"]}
    at_scm(bench, "POST", "/domain/v1", name="floe.example", delegations=[delegation])
    at_scm(bench, "DELETE", "/domain/v1/40263")
    at_scm(bench, "PUT", "/domain/v1/40253/suspend")
    return picture(bench.database) | {
        "floe.example": ("ACTIVE", False),
        "radiology.example": ("ACTIVE", True),
        "press.example": ("SUSPENDED", False),
    }


def someone_waits(database: Database) -> bool:
    with database.transaction() as db:
        return bool(db.scalar(WAITING))


@pytest.mark.parametrize("moment", ["while it reads", "while it stores"])
def test_a_killed_sync_leaves_the_last_complete_picture(bench: Bench, moment: str) -> None:
    before = picture(bench.database)
    after = change_at_scm(bench)
    wanted = SyncCommand(resources=["domains"])
    (command,) = request_sync(bench.database, wanted, requested_by=Identity("os:test"))
    asked = bench.calls("GET /domain/v1/{id}")
    process = stepping(bench.database.url, bench.secret_key, CommandType.SYNC, [command.id])

    if moment == "while it reads":
        bench.fault("GET", "/domain/v1/40282$", "delay", delay_ms=60_000)
        with process as worker:
            begin(worker)
            until(lambda: bench.calls("GET /domain/v1/{id}") >= asked + 15, 60)
            worker.kill()
            worker.wait(30)
    else:
        with bench.database.transaction() as db:
            # Everything written before it reaches this row is rolled back with it.
            db.scalars(select(Domain).where(Domain.scm_id == 40263).with_for_update()).one()
            with process as worker:
                begin(worker)
                until(lambda: someone_waits(bench.database), 60)
                worker.kill()
                worker.wait(30)
    assert picture(bench.database) == before
    assert bench.command(command.id).status is CommandStatus.RUNNING

    assert bench.run(command.id).status is CommandStatus.DONE
    assert picture(bench.database) == after

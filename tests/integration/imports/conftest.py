"""Bench at a simulator that already holds a fleet; the test delivers each message itself."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select

from certline.models import (
    Base,
    Certificate,
    Command,
    CommandStatus,
    CommandType,
    CustomField,
    Database,
    Domain,
    ImportRecord,
    Order,
    Organization,
    Outbox,
    Profile,
)
from certline.models.audit.identity import Identity
from certline.models.commands.command import OPEN
from certline.models.commands.payloads import ImportCommand
from certline.models.database.bulk import add_rows
from certline.producers.requests.imports import request_import
from certline.simulator.server import Simulator, running
from tests.integration.cli.conftest import typist
from tests.integration.workers.conftest import Bench
from tests.unit.simulator.customer import LOGIN, SHOP, csr, order

__all__ = ["Estate", "typist"]

# Orders at the start, at least one in each status; 31 of them are issued.
FLEET = 50
DETAILS, COLLECT = "GET /ssl/v1/{sslId}", "GET /ssl/v1/collect/{sslId}"
LIST = "GET /ssl/v1"


class Estate(Bench):
    """A bench for imports."""

    def ask(self, **wanted: Any) -> Command:
        """Request an import."""
        asked = ImportCommand(**wanted)
        return request_import(self.database, asked, requested_by=Identity("os:ida")).command

    def take_in(self, **wanted: Any) -> dict[str, Any]:
        """Request an import and finish it. Returns its result."""
        return self.finish(self.ask(**wanted))

    def finish(self, command: Command) -> dict[str, Any]:
        """Run an import to its end, through all of its waits. Returns its result."""
        for _ in range(40):
            if self.command(command.id).status not in OPEN:
                break
            if not self.run_kinds(CommandType.IMPORT, CommandType.IMPORT_BATCH):
                self.make_due()
        ended = self.command(command.id)
        assert ended.status is CommandStatus.DONE, ended.error
        return ended.result or {}

    def run_kinds(self, *kinds: CommandType) -> int:
        """Deliver the message of every due command of these kinds. Returns how many there were."""
        due = [each for each in self.due() if each.type in kinds]
        for command in due:
            self.run(command.id)
        return len(due)

    def due(self) -> list[Command]:
        """Return the commands that are due, oldest first."""
        with self.database.transaction() as db:
            now = select(Command).where(
                Command.status == CommandStatus.QUEUED, Command.not_before <= func.now()
            )
            return list(db.scalars(now.order_by(Command.created_at)))

    def running(self, kind: CommandType) -> list[Command]:
        """Return the running commands of that kind, whose worker has not finished them."""
        with self.database.transaction() as db:
            query = select(Command).where(
                Command.type == kind, Command.status == CommandStatus.RUNNING
            )
            return list(db.scalars(query))

    def go_on(self, times: int = 4) -> None:
        """Run everything that is open as far as it goes."""
        for _ in range(times):
            self.make_due()
            self.run_due()

    def orders(self) -> dict[int, Order]:
        """Return our orders by sslId; the oldest, if an sslId has several versions."""
        with self.database.transaction() as db:
            found = db.scalars(select(Order).order_by(Order.id.desc())).all()
        return {order.scm_id: order for order in found if order.scm_id is not None}

    def certificates(self) -> list[Certificate]:
        """Return our certificates, ordered by sslId."""
        with self.database.transaction() as db:
            return list(
                db.scalars(select(Certificate).order_by(Certificate.scm_id, Certificate.id))
            )

    def records(self, command: Command) -> list[ImportRecord]:
        """Return the records of an import."""
        with self.database.transaction() as db:
            query = select(ImportRecord).where(ImportRecord.command_id == command.id)
            return list(db.scalars(query.order_by(ImportRecord.scm_id)))

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return the data of events of that type, sent or waiting."""
        with self.database.transaction() as db:
            found = db.scalars(select(Outbox).where(Outbox.routing_key == kind).order_by(Outbox.id))
            return [row.body["data"] for row in found]

    def ids_at_scm(self, *statuses: str) -> list[int]:
        """Return the sslIds of the orders at SCM in these statuses."""
        return [each["sslId"] for each in self.orders_at_scm() if each["status"] in statuses]

    def by_a_stranger(self, method: str, path: str, body: Any = None) -> Any:
        """Call SCM as another client of it. Returns the response."""
        url = f"{self.simulator.url}{path}"
        answer = requests.request(method, url, json=body, headers=LOGIN, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def order_by_a_stranger(self, name: str = SHOP, **more: Any) -> int:
        """Order a certificate as another client of SCM. Returns its sslId."""
        body = order(csr=csr(name, ec.generate_private_key(ec.SECP256R1())), **more)
        return int(self.by_a_stranger("POST", "/ssl/v1/enroll", body)["sslId"])

    def renewed_by_a_stranger(self, scm_id: int) -> int:
        """Renew a certificate as another client of SCM. Returns the new sslId."""
        body = {"csr": csr(key=ec.generate_private_key(ec.SECP256R1()))}
        return int(self.by_a_stranger("POST", f"/ssl/v1/renewById/{scm_id}", body)["sslId"])

    def replaced_by_a_stranger(self, scm_id: int) -> None:
        """Reissue a certificate as another client of SCM."""
        request = csr(key=ec.generate_private_key(ec.SECP256R1()))
        body = {"csr": request, "reason": "key moved"}
        self.by_a_stranger("POST", f"/ssl/v1/replace/{scm_id}", body)

    def counts(self) -> tuple[int, int, int]:
        """Return how often SCM was called for a list, for details and for a certificate."""
        return self.calls(LIST), self.calls(DETAILS), self.calls(COLLECT)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a migrated database of the test's own."""
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


@pytest.fixture(scope="session")
def fleet() -> Iterator[Simulator]:
    """Yield a simulator with a fleet, whose RSA keys are generated once."""
    with running(seed_orders=FLEET, issue_after_ms=0) as server:
        yield server


@pytest.fixture
def estate(database: Database, fleet: Simulator) -> Estate:
    """Return a bench with a synced account, at an SCM with a fleet."""
    return _set_up(database, fleet)


@pytest.fixture
def empty(database: Database, simulator: Simulator) -> Estate:
    """Return a bench with a synced account, at an SCM without any order."""
    estate = _set_up(database, simulator)
    estate.settings(issue_after_ms=0)
    return estate


# Rows of a sync by the simulator's address, reused because a sync takes longer than most of these tests.
_synced: dict[str, dict[type[Base], list[dict[str, Any]]]] = {}


def _set_up(database: Database, simulator: Simulator) -> Estate:
    requests.post(f"{simulator.door}/reset", timeout=30).raise_for_status()
    estate = Estate(database, simulator)
    if simulator.url not in _synced:
        assert estate.sync().status is CommandStatus.DONE
        with database.transaction() as db:
            _synced[simulator.url] = {
                kind: [dict(row) for row in db.execute(select(kind.__table__)).mappings()]
                for kind in (Organization, Domain, Profile, CustomField)
            }
    else:
        with database.transaction() as db:
            for kind, rows in _synced[simulator.url].items():
                add_rows(db, kind, rows)
    return estate

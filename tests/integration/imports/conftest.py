"""A line at a simulator that held a fleet before us; the test delivers each message itself."""

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
from certline.models.commands.command import OPEN
from certline.models.commands.payloads import ImportCommand
from certline.models.database.bulk import add_rows
from certline.producers.requests.imports import request_import
from certline.simulator.server import Simulator, running
from tests.integration.cli.conftest import typist
from tests.integration.workers.conftest import Bench
from tests.unit.simulator.customer import LOGIN, SHOP, csr, order

__all__ = ["Estate", "typist"]

# So many orders are there from the start, at least one in each status; 31 of them are issued.
FLEET = 50
DETAILS, COLLECT = "GET /ssl/v1/{sslId}", "GET /ssl/v1/collect/{sslId}"
LIST = "GET /ssl/v1"


class Estate(Bench):
    """A bench for imports."""

    def ask(self, **wanted: Any) -> Command:
        """Ask for an import."""
        asked = ImportCommand(**wanted)
        return request_import(self.database, asked, requested_by="ida").command

    def take_in(self, **wanted: Any) -> dict[str, Any]:
        """Import, as far as it goes; what has come of it."""
        return self.finish(self.ask(**wanted))

    def finish(self, command: Command) -> dict[str, Any]:
        """Let an import go on to its end, and through all of its waits."""
        for _ in range(40):
            if self.command(command.id).status not in OPEN:
                break
            if not self.run_kinds(CommandType.IMPORT, CommandType.IMPORT_BATCH):
                self.make_due()
        ended = self.command(command.id)
        assert ended.status is CommandStatus.DONE, ended.error
        return ended.result or {}

    def run_kinds(self, *kinds: CommandType) -> int:
        """Deliver the message of every due command of these kinds; answers how many there were."""
        due = [each for each in self.due() if each.type in kinds]
        for command in due:
            self.run(command.id)
        return len(due)

    def due(self) -> list[Command]:
        """The commands whose time has come, the oldest first."""
        with self.database.transaction() as db:
            now = select(Command).where(
                Command.status == CommandStatus.QUEUED, Command.not_before <= func.now()
            )
            return list(db.scalars(now.order_by(Command.created_at)))

    def running(self, kind: CommandType) -> list[Command]:
        """The commands of that kind whose worker has not said how they ended."""
        with self.database.transaction() as db:
            query = select(Command).where(
                Command.type == kind, Command.status == CommandStatus.RUNNING
            )
            return list(db.scalars(query))

    def go_on(self, times: int = 4) -> None:
        """Everything that is open goes as far as it can."""
        for _ in range(times):
            self.make_due()
            self.run_due()

    def orders(self) -> dict[int, Order]:
        """The orders that are here, by sslId; of several versions the first."""
        with self.database.transaction() as db:
            found = db.scalars(select(Order).order_by(Order.id.desc())).all()
        return {order.scm_id: order for order in found if order.scm_id is not None}

    def certificates(self) -> list[Certificate]:
        """The certificates that are here, by sslId."""
        with self.database.transaction() as db:
            return list(
                db.scalars(select(Certificate).order_by(Certificate.scm_id, Certificate.id))
            )

    def records(self, command: Command) -> list[ImportRecord]:
        """The records of an import."""
        with self.database.transaction() as db:
            query = select(ImportRecord).where(ImportRecord.command_id == command.id)
            return list(db.scalars(query.order_by(ImportRecord.scm_id)))

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The events of that kind that went, or are to go, out."""
        with self.database.transaction() as db:
            found = db.scalars(select(Outbox).where(Outbox.routing_key == kind).order_by(Outbox.id))
            return [row.body["data"] for row in found]

    def ids_at_scm(self, *statuses: str) -> list[int]:
        """The sslIds of what SCM holds in these states."""
        return [each["sslId"] for each in self.orders_at_scm() if each["status"] in statuses]

    def by_a_stranger(self, method: str, path: str, body: Any = None) -> Any:
        """Somebody else uses SCM; its answer."""
        url = f"{self.simulator.url}{path}"
        answer = requests.request(method, url, json=body, headers=LOGIN, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def order_by_a_stranger(self, name: str = SHOP, **more: Any) -> int:
        """Somebody else orders a certificate; its sslId."""
        body = order(csr=csr(name, ec.generate_private_key(ec.SECP256R1())), **more)
        return int(self.by_a_stranger("POST", "/ssl/v1/enroll", body)["sslId"])

    def renewed_by_a_stranger(self, scm_id: int) -> int:
        """Somebody else renews a certificate; the sslId of the new one."""
        body = {"csr": csr(key=ec.generate_private_key(ec.SECP256R1()))}
        return int(self.by_a_stranger("POST", f"/ssl/v1/renewById/{scm_id}", body)["sslId"])

    def replaced_by_a_stranger(self, scm_id: int) -> None:
        """Somebody else has a certificate made anew."""
        request = csr(key=ec.generate_private_key(ec.SECP256R1()))
        body = {"csr": request, "reason": "key moved"}
        self.by_a_stranger("POST", f"/ssl/v1/replace/{scm_id}", body)

    def counts(self) -> tuple[int, int, int]:
        """How often SCM was asked for a list, for details and for a certificate."""
        return self.calls(LIST), self.calls(DETAILS), self.calls(COLLECT)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database of the test's own."""
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


@pytest.fixture(scope="session")
def fleet() -> Iterator[Simulator]:
    """A simulator with a fleet; it makes its RSA keys once."""
    with running(seed_orders=FLEET, issue_after_ms=0) as server:
        yield server


@pytest.fixture
def estate(database: Database, fleet: Simulator) -> Estate:
    """A line with one account that is synced, at an SCM with a fleet."""
    return _set_up(database, fleet)


@pytest.fixture
def empty(database: Database, simulator: Simulator) -> Estate:
    """The same, at an SCM without any order."""
    estate = _set_up(database, simulator)
    estate.settings(issue_after_ms=0)
    return estate


# What a sync brought, by the simulator's address: it takes longer than most of these tests.
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

"""Bench without a broker: the test itself runs each step for each command that is due."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import func, select

from certline.models import Account, Command, CommandStatus, Database, Hook, Order
from certline.models.audit.identity import Identity
from certline.models.certificates.deploy_hook import add_hook
from certline.models.commands.payloads import OrderCommand, SyncCommand
from certline.models.orders.order import order_of_command
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.producers.requests.catalogue import request_sync
from certline.producers.requests.orders import request_order
from certline.simulator.server import Simulator
from certline.workers.app import STEPS
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import run

STEP_OF = {step.type: step for step in STEPS}
# Events of a hook unless a test names others.
EVENTS = ("certificate.stored", "certificate.renewed", "certificate.reissued")


class Bench:
    """One account at the simulator, synced, and the steps run by the test."""

    def __init__(
        self, database: Database, simulator: Simulator, *, rate_read: float = 1000
    ) -> None:
        settings = Settings(
            database_url=SecretStr(database.url),
            poll_seconds=0.01,
            scm_read_seconds=20,
            rate_read=rate_read,
            rate_order=1000,
        )
        self.database = database
        self.simulator = simulator
        self.secret_key = Fernet.generate_key().decode()
        self.line = WorkerContext(database, Vault(self.secret_key), settings)
        with database.transaction() as db:
            db.add(
                Account(
                    name="demo",
                    url=simulator.url,
                    customer_uri="demo",
                    login="admin",
                    secret_sealed=self.line.vault.seal(b"secret"),
                )
            )

    def sync(self) -> Command:
        """Sync everything now. Returns the finished command."""
        (command,) = request_sync(self.database, SyncCommand(), requested_by=Identity("os:test"))
        return self.run(command.id)

    def place(self, command_id: str | None = None, **changes: Any) -> Command:
        """Place an order for www.nordhafen.example, changed by the given fields."""
        wanted: dict[str, Any] = {
            "common_name": "www.nordhafen.example",
            "organization": "Nordhafen University",
            "profile": "OV Multi-Domain SSL",
            "term": 90,
            "key_algorithm": "EC",
            "key_size": "P-256",
        }
        return request_order(
            self.database,
            self.line.vault,
            OrderCommand.model_validate(wanted | changes),
            requested_by=Identity("os:test"),
            command_id=command_id,
        ).command

    def run(self, command_id: str) -> Command:
        """Deliver a command's message once. Returns the command afterwards."""
        kind = self.command(command_id).type
        run(self.line, STEP_OF[kind], command_id)
        return self.command(command_id)

    def run_due(self) -> int:
        """Deliver the message of every command that is due. Returns how many there were."""
        with self.database.transaction() as db:
            due = list(
                db.scalars(
                    select(Command.id).where(
                        Command.status == CommandStatus.QUEUED, Command.not_before <= func.now()
                    )
                )
            )
        for command_id in due:
            self.run(command_id)
        return len(due)

    def make_due(self) -> None:
        """Make waiting commands due."""
        with self.database.transaction() as db:
            for command in db.scalars(select(Command)):
                command.not_before = command.created_at

    def command(self, command_id: str) -> Command:
        """Load the command."""
        with self.database.transaction() as db:
            return db.get_one(Command, command_id)

    def order(self, command: Command) -> Order:
        """Load the order of a command."""
        with self.database.transaction() as db:
            order = order_of_command(db, command.id)
            assert order is not None
            return order

    def account(self) -> Account:
        """Load the one account."""
        with self.database.transaction() as db:
            return db.scalars(select(Account)).one()

    def fault(self, method: str | None, path: str, kind: str, **more: Any) -> None:
        """Make the simulator fail for one call."""
        fault = {"method": method, "path": path, "times": 1, "kind": kind, **more}
        requests.post(f"{self.simulator.door}/faults", json=[fault], timeout=30).raise_for_status()

    def settings(self, **switches: Any) -> None:
        """Change the simulator's settings."""
        answer = requests.post(f"{self.simulator.door}/settings", json=switches, timeout=30)
        answer.raise_for_status()

    def decide(self, scm_id: int | None, what: str) -> None:
        """Approve, decline, reject, issue or expire an order at SCM."""
        answer = requests.post(f"{self.simulator.door}/orders/{scm_id}/{what}", timeout=30)
        answer.raise_for_status()

    def orders_at_scm(self) -> list[dict[str, Any]]:
        """Return the records that SCM holds."""
        found: list[dict[str, Any]] = requests.get(
            f"{self.simulator.door}/orders", timeout=30
        ).json()
        return found

    def calls(self, template: str) -> int:
        """Return how often a call has been made, such as `POST /ssl/v1/enroll`."""
        counts: dict[str, int] = requests.get(f"{self.simulator.door}/calls", timeout=30).json()
        return counts.get(template, 0)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield a migrated database of the test's own."""
    database = Database(database_url, pool_size=2)
    yield database
    database.close()


@pytest.fixture
def bench(database: Database, simulator: Simulator) -> Bench:
    """Return a bench with one synced account; only what the test runs is run."""
    bench = Bench(database, simulator)
    bench.settings(issue_after_ms=0)
    assert bench.sync().status is CommandStatus.DONE
    return bench


@pytest.fixture
def hooked(bench: Bench, tmp_path: Path) -> Callable[..., Hook]:
    """Return a function that adds a hook, by default one that only writes files."""

    def add(name: str = "web", events: tuple[str, ...] = EVENTS, **named: Any) -> Hook:
        usual: dict[str, Any] = {} if "command" in named else {"directory": str(tmp_path)}
        with bench.database.transaction() as db:
            return add_hook(db, name, events, who=Identity("os:ida"), **usual | named)

    return add

"""A certline installation as in production: worker, relay and producer as processes over RabbitMQ."""

import json
import os
import sys
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Self

from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from certline.models import Account, Command, CommandStatus, Database, Order, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import OrderCommand, SyncCommand
from certline.models.vault import Vault
from certline.producers.requests.catalogue import request_sync
from certline.producers.requests.orders import request_order
from tests.servers import Process, until
from tests.support.forkserver import nursery
from tests.support.sealed_rows import seal_in

CERTLINE = [sys.executable, "-P", "-m", "certline"]


class Plant:
    """Processes of certline on one database and one vhost; all of them end with the test."""

    def __init__(self, database_url: str, rabbitmq_url: str, **variables: str) -> None:
        self.environment = {
            "CERTLINE_DATABASE_URL": database_url,
            "CERTLINE_RABBITMQ_URL": rabbitmq_url,
            "CERTLINE_SECRET_KEY": Fernet.generate_key().decode(),
            "CERTLINE_POLL_SECONDS": "0.2",
            "CERTLINE_RATE_READ": "1000",
            "CERTLINE_RATE_ORDER": "1000",
            "CERTLINE_LOG": "json",
            **variables,
        }
        self.database = Database(database_url, pool_size=2)
        self.vault = Vault(self.environment["CERTLINE_SECRET_KEY"])
        self._stack = ExitStack()
        self._stack.callback(self.database.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start(self, *part: str) -> Process:
        """Start a process: `worker`, `relay` or `producer`, with its options."""
        return self._stack.enter_context(Process([*CERTLINE, "run", *part], self.environment))

    def start_all(self) -> None:
        """Start one worker, one relay and one producer."""
        for part in ("worker", "relay", "producer"):
            self.start(part)

    def certline(self, *words: str, given: str = "", expect: int = 0) -> str:
        """Run a CLI command and return its output. Fails if the exit code is not the expected one."""
        environment = os.environ | self.environment
        done = nursery().type(words, environment, given=given, timeout=120)
        assert done.returncode == expect, (
            f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def json(self, *words: str, given: str = "", expect: int = 0) -> Any:
        """Run a CLI command with `--json` and return the document."""
        return json.loads(self.certline("--json", *words, given=given, expect=expect))

    def add_account(self, url: str, password: str = "secret") -> None:  # noqa: S107
        """Add the simulator's account and wait until the running worker has synced it."""
        with self.database.transaction() as db:
            account = Account(name="demo", url=url, customer_uri="demo", login="admin")
            seal_in(db, self.vault, account, "secret_sealed", password.encode())
        (sync,) = request_sync(self.database, SyncCommand(), requested_by=Identity("os:test"))

        def synced() -> bool:
            with self.database.transaction() as db:
                return db.get_one(Command, sync.id).status is CommandStatus.DONE

        until(synced, 60)

    def wanted(self, name: str, **changes: Any) -> OrderCommand:
        """Return an order for this name; `changes` replace the defaults."""
        usual: dict[str, Any] = {
            "common_name": name,
            "organization": "Nordhafen University",
            "profile": "OV Multi-Domain SSL",
            "term": 90,
            "key_algorithm": "EC",
            "key_size": "P-256",
        }
        return OrderCommand.model_validate(usual | changes)

    def place(self, name: str, **changes: Any) -> Command:
        """Place an order as the CLI does, but within this process. Returns its command."""
        wanted = self.wanted(name, **changes)
        return request_order(
            self.database, self.vault, wanted, requested_by=Identity("os:test")
        ).command

    def knows(self, command_id: str) -> bool:
        """Return True if the command was accepted."""
        with self.database.transaction() as db:
            return db.get(Command, command_id) is not None

    def status(self, command: Command) -> OrderStatus:
        """Return the status of the command's order."""
        with self.database.transaction() as db:
            return db.scalars(select(Order.status).where(Order.command_id == command.id)).one()

    def until(self, command: Command, status: OrderStatus, timeout: float = 60) -> None:
        """Wait until the command's order has a status; Postgres may be down meanwhile."""

        def there() -> bool:
            with suppress(DBAPIError):
                return self.status(command) is status
            return False

        until(there, timeout, every=0.1)

    def order(self, name: str, *more: str, algorithm: str = "EC", size: str = "P-256") -> Any:
        """Order a certificate with the CLI. Returns the command's JSON document."""
        return self.json(
            *("order", "create", "--common-name", name, "--organization", "Nordhafen University"),
            *("--profile", "OV Multi-Domain SSL", "--term", "90"),
            *("--key-algorithm", algorithm, "--key-size", size, *more),
        )

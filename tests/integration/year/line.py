"""A line on one moved clock: real steps, a simulator of SCM apart, proofs on real name servers."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import func, select, update

from certline.models import Account, Command, CommandStatus, Outbox, ProviderKind
from certline.models.audit.identity import Identity
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.producers.domains.providers import add_provider
from certline.producers.renewals.auto_renew import go_on
from certline.producers.schedule import tick
from certline.workers.app import STEPS
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import run
from tests.servers import session
from tests.servers.dns import DnsServer
from tests.servers.process import Process, until
from tests.support.movable_clock import MovedDatabase
from tests.support.sealed_rows import seal_in

WHO = Identity("os:ida")
STEP_OF = {step.type: step for step in STEPS}
# Steps that run at the same time.
THREADS = 4
# Work that falls due within so long is done together, as if the clock had been looked at then.
TOGETHER = timedelta(minutes=5)
SETTLE = timedelta(minutes=15)
# The zone in which proofs are written, on the primary and on its secondary.
ZONE = "example.test"
# The simulator's customer.
LOGIN = {"login": "admin", "password": "secret", "customerUri": "demo"}
UNIVERSITY = 9101


@dataclass
class MovedLine:
    """A line whose clock, and that of its SCM, a test moves. `url`, `door`: of the simulator."""

    database: MovedDatabase
    url: str
    door: str
    dns: DnsServer
    context: WorkerContext = field(init=False)

    def __post_init__(self) -> None:
        settings = Settings(
            database_url=SecretStr(self.database.url),
            scm_read_seconds=20,
            rate_read=1000,
            rate_order=1000,
        )
        self.context = WorkerContext(self.database, Vault(Fernet.generate_key().decode()), settings)

    @property
    def now(self) -> datetime:
        """The time of the line."""
        return self.database.at

    def set_clock(self, at: datetime) -> None:
        """Set the time of the database and of SCM."""
        self.database.set_clock(at)
        self.at_scm(clock_ahead_s=round((at - datetime.now(UTC)).total_seconds()))

    def at_scm(self, **switches: Any) -> None:
        """Change settings of the simulator."""
        requests.post(f"{self.door}/settings", json=switches, timeout=30).raise_for_status()

    def calls(self) -> dict[str, int]:
        """Return how often each call was made at SCM."""
        found: dict[str, int] = requests.get(f"{self.door}/calls", timeout=30).json()
        return found

    def looks(self) -> list[dict[str, Any]]:
        """Return the CA's looks for proofs, the newest ten thousand."""
        found: list[dict[str, Any]] = requests.get(f"{self.door}/looks", timeout=30).json()
        return found

    def orders_at_scm(self) -> list[dict[str, Any]]:
        """Return the records that SCM holds."""
        found: list[dict[str, Any]] = requests.get(f"{self.door}/orders", timeout=60).json()
        return found

    def add_account(self) -> Account:
        """Store the account at the simulator."""
        with self.database.transaction() as db:
            account = Account(name="demo", url=self.url, customer_uri="demo", login="admin")
            seal_in(db, self.context.vault, account, "secret_sealed", b"secret")
        return account

    def set_domains(self, names: list[str]) -> None:
        """Let SCM have these domains only, which are not validated yet."""
        page = {"size": 200}
        there = requests.get(f"{self.url}/domain/v1", params=page, headers=LOGIN, timeout=30)
        for row in there.json():
            door = f"{self.url}/domain/v1/{row['id']}"
            requests.delete(door, headers=LOGIN, timeout=30).raise_for_status()
        delegation = {
            "orgId": UNIVERSITY,
            "certTypes": ["SSL"],
            "domainCertificateRequestPrivileges": ["DOMAIN", "SUBDOMAIN"],
        }
        for name in names:
            body = {"name": name, "delegations": [delegation]}
            answer = requests.post(f"{self.url}/domain/v1", json=body, headers=LOGIN, timeout=30)
            answer.raise_for_status()

    def add_provider(self) -> None:
        """Add the provider that writes proofs into the zone by dynamic update."""
        servers = [f"{host}:{self.dns.port}" for host in (self.dns.host, self.dns.secondary)]
        add_provider(
            self.database,
            self.context.vault,
            "zone",
            ProviderKind.RFC2136,
            [ZONE],
            settings={
                "server": servers[0],
                "nameservers": servers,
                "resolvers": [f"{self.dns.resolver}:{self.dns.port}"],
            },
            credentials={"name": self.dns.tsig_name, "secret": self.dns.tsig_secret},
            who=WHO,
        )

    def produce(self) -> None:
        """Let the producer fire what is due, and decide about all renewals."""
        tick(self.database, SETTLE)
        while go_on(self.database):
            pass

    def work_until(self, end: datetime) -> None:
        """Run the steps of all commands that fall due before a time; the clock goes from one to the next."""
        with ThreadPoolExecutor(THREADS) as pool:
            while True:
                due, later = self._commands()
                if due:
                    list(pool.map(self._run, due))
                elif later is None or later > end:
                    break
                else:
                    self.dns.propagate(ZONE)
                    self.set_clock(later + TOGETHER)
        self._relay()

    def _commands(self) -> tuple[list[Command], datetime | None]:
        """Return the commands that are due, and the time at which the first of the others is."""
        queued = Command.status == CommandStatus.QUEUED
        with self.database.transaction() as db:
            due = select(Command).where(queued, Command.not_before <= func.now())
            found = list(db.scalars(due.order_by(Command.not_before)))
            return found, db.scalar(select(func.min(Command.not_before)).where(queued))

    def _run(self, command: Command) -> None:
        run(self.context, STEP_OF[command.type], command.id)

    def _relay(self) -> None:
        """Mark everything as sent, in place of the relay and RabbitMQ."""
        with self.database.transaction() as db:
            sent = update(Outbox).where(Outbox.sent_at.is_(None)).values(sent_at=func.now())
            db.execute(sent, execution_options={"synchronize_session": False})


@contextmanager
def simulator_apart() -> Iterator[tuple[str, str]]:
    """Run a simulator in a process of its own. Yields the URLs of its API and of its control door."""
    port = session.free_port()
    program = f"from certline.simulator.server import serve; serve(port={port}, issue_after_ms=0)"
    base = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"{base}/_sim/health", timeout=5).ok
        return False

    with Process([sys.executable, "-c", program]):
        until(is_up, 30)
        yield f"{base}/api", f"{base}/_sim"

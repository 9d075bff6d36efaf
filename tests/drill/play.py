"""The drill's course, as an operator goes through it: with the processes and commands of certline."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import requests
from sqlalchemy import func, select

from certline.models import AuditEntry
from certline.models.audit.head import Head
from certline.models.audit.witness import witness_of
from certline.models.restore.recovery import recovery_of
from certline.producers.witness.store import WITNESS
from certline.simulator.server import Simulator, running
from tests.drill.backups import Backup, backed_up
from tests.drill.check import all_answered, certificates_in, faults_of
from tests.drill.figures import FOUND, DrillFigures, times_of
from tests.drill.intents import Intents, name_of, orders, successors
from tests.faults.harness.external_client import send_all_to_exchange, sending_user
from tests.faults.harness.nodes import connect
from tests.servers import open_rabbitmq, session, until
from tests.support.deployment import Plant

PARTS = ("worker", "relay", "ingress", "producer")
# Seconds in which a thousand commands surely end, on a busy machine; and the least for any number.
A_THOUSAND, AT_LEAST = 600, 300
# Exit code of `certline recover` while a recovery is in progress.
WAITS = 3
# What `certline recover --dry-run` says in advance of a recovery's result.
ANNOUNCED = ("orders_found", "renewals", "reissues", "keys_lost")


@dataclass(frozen=True)
class LastState:
    """What the database had before the disaster: the time of its last commit, and its number of certificates."""

    at: datetime
    certificates: int


@dataclass(frozen=True)
class Before:
    """What is left of the line before the disaster: its settings, its backup, and what others remember of it."""

    plant: Plant
    backup: Backup
    intents: Intents
    last: LastState


@dataclass(frozen=True)
class Drill:
    """What is drilled. `later`: orders after the backup; `settle`: CERTLINE_SETTLE_SECONDS, in seconds; `rate`:
    CERTLINE_RATE_READ during the recovery, in calls a second; `say`: is called with each step, in words.
    """

    certificates: int
    later: int
    way: str
    settle: int
    rate: int
    say: Callable[[str], None]

    @property
    def patience(self) -> float:
        """Seconds after which a phase counts as hung."""
        return AT_LEAST + A_THOUSAND * (self.certificates + self.later) / 1000

    def play(self) -> DrillFigures:
        """Play it on servers of its own, and return the figures."""
        with ExitStack() as stack:
            rabbitmq = stack.enter_context(open_rabbitmq())
            vhost = stack.enter_context(rabbitmq.vhost())
            scm = stack.enter_context(running(issue_after_ms=0))
            backup = stack.enter_context(backed_up(self.way))
            intents = Intents()
            with Plant(backup.url, vhost) as plant:
                self._set_up(plant, scm, vhost)
                last = self._work(plant, backup, intents, vhost)
                self.say("the disaster: the database's machine is lost")
                backup.first.lose()
            return self._recover(Before(plant, backup, intents, last), scm, vhost)

    def _set_up(self, plant: Plant, scm: Simulator, vhost: str) -> None:
        self.say("certline init; an account, a sender, the parts")
        password = session.folder() / "password"
        password.write_text("secret")
        plant.certline("init")
        plant.certline("license", "set", str(2 * (self.certificates + self.later)))
        login = ("--customer-uri", "demo", "--login", "admin", "--password-file", str(password))
        plant.certline("account", "add", "demo", "--url", scm.url, *login)
        plant.certline("sender", "add", "erp", "--amqp-user", sending_user(vhost))
        for part in PARTS:
            plant.start(part)
        plant.certline("sync", "--wait")

    def _work(self, plant: Plant, backup: Backup, intents: Intents, vhost: str) -> LastState:
        """Order what the drill is about, with the backup in between. Returns what there was at the end."""
        half, whole = self.certificates // 2, self.certificates
        self.say(f"{whole} orders of another system, over RabbitMQ")
        send_all_to_exchange(vhost, intents.add(orders(0, half)))
        self._until_stored(plant, half)
        backup.begin()
        send_all_to_exchange(vhost, intents.add(orders(half, whole)))
        self._until_stored(plant, whole)
        backup.complete()
        with plant.database.transaction() as db:
            backed_up = witness_of(db).head.seq
        renewals = max(1, self.later // 10)
        self.say(
            f"the backup is complete; {self.later} more orders, {renewals} renewals, a reissue"
        )
        after = [*successors(renewals), *orders(whole, whole + self.later)]
        send_all_to_exchange(vhost, intents.add(after))
        # The disaster comes while the last ones are on their way.
        self._until_stored(plant, whole + len(after) * 4 // 5)
        if not backup.shows:
            # What is ordered in the last seconds before a loss has no witness: here it is not all of it.
            until(lambda: _entries_witnessed(vhost) > backed_up, self.patience, every=0.1)
        with plant.database.transaction() as db:
            at = db.scalars(select(func.max(AuditEntry.at))).one()
            return LastState(at, certificates_in(db))

    def _until_stored(self, plant: Plant, count: int) -> None:
        def stored() -> bool:
            with plant.database.transaction() as db:
                return certificates_in(db) >= count

        until(stored, self.patience, every=0.2)

    def _recover(self, before: Before, scm: Simulator, vhost: str) -> DrillFigures:
        begun = datetime.now(UTC)
        url = before.backup.restore()
        restored = datetime.now(UTC)
        self.say("restored; certline recover --dry-run, then the parts are started")
        variables = {
            "CERTLINE_SECRET_KEY": before.plant.environment["CERTLINE_SECRET_KEY"],
            "CERTLINE_SETTLE_SECONDS": str(self.settle),
            "CERTLINE_RATE_READ": str(self.rate),
        }
        with Plant(url, vhost, **variables) as plant:
            with plant.database.transaction() as db:
                lost = before.last.certificates - certificates_in(db)
            calls = _calls(scm)
            expect = WAITS if before.backup.shows else 0
            ahead = plant.json("recover", "--dry-run", expect=expect)["dry_run"]
            ahead_calls = _calls(scm) - calls
            calls, started = _calls(scm), datetime.now(UTC)
            for part in PARTS:
                plant.start(part)
            until(partial(_is_over, plant), self.patience + self.settle, every=0.5)
            calls = _calls(scm) - calls
            result = plant.json("recover", "--status")["result"]
            self.say("recovered; the other system sends all its commands again")
            send_all_to_exchange(vhost, [each.event() for each in before.intents.sent])
            until(partial(_are_answered, plant, before.intents), self.patience, every=0.5)
            self._use(plant)
            at_scm = requests.get(f"{scm.door}/orders", timeout=60).json()
            with plant.database.transaction() as db:
                faults = faults_of(db, before.intents, at_scm)
                operator = (begun, restored, started)
                times = times_of(db, timedelta(seconds=self.settle), before.last.at, operator)
        faults += [
            f"--dry-run announced {name} {ahead[name]}, and the recovery had {result[name]}"
            for name in ANNOUNCED
            if ahead[name] != result[name]
        ]
        return DrillFigures(
            before.backup.what,
            self.certificates,
            lost,
            times,
            {name: result[name] for name in FOUND},
            calls,
            ahead_calls.total(),
            faults,
        )

    def _use(self, plant: Plant) -> None:
        """Use what was restored: the audit log is whole, and a certificate comes out with its key."""
        plant.certline("audit", "verify")
        file = session.subfolder("drill") / "exported.p12"
        name = name_of(self.certificates - 1)
        plant.certline("certificate", "export", name, "--output", str(file))


def _is_over(plant: Plant) -> bool:
    with plant.database.transaction() as db:
        row = recovery_of(db)
        return row.number > 0 and not row.in_progress


def _entries_witnessed(vhost: str) -> int:
    """Return how many entries of the audit log the witness at RabbitMQ counts, 0 without one."""
    with connect(vhost) as connection:
        _, _, body = connection.channel().basic_get(WITNESS)
    return 0 if body is None else Head.of(json.loads(body)["head"]).seq


def _are_answered(plant: Plant, intents: Intents) -> bool:
    with plant.database.transaction() as db:
        return all_answered(db, intents)


def _calls(scm: Simulator) -> Counter[str]:
    return Counter(requests.get(f"{scm.door}/calls", timeout=60).json())

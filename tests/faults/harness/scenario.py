"""The stage: a plant whose processes may die anywhere, where tests let time pass, and whose end is checked."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from certline.models import (
    Account,
    Certificate,
    Command,
    CommandStatus,
    CommandType,
    Order,
    OrderStatus,
    Outbox,
    Schedule,
)
from certline.models.audit.identity import Identity
from certline.models.commands.command import OPEN, accept, open_step
from certline.models.commands.payloads import SyncCommand
from certline.models.orders.order import orders
from certline.models.settings import Settings
from certline.producers.requests.catalogue import request_sync
from certline.simulator.server import Simulator
from certline.workers.app import STEPS
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import run as run_step
from certline.workers.scm import ScmClient
from tests.faults.harness.scm import SimulatedScm
from tests.faults.harness.subscriber import Ear
from tests.faults.harness.time_travel import Ageing
from tests.faults.invariants.check import faults_of
from tests.faults.invariants.per_order import FINAL, every_intent_is_final_or_due
from tests.faults.invariants.recorded_moves import watch
from tests.faults.invariants.types import Expected, World
from tests.servers import until
from tests.support.deployment import Plant
from tests.support.factories import senders_of_everything
from tests.support.forkserver import Nursery
from tests.support.sealed_rows import seal_in

# Seconds that steps run by the test itself wait for SCM; the processes wait as long as in production.
SECONDS_TO_ANSWER = 1.0
IN_REVIEW = {CommandStatus.REVIEW}

_numbers = count(1)


class Stage(Ageing, SimulatedScm):
    """A plant with forked processes that may be given a point to die at; it remembers what the test ordered."""

    def __init__(
        self,
        nursery: Nursery,
        plant: Plant,
        vhost: str,
        simulator: Simulator,
        *,
        ear: Ear | None = None,
    ) -> None:
        """Prepare the database for the checks; `ear`: one that listened before, if work was done already."""
        super().__init__(nursery, plant)
        self.vhost = vhost
        self.simulator = simulator
        self.names: list[str] = []
        # Number of invalid messages sent: each ends as a dead letter.
        self.letters = 0
        # Ids of certificates that a later command is about.
        self.touched: list[str] = []
        settings = Settings(rate_read=1000, rate_order=1000, scm_read_seconds=SECONDS_TO_ANSWER)
        self.line = WorkerContext(plant.database, plant.vault, settings)
        with plant.database.transaction() as db:
            watch(db)
            senders_of_everything(db)
        self.ear = ear or Ear(vhost)

    def add_account(self, url: str | None = None, name: str = "demo") -> Account:
        """Add an account at the simulator, and sync it at once, without a worker. Returns it."""
        with self.plant.database.transaction() as db:
            account = Account(
                name=name, url=url or self.simulator.url, customer_uri="demo", login="admin"
            )
            seal_in(db, self.plant.vault, account, "secret_sealed", b"secret")
        self.put_off_sync()
        wanted = SyncCommand(account=name)
        (command,) = request_sync(self.plant.database, wanted, requested_by=Identity("os:test"))
        self.run(command)
        return account

    def put_off_sync(self) -> None:
        """Put off the producer's own sync, since its end would be at a random time."""
        with self.plant.database.transaction() as db:
            own = update(Schedule).where(Schedule.name == "sync")
            db.execute(own.values(next_due=func.now() + text("interval '7 days'")))

    def run(self, command: Command) -> None:
        """Run a command's step in this process, where it isn't killed."""
        (step,) = [step for step in STEPS if step.type is command.type]
        run_step(self.line, step, command.id)

    def step_of(self, command: Command, kind: CommandType) -> Command:
        """Return the open step of that kind of the command's order."""
        with self.plant.database.transaction() as db:
            found = open_step(db, kind, self.order(command).id)
            assert found is not None, f"no {kind} is open"
            return found

    def store(self, **changes: Any) -> Certificate:
        """Order a certificate and run all its steps in this process. Returns the stored certificate."""
        command = self.place(**changes)
        self.run(command)
        poll = self.step_of(command, CommandType.POLL)
        until(partial(self.is_done, poll), 30, every=0.05)
        with self.plant.database.transaction() as db:
            return db.get_one(Certificate, self.order(command).certificate_id)

    def accept(self, kind: CommandType, payload: dict[str, Any]) -> Command:
        """Record a command of another system as the ingress does, and return it."""
        with self.plant.database.transaction() as db:
            return accept(db, kind, payload, requested_by=Identity("amqp:erp"), source="erp")[0]

    def is_done(self, step: Command) -> bool:
        """Let time pass and run a step. Returns True if the step is done then."""
        self.age()
        self.run(step)
        return self._again(step).status is CommandStatus.DONE

    def until_in_review(self, commands: Sequence[Command]) -> None:
        """Run a worker until all these commands are in review."""
        self.work_until(lambda: {self._again(each).status for each in commands} == IN_REVIEW)

    def work_until(self, condition: Callable[[], bool]) -> None:
        """Run a worker until the condition is true, with everything that waits made due."""
        self.place()  # newer than all unclear orders: proves that SCM's list is current

        def so() -> bool:
            self.hasten()
            return condition()

        with self.start("worker"):
            until(so, 90, every=0.3)
        self.stop("worker")

    def decide(self) -> None:
        """Decide every order in review as an operator: adopt the record that SCM has of it, else send it again."""
        with self.plant.database.transaction() as db:
            waiting = orders(db, [OrderStatus.REVIEW])
            taken = set(db.scalars(select(Order.scm_id)))
        names = {
            record["commonName"]: record["sslId"]
            for record in self.simulate("GET", "orders")
            if record["sslId"] not in taken
        }
        for order in waiting:
            number = order.scm_id or names.get(order.common_name)
            words = ("--resend", "--yes") if number is None else ("--adopt", str(number))
            self.type("order", "resolve", order.id, *words)

    def scm(self) -> ScmClient:
        """Return a client of SCM with the account's login."""
        with self.plant.database.transaction() as db:
            return self.line.scm(db.scalars(select(Account)).one())

    def _again(self, command: Command) -> Command:
        with self.plant.database.transaction() as db:
            return db.get_one(Command, command.id)

    def new_name(self) -> str:
        """Return a new name for an order of the test, and remember it."""
        self.names.append(f"s{next(_numbers)}.nordhafen.example")
        return self.names[-1]

    def place(self, **changes: Any) -> Command:
        """Place an order for a new name. Returns its command."""
        return self.plant.place(self.new_name(), **changes)

    def order(self, command: Command) -> Order:
        """Return the command's order with its current status."""
        with self.plant.database.transaction() as db:
            return db.scalars(select(Order).where(Order.command_id == command.id)).one()

    def open_orders(self) -> int:
        """Count the orders that are not final."""
        with self.plant.database.transaction() as db:
            query = select(func.count()).select_from(Order).where(Order.status.not_in(FINAL))
            return db.scalar(query) or 0

    def come_to_rest(self, expected: Expected, timeout: float = 90) -> None:
        """Wait until every intent is final or rests as expected, making waiting work due meanwhile."""

        def resting() -> bool:
            with suppress(DBAPIError), self.plant.database.transaction() as db:
                world = World(expected, [], [])
                if not any(every_intent_is_final_or_due(db, world, self.plant.vault)):
                    # A sync begun by the producer will publish an event: wait for that, too.
                    under_way = any(self._syncs_under_way()) or any(self._unsent())
                    return not under_way and not any(self.ear.waiting().values())
                self.hasten()
            return False

        # On a time-out, the checks of the world report what is wrong in more detail.
        with suppress(TimeoutError):
            until(resting, timeout, every=0.3)

    def finish(
        self,
        *,
        rests: Collection[OrderStatus] = (),
        timeout: float = 90,
    ) -> list[str]:
        """Wait for the end, stop every process, and return all faults that the checks find."""
        expected = Expected(tuple(self.names), rests, self.letters)
        self.come_to_rest(expected, timeout)
        sick = self.sick()
        self.stop("producer")  # else it may start new work now
        self.come_to_rest(expected)
        self.stop_parts()
        self.work_off_what_was_held(expected)
        at_scm = self.simulate("GET", "orders")
        world = World(expected, at_scm, self.ear.heard(), self.ear.waiting(), sick)
        with self.plant.database.transaction() as db:
            return faults_of(db, world, self.plant.vault)

    def work_off_what_was_held(self, expected: Expected) -> None:
        """Let new workers end the messages that those just killed had in hand, or held back for a retry.

        RabbitMQ does not count them as waiting before their worker is gone.
        """
        for _ in range(3):
            if not any(self.ear.waiting_for_workers()):
                return
            self.ear.hasten_delayed()
            worker = self.start("worker")
            self.come_to_rest(expected)
            worker.terminate()  # it ends what it has begun
            self.stop_parts()

    def _syncs_under_way(self) -> Iterator[str]:
        with self.plant.database.transaction() as db:
            query = select(Command.id).where(
                Command.type == CommandType.SYNC,
                Command.status.in_(OPEN),
                Command.not_before <= func.now(),
            )
            yield from db.scalars(query)

    def _unsent(self) -> Iterator[int]:
        with self.plant.database.transaction() as db:
            yield from db.scalars(select(Outbox.id).where(Outbox.sent_at.is_(None)))

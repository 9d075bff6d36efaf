"""The line on a stage: parts that may die anywhere, time that passes on order, and the world at the end."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from itertools import count
from typing import Any

import pika
import requests
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from models import (
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
from models.breaker import Breaker
from models.command import OPEN, accept, open_step
from models.order import orders
from models.outbox import EVENTS, Queue
from models.pace import Pace
from models.payloads import SyncCommand
from models.settings import Settings
from producers.requests import request_sync
from simulator.server import Simulator
from tests.faults.crashing import Death
from tests.faults.world import (
    FINAL,
    Expected,
    World,
    every_intent_is_final_or_due,
    faults_of,
    watch,
)
from tests.nursery import Nursery, Part
from tests.plant import Plant
from tests.servers import run, until
from workers.app import STEPS
from workers.line import Line
from workers.scm import ScmClient
from workers.step import run as run_step

EAR = "ear"
# How long the test itself waits for SCM's answers; the parts wait as they do in production.
SECONDS_TO_ANSWER = 1.0
# Each with its delays and its dead letters.
WORK_QUEUES = [f"{queue}{ending}" for queue in Queue for ending in ("", ".DQ", ".XQ")]
IN_REVIEW = {CommandStatus.REVIEW}
AN_HOUR = text("interval '1 hour'")

_numbers = count(1)


class Stage:
    """A plant whose parts are forked and may be told where to die; what was asked of it is kept."""

    def __init__(self, nursery: Nursery, plant: Plant, vhost: str, simulator: Simulator) -> None:
        self.nursery = nursery
        self.plant = plant
        self.vhost = vhost
        self.simulator = simulator
        self.names: list[str] = []
        # Messages that nobody can take: each ends as a dead letter.
        self.letters = 0
        # Certificates that a later command is about.
        self.touched: list[str] = []
        settings = Settings(rate_read=1000, rate_order=1000, scm_read_seconds=SECONDS_TO_ANSWER)
        self.line = Line(plant.database, plant.vault, settings)
        self._parts: dict[str, tuple[Part, int]] = {}
        with plant.database.transaction() as db:
            watch(db)
        with self._channel() as channel:
            for queue in (EAR, *WORK_QUEUES):  # a vhost may have seen an earlier stage
                channel.queue_delete(queue)
        self.listen()

    def add_account(self, url: str | None = None, name: str = "demo") -> Account:
        """An account at the simulator, synced at once and without a worker."""
        with self.plant.database.transaction() as db:
            account = Account(
                name=name,
                url=url or self.simulator.url,
                customer_uri="demo",
                login="admin",
                secret_sealed=self.plant.vault.seal(b"secret"),
            )
            db.add(account)
            # Synced here and now; one of the producer's own would end whenever it likes.
            own = update(Schedule).where(Schedule.name == "sync")
            db.execute(own.values(next_due=func.now() + text("interval '7 days'")))
        wanted = SyncCommand(account=name)
        (command,) = request_sync(self.plant.database, wanted, requested_by="test")
        self.run(command)
        return account

    def run(self, command: Command) -> None:
        """Run a command's step here and now, where nobody kills it."""
        (step,) = [step for step in STEPS if step.type is command.type]
        run_step(self.line, step, command.id)

    def step_of(self, command: Command, kind: CommandType) -> Command:
        """The open step of that kind of the command's order."""
        with self.plant.database.transaction() as db:
            found = open_step(db, kind, self.order(command).id)
            assert found is not None, f"no {kind} is open"
            return found

    def store(self, **changes: Any) -> Certificate:
        """A stored certificate, made here and now, where nobody kills anything."""
        command = self.place(**changes)
        self.run(command)
        for kind in (CommandType.POLL, CommandType.FETCH):
            step = self.step_of(command, kind)
            until(partial(self.is_done, step), 30, every=0.05)
        with self.plant.database.transaction() as db:
            return db.get_one(Certificate, self.order(command).certificate_id)

    def accept(self, kind: CommandType, payload: dict[str, Any]) -> Command:
        """A command of another system, as the ingress takes it in."""
        with self.plant.database.transaction() as db:
            return accept(db, kind, payload, requested_by="erp", source="erp")[0]

    def is_done(self, step: Command) -> bool:
        """Let time pass, and run a step; whether that was its end."""
        self.age()
        self.run(step)
        return self._again(step).status is CommandStatus.DONE

    def until_in_review(self, commands: Sequence[Command]) -> None:
        """Have workers work until these commands wait for a person."""
        self.work_until(lambda: {self._again(each).status for each in commands} == IN_REVIEW)

    def work_until(self, condition: Callable[[], bool]) -> None:
        """Have workers work, without waiting for anything's time, until the condition is true."""
        self.place()  # a newer one than all that rest: it proves SCM's list current

        def so() -> bool:
            self.hasten()
            return condition()

        with self.start("worker"):
            until(so, 90, every=0.3)
        self.stop("worker")

    def decide(self) -> None:
        """Do what a person does about every order in review: look at SCM, and adopt or send again."""
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
        """SCM as the account sees it."""
        with self.plant.database.transaction() as db:
            return self.line.scm(db.scalars(select(Account)).one())

    def _again(self, command: Command) -> Command:
        with self.plant.database.transaction() as db:
            return db.get_one(Command, command.id)

    @contextmanager
    def unreadable_password(self) -> Iterator[None]:
        """Within this block, no process can read the account's password."""
        with self.plant.database.transaction() as db:
            account = db.scalars(select(Account)).one()
            sealed, account.secret_sealed = account.secret_sealed, b"torn"
        try:
            yield
        finally:
            with self.plant.database.transaction() as db:
                db.scalars(select(Account)).one().secret_sealed = sealed

    def move_account(self, url: str) -> None:
        """The account's SCM is reached by another way."""
        with self.plant.database.transaction() as db:
            db.scalars(select(Account)).one().url = url

    def new_name(self) -> str:
        """A name that the test asks a certificate for."""
        self.names.append(f"s{next(_numbers)}.nordhafen.example")
        return self.names[-1]

    def place(self, **changes: Any) -> Command:
        """Place an order for a new name."""
        return self.plant.place(self.new_name(), **changes)

    def start(
        self,
        *words: str,
        dies: Sequence[Death] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Part:
        """Start a part (`worker`, `relay` …); without `dies` it has to be well at the end."""
        port = run.free_port()
        variables = {**self.plant.environment, "CERTLINE_METRICS_PORT": str(port)}
        if words[0] == "up":  # all in one process, without RabbitMQ
            del variables["CERTLINE_RABBITMQ_URL"]
        else:
            words = ("run", *words)
        deaths = [asdict(death) for death in dies]
        part = self.nursery.start(words, {**variables, **(environment or {})}, deaths)
        if not dies:
            self._parts[f"{words[-1 if words[0] == 'up' else 1]} {part.pid}"] = (part, port)
        return part

    def type(
        self,
        *words: str,
        dies: Sequence[Death] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Part:
        """Type a command, which may die on its way; answers once it has ended."""
        deaths = [asdict(death) for death in dies]
        variables = {**self.plant.environment, **(environment or {})}
        part = self.nursery.start(["--json", *words], variables, deaths)
        part.wait()
        return part

    def fault(self, method: str, path: str, kind: str, **more: Any) -> None:
        """Have the simulator fail for one call, or for `times`."""
        wanted = [{"method": method, "path": path, "times": 1, "kind": kind, **more}]
        self.simulate("POST", "faults", wanted)

    @contextmanager
    def failing(self, method: str, path: str, kind: str, **more: Any) -> Iterator[None]:
        """Have the simulator fail so for each such call within this block."""
        self.fault(method, path, kind, **{"times": None, **more})
        try:
            yield
        finally:
            self.simulate("DELETE", "faults")

    def simulate(self, method: str, path: str, body: Any = None) -> Any:
        """Use the simulator's control door."""
        answer = requests.request(method, f"{self.simulator.door}/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def order(self, command: Command) -> Order:
        """The command's order as it stands."""
        with self.plant.database.transaction() as db:
            return db.scalars(select(Order).where(Order.command_id == command.id)).one()

    def output_of(self, part: str) -> str:
        """What the parts of that name have written."""
        return "".join(each.output for name, (each, _) in self._parts.items() if part in name)

    def open_orders(self) -> int:
        """How many orders have not come to their end."""
        with self.plant.database.transaction() as db:
            query = select(func.count()).select_from(Order).where(Order.status.not_in(FINAL))
            return db.scalar(query) or 0

    def stop(self, part: str) -> None:
        """Kill the parts of that name."""
        for name in [name for name in self._parts if name.startswith(part)]:
            self._parts.pop(name)[0].kill()

    def stop_parts(self) -> None:
        """Kill every part that was started to stay: what it had in hand goes back to RabbitMQ."""
        for part, _ in self._parts.values():
            part.kill()
        self._parts.clear()

    def age(self) -> None:
        """Let an hour pass for everything that waits. No worker may run: none has a call in hand."""
        self.age_commands()
        with self.plant.database.transaction() as db:
            db.execute(update(Order).values(sent_at=Order.sent_at - AN_HOUR))
            unsent = update(Outbox).where(Outbox.sent_at.is_(None))
            db.execute(unsent.values(not_before=Outbox.not_before - AN_HOUR))
            db.execute(
                update(Breaker).values(
                    open_until=Breaker.open_until - AN_HOUR,
                    probing_until=Breaker.probing_until - AN_HOUR,
                )
            )
            db.execute(
                update(Pace).values(
                    next_at=Pace.next_at - AN_HOUR, held_until=Pace.held_until - AN_HOUR
                )
            )

    def age_commands(self) -> None:
        """Nobody has touched a command for an hour: where it is due, its message must be lost."""
        with self.plant.database.transaction() as db:
            waiting = update(Command).where(Command.status.in_(OPEN))
            db.execute(
                waiting.values(
                    not_before=Command.not_before - AN_HOUR, touched_at=Command.touched_at - AN_HOUR
                )
            )

    def let_scm_recover(self) -> None:
        """Others have had answers from SCM, so the breaker is closed."""
        with self.plant.database.transaction() as db:
            db.execute(text("DELETE FROM breaker"))

    def make_schedules_due(self) -> None:
        """Every schedule is due again."""
        with self.plant.database.transaction() as db:
            db.execute(update(Schedule).values(next_due=func.now()))

    def hasten(self) -> None:
        """Make due what waits for its time, and have the sweep look at it."""
        with self.plant.database.transaction() as db:
            db.execute(
                update(Command)
                .where(Command.status == CommandStatus.QUEUED, Command.not_before > func.now())
                .values(not_before=func.now())
            )
            later = update(Outbox).where(Outbox.sent_at.is_(None), Outbox.not_before > func.now())
            db.execute(later.values(not_before=func.now()))
        self.type("schedule", "run", "sweep")

    def come_to_rest(self, expected: Expected, timeout: float = 90) -> None:
        """Wait until every intent is final or rests as it may, making time pass meanwhile."""

        def resting() -> bool:
            with suppress(DBAPIError), self.plant.database.transaction() as db:
                world = World(expected, [], [])
                if not any(every_intent_is_final_or_due(db, world, self.plant.vault)):
                    # A sync that the producer has begun ends with an event, too.
                    under_way = any(self._syncs_under_way()) or any(self._unsent())
                    return not under_way and not any(self.waiting().values())
                self.hasten()
            return False

        # What is wrong is said by the check of the world, and better than by a time-out.
        with suppress(TimeoutError):
            until(resting, timeout, every=0.3)

    def finish(
        self,
        *,
        rests: Collection[OrderStatus] = (),
        timeout: float = 90,
    ) -> list[str]:
        """Wait for the end, stop every part, and answer everything that is wrong with the world."""
        expected = Expected(tuple(self.names), rests, self.letters)
        self.come_to_rest(expected, timeout)
        sick = self._sick()
        self.stop("producer")  # else it may begin something new just now
        self.come_to_rest(expected)
        self.stop_parts()
        at_scm = self.simulate("GET", "orders")
        world = World(expected, at_scm, self._heard(), self.waiting(), sick)
        with self.plant.database.transaction() as db:
            return faults_of(db, world, self.plant.vault)

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

    def until_well(self) -> None:
        """Wait until every part that runs says that it is well."""
        for name, (part, port) in self._parts.items():
            until(partial(_is_well, port), 60)
            assert part.exit_code is None, f"{name} has ended:\n{part.output[-3000:]}"

    def _sick(self) -> dict[str, str]:
        found = {}
        for name, (part, port) in self._parts.items():
            try:
                until(partial(_is_well, port), 15, every=0.2)
            except TimeoutError:
                found[name] = _health(port) or f"it has ended with {part.exit_code}"
        return found

    def listen(self) -> None:
        """Hear every event from now on."""
        with self._channel() as channel:
            channel.exchange_declare(EVENTS, exchange_type="topic", durable=True)
            channel.queue_declare(EAR, durable=True)
            channel.queue_bind(EAR, EVENTS, "#")

    def waiting(self) -> dict[str, int]:
        """How many messages each queue has that nobody holds."""
        with self._channel() as channel:
            return {queue: _count(channel, queue) for queue in WORK_QUEUES}

    def _heard(self) -> list[str]:
        heard: list[str] = []
        with self._channel() as channel:
            while True:
                method, properties, _ = channel.basic_get(EAR)
                if method is None:
                    return heard
                heard.append(properties.message_id)
                # Not acked: the next look hears the same.

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        with pika.BlockingConnection(pika.URLParameters(self.vhost)) as connection:
            yield connection.channel()


def _count(channel: Any, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).method.message_count)


def _is_well(port: int) -> bool:
    return _health(port) == "ok"


def _health(port: int) -> str:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=30).text.strip()
    except requests.RequestException:
        return ""

"""State machine (Hypothesis) on a real Postgres and a model of SCM: deliveries, duplicates, crashes, decisions."""

import itertools
from datetime import timedelta
from functools import partial
from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select, update

from certline.models import Command, CommandStatus, CommandType, Database, Order
from certline.models import OrderStatus as Status
from certline.models.audit.identity import Identity
from certline.models.certificates.license import set_capacity
from certline.models.commands.payloads import OrderCommand
from certline.models.database.session import clock
from certline.models.states import OPEN
from certline.producers.requests.order_review import adopt, send_again
from certline.producers.requests.orders import request_order
from certline.producers.sweep import follow_up, look_up_silent
from certline.workers.app import STEPS
from certline.workers.ordering import submission
from certline.workers.ordering.claim import Claim
from certline.workers.runtime.step import run
from tests.faults.model.line import ModelLine, Sleeper
from tests.faults.model.scm import Ending, Frozen, Killed, ModelScm
from tests.support.factories import a_domain, a_profile, an_account, an_organization

STEP_OF = {step.type: step for step in STEPS}
MOST_ORDERS = 4
HOUR = timedelta(hours=1)
SHORT = timedelta(minutes=5)  # a third of the settle time
NAMES = [f"{name}.nordhafen.example" for name in ("www", "shop", "mail")]
_numbers = itertools.count(1)


class Histories(RuleBasedStateMachine):
    """A state machine of one account and a few orders; its rules are everything that can happen to them."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        number = next(_numbers)
        self.database = database
        self.scm = ModelScm(first_id=number * 1000)
        self.line = ModelLine(database, self.scm)
        self.sleepers: list[Sleeper] = []
        self.fences: dict[str, int] = {}
        self.seen: set[Status] = set()
        self.count = 0
        with database.transaction() as db:
            self.account = an_account(db, name=f"model-{number}")
            mine = {"account_id": self.account.id}
            for row in (an_organization(**mine), a_domain(**mine), a_profile(**mine)):
                db.add(row)
            set_capacity(db, 1_000_000)

    @precondition(lambda self: self.count < MOST_ORDERS)
    @rule(name=st.sampled_from(NAMES), again=st.booleans())
    def place(self, name: str, again: bool) -> None:
        """Place an order, perhaps for a name that was ordered before."""
        wanted = OrderCommand(
            account=self.account.name,
            common_name=name,
            organization="Nordhafen AG",
            profile="OV Single",
            term=90,
            key_algorithm="EC",
            key_size="P-256",
            again=again,
        )
        request_order(self.database, self.line.vault, wanted, requested_by=Identity("os:model"))

    @precondition(lambda self: Status.PLACED in self.seen)
    @rule(ending=st.sampled_from(Ending))
    def deliver(self, ending: Ending) -> None:
        """Send the oldest order that waits to be sent; the call ends in one of many ways."""
        waiting = next(order for order in self.orders() if order.status is Status.PLACED)
        self.scm.ending = ending
        self.run(waiting.command_id or "")
        self.scm.ending = Ending.ANSWERED

    @precondition(lambda self: self.seen)
    @rule(which=st.integers(0, 20))
    def duplicate(self, which: int) -> None:
        """Deliver the message of any command again."""
        commands = self.commands()
        self.run(commands[which % len(commands)].id)

    @precondition(lambda self: Status.SENDING in self.seen or self.sleepers)
    @rule()
    def time_passes(self) -> None:
        """Let more time pass than the settle time and every pause, and run the sweep's checks."""
        with self.database.transaction() as db:
            aged = Order.sent_at - HOUR
            db.execute(
                update(Order).where(Order.account_id == self.account.id).values(sent_at=aged)
            )
            look_up_silent(db, self.line.settings.settle)
            follow_up(db)
            for command in self.commands():
                db.merge(command).not_before = clock(db, -HOUR)
        for sleeper in self.sleepers:
            sleeper.overslept = True

    @precondition(lambda self: self.scm.shown < len(self.scm.records))
    @rule()
    def the_list_catches_up(self) -> None:
        """Let SCM's list show all its records."""
        self.scm.shown = len(self.scm.records)

    @precondition(lambda self: Status.SENDING in self.seen)
    @rule()
    def reconcile(self) -> None:
        """Run every reconcile that is due."""
        self.run_all(CommandType.RECONCILE)

    @precondition(lambda self: Status.SENDING in self.seen)
    @rule(shown=st.booleans())
    def a_long_while(self, shown: bool) -> None:
        """Let an hour pass and reconcile, twice; perhaps SCM's list catches up meanwhile."""
        for _ in range(2):
            self.time_passes()
            if shown:
                self.the_list_catches_up()
            self.reconcile()

    @precondition(lambda self: {Status.PENDING, Status.ISSUED} & self.seen)
    @rule()
    def poll_and_fetch(self) -> None:
        """Run every poll and every fetch that is due."""
        self.run_all(CommandType.POLL)
        self.run_all(CommandType.FETCH)

    @precondition(lambda self: self.sleepers)
    @rule(which=st.integers(0, 5))
    def thaw(self, which: int) -> None:
        """Let a frozen worker continue where it stopped. A call not sent in time is not sent any more."""
        sleeper = self.sleepers.pop(which % len(self.sleepers))
        if sleeper.answer is None and sleeper.overslept:
            release = partial(
                submission._release, claim=sleeper.claim, why="late", costs_attempt=True
            )
            self.database.run(release)
            return
        answer = sleeper.answer or self.scm.execute(sleeper.enrolment)
        store = partial(submission._record_answer, claim=sleeper.claim, answer=answer)
        self.database.run(partial(store, first_poll=timedelta(0)))

    @precondition(lambda self: Status.REVIEW in self.seen)
    @rule()
    def resolve(self) -> None:
        """Decide the orders in review, as an operator who sees what SCM really holds."""
        for order in self.orders():
            if order.status is Status.REVIEW:
                theirs = [
                    record.ssl_id
                    for record in self.scm.records
                    if record.key_sha256 == order.public_key_sha256
                ]
                if theirs:
                    adopt(self.database, order.id, theirs[0], who=Identity("os:model"), why=None)
                else:
                    send_again(self.database, order.id, who=Identity("os:model"), why=None)

    @invariant()
    def the_world_is_right(self) -> None:
        """Check: no order is at SCM twice or unknown to us, no intent is open twice, SCM has what we believe."""
        orders = self.orders()
        self.seen, self.count = {order.status for order in orders}, len(orders)
        there = {record.ssl_id: record.key_sha256 for record in self.scm.records}
        assert len(there) == len(set(there.values())), "an order is at SCM twice"
        assert set(there.values()) <= {order.public_key_sha256 for order in orders}
        intents = [order.business_key for order in orders if order.status in OPEN]
        assert len(intents) == len(set(intents)), "two open orders of one intent"
        for order in orders:
            assert order.fence >= self.fences.get(order.id, 0), "a fence has fallen"
            self.fences[order.id] = order.fence
            if order.status in (Status.PENDING, Status.ISSUED, Status.STORED):
                assert there[order.scm_id or 0] == order.public_key_sha256, "another's order"

    def teardown(self) -> None:
        """Check that, whatever has happened, every order ends as stored, with exactly one record at SCM."""
        while self.sleepers:
            self.thaw(0)
        self.scm.ending = Ending.ANSWERED
        for _ in range(12):
            if {order.status for order in self.orders()} <= {Status.STORED}:
                break
            self.the_list_catches_up()
            self.time_passes()
            for kind in (CommandType.RECONCILE, CommandType.ORDER):
                self.run_all(kind)
            self.resolve()
            self.poll_and_fetch()
            self.the_world_is_right()
        assert {order.status for order in self.orders()} <= {Status.STORED}
        assert len(self.scm.records) == len(self.orders())
        super().teardown()

    def orders(self) -> list[Order]:
        """Return the account's orders, oldest first."""
        with self.database.transaction() as db:
            query = select(Order).where(Order.account_id == self.account.id)
            return list(db.scalars(query.order_by(Order.created_at)))

    def commands(self) -> list[Command]:
        """Return every command about the orders, oldest first; ties are broken the same way in each run."""
        subjects = [order.id for order in self.orders()]
        with self.database.transaction() as db:
            found = db.scalars(select(Command).where(Command.subject.in_(subjects))).all()
        return sorted(
            found, key=lambda each: (each.created_at, each.type, subjects.index(str(each.subject)))
        )

    def run_all(self, kind: CommandType) -> None:
        """Deliver every queued command of a type, and those whose worker died before sending anything.

        The sweep would wake the latter.
        """
        unsent = {order.command_id for order in self.orders() if order.status is Status.PLACED}
        for command in self.commands():
            waits = command.status is CommandStatus.QUEUED or command.id in unsent
            if command.type is kind and waits:
                self.run(command.id)

    def run(self, command_id: str) -> None:
        """Deliver one command's message; the worker may die or freeze meanwhile.

        Short pauses are treated as over, so that a history doesn't depend on the speed of the machine.
        """
        with self.database.transaction() as db:
            command = db.get_one(Command, command_id)
            if command.not_before < clock(db, SHORT):
                command.not_before = clock(db, -SHORT)
            step = STEP_OF[command.type]
        try:
            run(self.line, step, command_id)
        except Killed:
            return
        except Frozen as frozen:
            with self.database.transaction() as db:
                order = db.get_one(Order, command.subject)
            claim = Claim(order, order.account, order.fence, order.attempts, None, inf)
            self.sleepers.append(Sleeper(claim, frozen.enrolment, frozen.answer))

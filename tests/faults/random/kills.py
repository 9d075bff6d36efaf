"""Random kills by a seed: mixed commands, every process killed at moments chosen by the seed, then all checks.

A moment is "at the n-th effect of this process" instead of a time, so that a seed that fails will fail again.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import select

from certline.models import (
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Order,
)
from certline.models.audit.identity import Identity
from certline.models.commands.command import MOST_RESTARTS
from certline.models.commands.payloads import SyncCommand
from certline.models.orders.order import order_of_command
from certline.producers.requests.catalogue import request_sync
from tests.faults.crashes.injection import Death
from tests.faults.harness.external_client import order_event, send_to_exchange
from tests.faults.harness.scenario import Stage
from tests.faults.stories.cancel_delete import cancelling
from tests.servers import until
from tests.support.forkserver import Part

# Each process: its arguments, how often it is killed while commands arrive, and by which effect at the latest.
WORKER = ("worker", "--threads", "2")
VICTIMS: list[tuple[tuple[str, ...], int, int]] = [
    (WORKER, 8, 60),
    (WORKER, 8, 60),
    (("relay",), 6, 80),
    (("ingress",), 3, 8),
    (("producer",), 2, 6),
]
# The same for the second round, in which workers reconcile what the first round left behind.
SECOND_ROUND = [(WORKER, 2, 40), (WORKER, 2, 40)]
# Seconds without a kill or a command after which a round ends: too little work is left to reach the next death.
QUIET = 5.0
# Most orders open at once: later commands need the certificates of earlier ones.
MOST_OPEN = 12
# Name of the process in the table, by module; other modules keep their own name.
PARTS = {
    "schedule": "producer",
    "renewals.auto_renew": "producer",
    "messaging.publisher": "relay",
    "messaging.consumer": "ingress",
    "messaging.dead_work": "ingress",
}


@dataclass
class Run:
    """Result of a seed: deaths by process and kind of point, commands by name, and all faults found."""

    seed: int
    died: Counter[tuple[str, str]] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    # Commands put into review because their workers died ten times in a row, and then retried.
    stopped: int = 0


class Victim:
    """A process that is killed and restarted until its deaths are used up."""

    def __init__(self, stage: Stage, words: tuple[str, ...], deaths: list[Death]) -> None:
        self._stage = stage
        self._words = words
        self._deaths = deaths
        self.part: Part | None = None

    @property
    def is_doomed(self) -> bool:
        """True while deaths are left or the process runs."""
        return bool(self._deaths) or self.part is not None

    def look(self) -> str | None:
        """Restart the process if it has died. Returns the point of its death, else None."""
        if self.part is not None and self.part.exit_code is None:
            return None
        died = self.part.met[0]["point"] if self.part is not None and self.part.met else None
        self.part = None
        if self._deaths:
            self.part = self._stage.start(*self._words, dies=[self._deaths.pop()])
        return died

    def end(self) -> None:
        """Kill the process now, and cancel its remaining deaths."""
        self._deaths.clear()
        if self.part is not None:
            self.part.kill()
            self.part = None


def run(stage: Stage, seed: int, commands: int) -> Run:
    """Run a seed on a fresh stage. Returns its result."""
    stage.until_well()  # exchanges and queues are declared by then
    stock(stage, commands // 3)
    stage.stop_parts()
    chance = random.Random(seed)  # noqa: S311  # reproducible on purpose
    outcome = Run(seed)
    share = commands / 200
    asking = mixed_commands(stage, chance, commands, outcome.asked)
    _round(stage, _victims(stage, chance, VICTIMS, share), outcome, asking)
    # Orders left in `sending` are reconciled now, and the workers that do so are killed too.
    stage.age()
    for part in ("relay", "producer", "ingress"):
        stage.start(part)
    stage.place()
    stage.hasten()
    _round(stage, _victims(stage, chance, SECOND_ROUND, 1), outcome, iter(()))
    stage.age()
    outcome.stopped = try_stopped_again(stage)
    stage.start("worker")
    stage.place()
    outcome.wrong = stage.finish(timeout=180)
    return outcome


def stock(stage: Stage, count: int) -> None:
    """Have certificates stored before the first kill, for renewals, reissues and revocations from the start."""
    with stage.start("worker"):
        for _ in range(count):
            stage.place()
        until(lambda: not stage.open_orders(), 120, every=0.1)


def try_stopped_again(stage: Stage) -> int:
    """Retry, as an operator, the commands stopped because their workers died each time. Returns how many.

    Here the workers were killed, so the commands are not at fault. An order that was stopped was never sent.
    """
    with stage.plant.database.transaction() as db:
        stopped = {
            command_id: order_of_command(db, command_id)
            for command_id in db.scalars(
                select(Command.id).where(
                    Command.status == CommandStatus.REVIEW, Command.restarts > MOST_RESTARTS
                )
            )
        }
    for command_id, order in stopped.items():
        if order is None:
            stage.type("command", "retry", command_id)
        else:
            stage.type("order", "resolve", order.id, "--resend", "--yes")
    return len(stopped)


def _victims(
    stage: Stage,
    chance: random.Random,
    wanted: Sequence[tuple[tuple[str, ...], int, int]],
    share: float,
) -> list[Victim]:
    victims = []
    for words, times, latest in wanted:
        count = max(1, round(times * share))
        deaths = [Death(nth=chance.randint(1, latest)) for _ in range(count)]
        victims.append(Victim(stage, words, deaths))
    return victims


def _round(stage: Stage, victims: list[Victim], outcome: Run, asking: Iterator[str]) -> None:
    """Send commands and kill processes until all are used up, or nothing happens any more."""

    def moved() -> bool:
        seen = False
        for victim in victims:
            point = victim.look()
            if point is not None:
                outcome.died[_part_of(point), _kind_of(point)] += 1
                seen = True
        if stage.open_orders() < MOST_OPEN:
            seen = next(asking, None) is not None or seen
        return seen

    # On a time-out the remaining processes are idle; they are killed where they are.
    with suppress(TimeoutError):
        while any(victim.is_doomed for victim in victims):
            until(moved, QUIET, every=0.02)
    for victim in victims:
        victim.end()
    for _ in asking:
        pass


def mixed_commands(
    stage: Stage, chance: random.Random, count: int, asked: Counter[str]
) -> Iterator[str]:
    """Send one command after another, chosen at random; yield the name of each."""
    ways: dict[str, tuple[int, Callable[[], bool]]] = {
        "order": (48, partial(_order, stage)),
        "cancel": (4, partial(_cancel, stage)),
        "order from outside": (14, partial(_order_from_outside, stage)),
        "sync": (2, partial(_sync, stage)),
        "poll of all": (6, partial(_poll_all, stage)),
        "renew": (10, partial(_succeed, stage, chance, CommandType.RENEW)),
        "reissue": (8, partial(_succeed, stage, chance, CommandType.REISSUE)),
        "revoke": (8, partial(_succeed, stage, chance, CommandType.REVOKE)),
    }
    weights = [weight for weight, _ in ways.values()]
    for _ in range(count):
        (name,) = chance.choices(list(ways), weights)
        if not ways[name][1]():
            name = "order"
            _order(stage)
        asked[name] += 1
        yield name


def _order(stage: Stage) -> bool:
    stage.place()
    return True


def _cancel(stage: Stage) -> bool:
    """Place an order and cancel it at once: either may be first, and SCM may have issued it already."""
    cancelling(stage, stage.place())
    return True


def _order_from_outside(stage: Stage) -> bool:
    send_to_exchange(stage.vhost, order_event(stage.plant.wanted(stage.new_name())))
    return True


def _sync(stage: Stage) -> bool:
    request_sync(stage.plant.database, SyncCommand(), requested_by=Identity("os:test"))
    return True


def _poll_all(stage: Stage) -> bool:
    stage.accept(CommandType.POLL, {})
    return True


def _succeed(stage: Stage, chance: random.Random, kind: CommandType) -> bool:
    """Renew, reissue or revoke a certificate that no command is about yet. Returns False if there is none."""
    certificate = untouched_certificate(stage, chance)
    if certificate is None:
        return False
    reason = {CommandType.REISSUE: {"reason": "lost"}, CommandType.REVOKE: {"comments": "lost"}}
    stage.accept(kind, {"certificate": certificate, **reason.get(kind, {})})
    return True


def untouched_certificate(stage: Stage, chance: random.Random) -> str | None:
    """Choose a certificate that no command is about yet, and note that one will be. Returns None without one."""
    with stage.plant.database.transaction() as db:
        touched = select(Order.predecessor_id).where(Order.predecessor_id.is_not(None))
        # What a renewal brought is not renewed again so soon (docs/renewals.md).
        renewed = select(Order.certificate_id).where(
            Order.predecessor_id.is_not(None), Order.certificate_id.is_not(None)
        )
        fresh = db.scalars(
            select(Certificate.id)
            .where(
                Certificate.status == CertificateStatus.ACTIVE,
                Certificate.id.not_in(touched),
                Certificate.id.not_in(stage.touched),
                Certificate.id.not_in(renewed),
            )
            .order_by(Certificate.common_name)
        ).all()
    if not fresh:
        return None
    stage.touched.append(chance.choice(fresh))
    return stage.touched[-1]


def _part_of(point: str) -> str:
    room, _, module = point.partition(":")[0].partition(".")
    return "worker" if room == "workers" else PARTS.get(module, module)


def _kind_of(point: str) -> str:
    effect, _, phase = point.rpartition(" ")
    if " call " in effect:
        return f"{phase} a call to SCM"
    if " store " in effect or " transaction" in effect:
        return f"{phase} a commit"
    return f"{phase} a message"

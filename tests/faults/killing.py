"""How parts are killed at points: one after another, until each has met its death."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from certline.models import Command
from tests.faults.crashing import Death
from tests.faults.stage import Stage
from tests.nursery import Part
from tests.servers import until

# Seconds that a part may take to come to a point where it has to die, and how often it may try: what
# another's death has left in `sending` needs time to pass, and a newer order as a witness.
PATIENCE, TRIES = 15, 6


# Calls that change something at SCM, or at a receiver.
COSTLY = ("enroll", "renew", "replace", "revoke", "revoke_by_serial", "post")


# Transactions that only read.
READING = {
    "workers.steps.order:_placed transaction",
    "workers.ordering.submission:send transaction",
    "workers.steps.poll:poll transaction 2",
    "workers.steps.fetch:fetch transaction",
    "workers.steps.hook:hook transaction",
    "workers.steps.sync:sync transaction",
    "workers.steps.reconcile:reconcile transaction",
    "workers.ordering.succession:placed transaction",
    "workers.ordering.precheck:may_be_sent transaction",
    "workers.steps.import_orders:_so_far transaction",
    "workers.steps.import_orders:_listed transaction",
    "workers.steps.import_batch:import_batch transaction",
    "workers.steps.import_batch:import_batch transaction 2",
    "producers.requests.orders:request_order transaction",
    "producers.requests.certificates:request_successor transaction",
}


def points_of(effects: Iterable[str]) -> list[str]:
    """Both points of each effect; what only reads has no `before` worth a death of its own."""
    return [
        f"{effect} {phase}"
        for effect in effects
        for phase in ("before", "after")
        if phase == "after" or not _only_reads(effect)
    ]


def _only_reads(effect: str) -> bool:
    return effect in READING or (" call " in effect and not effect.endswith(COSTLY))


def kill(stage: Stage, deaths: Sequence[Death], *words: str, hands: int = 1) -> None:
    """Start the part again and again, until every death has been met; `hands` of them at a time.

    Where none is met for long, an hour passes.
    """
    left = dict(enumerate(deaths))
    running: list[tuple[Part, list[int]]] = []

    def one_has_ended() -> bool:
        return any(part.exit_code is not None for part, _ in running)

    tries = 0
    while left:
        while len(running) < min(hands, len(left)):
            running.append((stage.start(*words, dies=list(left.values())), list(left)))
        with suppress(TimeoutError):
            until(one_has_ended, PATIENCE, every=0.02)
        ended = [each for each in running if each[0].exit_code is not None]
        for part, numbers in ended or running:
            part.kill()
            for death in part.met:
                left.pop(numbers[death["number"]], None)
        missed = "\n".join(death.point for death in left.values())
        tries = 0 if ended else tries + 1
        assert tries < TRIES, f"{words} never came to:\n{missed}\n{part.output[-3000:]}"
        running = [each for each in running if each not in ended] if ended else []
        if not ended:
            stage.age()
            stage.hasten()
            stage.place()
    for part, _ in running:
        part.kill()
    stage.age()


def kill_workers(stage: Stage, points: Sequence[str], commands: Sequence[Command]) -> None:
    """Kill a worker at each point, each in its work for another command.

    Each has one thread, so that nobody else dies in the middle of something.
    """
    deaths = [
        Death(point, intent=command.correlation_id)
        for point, command in zip(points, commands, strict=True)
    ]
    kill(stage, deaths, "worker", "--threads", "1", hands=3)

"""Killing of processes at given points, one death after another until all have happened."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from certline.models import Command
from tests.faults.crashes.injection import Death
from tests.faults.harness.scenario import Stage
from tests.servers import until
from tests.support.forkserver import Part

# Seconds that a process may take to reach a point where it has to die, and number of tries. An order left in
# `sending` by an earlier death needs time to pass, and a newer order as a witness that SCM's list is current.
PATIENCE, TRIES = 15, 6


# Calls that change something at SCM or at a webhook's receiver, or that tell people something.
COSTLY = (
    *("enroll", "renew", "replace", "revoke", "revoke_by_serial", "post", "send"),
    *("start_validation", "submit_validation", "publish", "withdraw"),
)


# Transactions that only read.
READING = {
    "workers.ordering.placement:place_once transaction",
    "workers.steps.hook:hook transaction",
    "workers.steps.sync:sync transaction",
    "workers.steps.reconcile:reconcile transaction",
    "workers.steps.import_orders:_so_far transaction",
    "workers.steps.import_orders:_listed transaction",
    "workers.steps.import_batch:import_batch transaction",
    "workers.steps.import_batch:import_batch transaction 2",
}


def points_of(effects: Iterable[str]) -> list[str]:
    """Return the points of each effect: `after`, and `before` unless the effect only reads."""
    return [
        f"{effect} {phase}"
        for effect in effects
        for phase in ("before", "after")
        if phase == "after" or not _only_reads(effect)
    ]


def _only_reads(effect: str) -> bool:
    return effect in READING or (" call " in effect and not effect.endswith(COSTLY))


def kill(stage: Stage, deaths: Sequence[Death], *words: str, hands: int = 1) -> None:
    """Start a process again and again until every death has happened; `hands` processes at a time.

    If none happens for PATIENCE seconds, an hour is made to pass; after TRIES of those the test fails.
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
    """Kill a worker at each point, while it works for the command of the same position.

    Each worker has one thread, so that a death interrupts no other work.
    """
    deaths = [
        Death(point, intent=command.correlation_id)
        for point, command in zip(points, commands, strict=True)
    ]
    kill(stage, deaths, "worker", "--threads", "1", hands=3)

"""Backlog: due commands that wait for a worker."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models.commands.command import Command
from certline.models.commands.kinds import KINDS
from certline.models.database.session import clock
from certline.models.states import CommandStatus, Queue

DUE = (Command.status == CommandStatus.QUEUED, Command.not_before <= func.now())


@dataclass(frozen=True)
class StuckQueue:
    """A queue whose work does not move: how many commands are due, and for how long the oldest has been."""

    queue: Queue
    count: int
    oldest: timedelta


def oldest_queued(db: Session) -> float:
    """Return the seconds for which the oldest due command has waited for a worker; 0 if none does."""
    age = func.extract("epoch", func.now() - func.min(Command.not_before))
    return float(db.scalar(select(age).where(*DUE)) or 0)


def oldest_by_queue(db: Session) -> dict[Queue, float]:
    """Return for each queue the seconds for which its oldest due command has waited; 0 if none waits."""
    age = func.extract("epoch", func.now() - func.min(Command.not_before))
    found = dict.fromkeys(Queue, 0.0)
    for kind, seconds in db.execute(select(Command.type, age).where(*DUE).group_by(Command.type)):
        queue = KINDS[kind].queue
        found[queue] = max(found[queue], float(seconds))
    return found


def stuck_queues(db: Session, longest: timedelta) -> list[StuckQueue]:
    """Return the queues with a command that has been due for `longest`, and none started within that time.

    A long queue that moves is none of them, however long its oldest command has waited.
    """
    now = clock(db)
    due = select(Command.type, func.count(), func.min(Command.not_before)).where(*DUE)
    found: dict[Queue, StuckQueue] = {}
    for kind, count, since in db.execute(due.group_by(Command.type)):
        queue = KINDS[kind].queue
        other = found.get(queue, StuckQueue(queue, 0, timedelta(0)))
        found[queue] = StuckQueue(queue, other.count + count, max(other.oldest, now - since))
    started = select(Command.type).where(
        Command.status == CommandStatus.RUNNING, Command.touched_at > now - longest
    )
    moving = {KINDS[kind].queue for kind in db.scalars(started.distinct())}
    return [each for each in found.values() if each.oldest > longest and each.queue not in moving]

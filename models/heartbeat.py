"""Heartbeats: one row for each running process, which it refreshes at an interval and removes when it stops."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base

# A process whose heartbeat is older than this many intervals is no longer counted as running.
MISSED = 3
# The columns that each heartbeat refreshes, besides the time.
TOLD = ("fault", "scm_calls", "scm_errors", "scm_seconds")
# After this time the row of a process that was killed is deleted.
KEEP_STALE = timedelta(hours=1)


class Part(StrEnum):
    """A long-running part of certline. `up` is worker, relay and producer in one process."""

    WORKER = "worker"
    RELAY = "relay"
    INGRESS = "ingress"
    PRODUCER = "producer"
    UP = "up"


# What each part does, in terms of the parts that `certline run` knows.
DOES = {part: frozenset({part}) for part in Part} | {
    Part.UP: frozenset({Part.WORKER, Part.RELAY, Part.PRODUCER})
}


class Heartbeat(Base):
    """A process of a part: where it runs, with which queues and secret keys, and when it was last seen.

    `keys`: names of its secret keys, the newest first; a name reveals nothing about the key. `fault`: why the
    process is unhealthy by its own account. `every`: seconds between two heartbeats. `threads`: those that work.
    `scm_calls`, `scm_errors`: calls to SCM that ended in the `scm_seconds` before the heartbeat, and those of them
    in which SCM was unreachable, failing or unwilling (`ScmTally`).
    """

    __tablename__ = "heartbeat"

    id: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    version: Mapped[str]
    queues: Mapped[list[str]]
    keys: Mapped[list[str]]
    fault: Mapped[str | None]
    every: Mapped[float]
    threads: Mapped[int] = mapped_column(default=0)
    scm_calls: Mapped[int] = mapped_column(BigInteger, default=0)
    scm_errors: Mapped[int] = mapped_column(BigInteger, default=0)
    scm_seconds: Mapped[float] = mapped_column(default=0.0)
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def place(self) -> str:
        """Part, host and process id, as they are displayed."""
        return f"{self.part} on {self.host} (pid {self.pid})"


@dataclass(frozen=True)
class ScmCount:
    """Calls to SCM that have ended since a process started, and how many of them failed because of SCM."""

    calls: int = 0
    errors: int = 0

    def __sub__(self, earlier: "ScmCount") -> "ScmCount":
        return ScmCount(self.calls - earlier.calls, self.errors - earlier.errors)


class ScmTally:
    """Tally of a process's calls to SCM, kept in memory until its next heartbeat. Thread-safe."""

    def __init__(self) -> None:
        self._count = ScmCount()
        self._lock = threading.Lock()

    def add(self, *, failed: bool) -> None:
        """Count a call that has ended."""
        with self._lock:
            self._count = ScmCount(self._count.calls + 1, self._count.errors + failed)

    @property
    def count(self) -> ScmCount:
        """Everything counted since the process started."""
        return self._count


def beat(db: Session, row: dict[str, object]) -> None:
    """Insert or refresh the heartbeat of a process; `row` has the columns other than the two times."""
    fresh = insert(Heartbeat).values(row)
    told = {name: fresh.excluded[name] for name in TOLD if name in row}
    db.execute(
        fresh.on_conflict_do_update(
            index_elements=[Heartbeat.id], set_={**told, "seen_at": func.now()}
        )
    )


def replace_stale(db: Session, part: str, host: str, pid: int) -> None:
    """Delete the heartbeats that a starting process replaces.

    These are the row of an earlier process with its id (in a container each process has the same one), and the
    stale rows of its part on its host.
    """
    same = (Heartbeat.part == part, Heartbeat.host == host)
    db.execute(delete(Heartbeat).where(*same, (Heartbeat.pid == pid) | _is_stale()))


def end_heartbeat(db: Session, own_id: str) -> None:
    """Delete the heartbeat of a process that stops."""
    db.execute(delete(Heartbeat).where(Heartbeat.id == own_id))


def forget_stale(db: Session) -> int:
    """Delete the heartbeats of processes that were last seen more than KEEP_STALE ago. Returns how many."""
    old = delete(Heartbeat).where(Heartbeat.seen_at < func.now() - KEEP_STALE)
    return len(db.scalars(old.returning(Heartbeat.id)).all())


def running_parts(db: Session) -> list[Heartbeat]:
    """Load the heartbeats of the processes that run, sorted by part and host."""
    query = select(Heartbeat).where(~_is_stale())
    return list(db.scalars(query.order_by(Heartbeat.part, Heartbeat.host, Heartbeat.pid)))


def stale_parts(db: Session) -> list[Heartbeat]:
    """Load the heartbeats of processes that ended without removing them, or that are stuck."""
    query = select(Heartbeat).where(_is_stale())
    return list(db.scalars(query.order_by(Heartbeat.part, Heartbeat.host, Heartbeat.pid)))


def roles_in(rows: Collection[Heartbeat]) -> frozenset[Part]:
    """Return the parts that these processes stand for; `up` stands for three."""
    known = [Part(row.part) for row in rows if row.part in list(Part)]
    return frozenset().union(*(DOES[part] for part in known))


def queues_in(rows: Sequence[Heartbeat]) -> set[str]:
    """Return the queues that these processes take work from."""
    return {queue for row in rows for queue in row.queues}


def _is_stale() -> ColumnElement[bool]:
    age = func.extract("epoch", func.now() - Heartbeat.seen_at)
    return age > MISSED * Heartbeat.every

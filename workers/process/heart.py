"""The heart of a process: refreshes its heartbeat in the database, and proves its secret keys again each time."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import structlog
from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from certline.models import Database, Queue
from certline.models.database.base import new_id
from certline.models.heartbeat import (
    Part,
    ScmCount,
    ScmTally,
    beat,
    end_heartbeat,
    replace_stale,
)
from certline.models.key_proof import key_fault, watch_keys
from certline.models.vault import Vault
from certline.workers.process.health import fault_of
from certline.workers.process.readiness import Check

log = structlog.get_logger()


class Heart:
    """The heartbeat of this process. `every`: seconds between two of them.

    Each heartbeat also proves the vault's keys: once they are no longer those of the installation, the vault is
    withdrawn, and the heartbeat's fault says so. Relay and producer need no keys: their vault may be None.
    `tally`: the calls to SCM of this process, if it makes any; each heartbeat tells those since the last one.
    """

    def __init__(
        self,
        database: Database,
        part: Part,
        *,
        every: float,
        check: Check,
        vault: Vault | None,
        queues: Sequence[str] = (),
        threads: int = 0,
        tally: ScmTally | None = None,
    ) -> None:
        self._database = database
        self._check = check
        self._tally = tally
        # What the last heartbeat that was stored has told of the calls to SCM, and when (monotonic seconds).
        self._told, self._told_at = ScmCount(), time.monotonic()
        self._vault = vault
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)
        self._row: dict[str, object] = {
            "id": new_id(),
            "part": part.value,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": version("certline"),
            "queues": sorted(queues),
            "keys": vault.keys if vault is not None else [],
            "every": every,
            "threads": threads,
        }
        if vault is not None:
            watch_keys(database, vault)

    def start(self) -> None:
        """Beat at once, and from now on in a thread of its own."""
        self._try(self._replace)
        self._thread.start()

    def stop(self) -> None:
        """Remove the heartbeat; without Postgres its row goes stale instead."""
        self._stop.set()
        self._thread.join(timeout=30)
        self._try(self._end)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._try(self._beat)

    def _replace(self) -> None:
        with self._database.transaction() as db:
            replace_stale(db, str(self._row["part"]), str(self._row["host"]), os.getpid())
            beat(db, self._row | {"fault": None})

    def _beat(self) -> None:
        count, now = ScmCount() if self._tally is None else self._tally.count, time.monotonic()
        new = count - self._told
        calls = {
            "scm_calls": new.calls,
            "scm_errors": new.errors,
            "scm_seconds": now - self._told_at,
        }
        with self._database.transaction() as db:
            fault = None if self._vault is None else self._prove(db, self._vault)
            beat(db, self._row | calls | {"fault": fault or self._check()})
        # Only now: what a heartbeat could not store, the next one tells.
        self._told, self._told_at = count, now

    def _prove(self, db: Session, vault: Vault) -> str | None:
        """Return why the vault was withdrawn just now or before, or None."""
        fault = key_fault(db, vault)
        if fault is not None and vault.withdrawn is None:
            log.error("secret_key.withdrawn", why=fault)
        vault.withdrawn = fault
        return fault

    def _end(self) -> None:
        with self._database.transaction() as db:
            end_heartbeat(db, str(self._row["id"]))

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except SQLAlchemyError as error:
            log.warning("heartbeat.missed", error=str(getattr(error, "orig", error)).strip())


@contextmanager
def beating(heart: Heart) -> Iterator[None]:
    """Beat for the length of the block."""
    heart.start()
    try:
        yield
    finally:
        heart.stop()


class WorkerHeart(Middleware):
    """Middleware that beats for a worker process, from its start until its last thread has ended."""

    def __init__(self, database: Database, vault: Vault, every: float, tally: ScmTally) -> None:
        self._database = database
        self._vault = vault
        self._every = every
        self._tally = tally
        self._heart: Heart | None = None

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Start beating once the worker's threads run."""
        self._heart = Heart(
            self._database,
            Part.WORKER,
            every=self._every,
            check=lambda: fault_of(worker),
            queues=sorted(worker.consumer_whitelist or [queue.value for queue in Queue]),
            vault=self._vault,
            threads=worker.worker_threads,
            tally=self._tally,
        )
        self._heart.start()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Remove the heartbeat."""
        if self._heart is not None:
            self._heart.stop()

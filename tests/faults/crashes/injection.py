"""Patches that make a process of certline die at a named point, by SIGKILL to its whole group.

    python -m tests.faults.crashes.injection 'workers.ordering.submission:_call call enroll after' run worker

Only the lowest functions are patched, before the CLI starts: the database's transaction, the one function that
calls SCM, and operations on messages of pika, of Dramatiq, and of our window of confirms. `effect_scan.py` finds
which place in our sources such a call comes from.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer
from pika.adapters.blocking_connection import BlockingChannel
from sqlalchemy.orm import Session

from certline.cli.main import main
from certline.models import Database
from certline.models.database.connection import connection_string
from certline.producers.messaging.window import ConfirmWindow
from certline.workers import app
from certline.workers.dns.rfc2136 import DynamicUpdate
from certline.workers.notices import channel
from certline.workers.runtime import step
from certline.workers.runtime.context import WorkerContext
from certline.workers.scm.transport.caller import Caller
from certline.workers.webhooks import receiver
from tests.faults.crashes.effect_scan import CALL, MESSAGE, TRANSACTION, Effect, effect_at


@dataclass(frozen=True)
class Death:
    """A death of a process: at the `nth` time that it reaches `point`, or any point if that is "".

    `intent`: only while working for the command with that correlation id. `signal`: SIGSTOP freezes it instead.
    """

    point: str = ""
    intent: str | None = None
    nth: int = 1
    signal: int = signal.SIGKILL


class Reaper:
    """Counter of the points that this process reaches; kills its group at the points of its deaths."""

    def __init__(self, deaths: Sequence[Death], record: Path) -> None:
        self._left = [death.nth for death in deaths]
        self._deaths = deaths
        self._record = record
        self._lock = threading.Lock()
        self._work = threading.local()
        self._intents: dict[str, str | None] = {}

    @contextmanager
    def working_for(self, command_id: str) -> Iterator[None]:
        """Mark what this thread does within the block as work for a command."""
        before = getattr(self._work, "intent", None)
        self._work.intent = self._intent_of(command_id)
        try:
            yield
        finally:
            self._work.intent = before

    def meet(self, effect: Effect | None, phase: str) -> None:
        """Count that this thread is just before or after an effect, and die if a death is due."""
        if effect is None:
            return
        intent = getattr(self._work, "intent", None)
        point = f"{effect.name} {phase}"
        with self._lock:
            for number, death in enumerate(self._deaths):
                if death.point not in ("", point) or death.intent not in (None, intent):
                    continue
                self._left[number] -= 1
                if self._left[number] == 0:
                    self._die(number, point, intent)

    def _die(self, number: int, point: str, intent: str | None) -> None:
        line = json.dumps({"number": number, "point": point, "intent": intent})
        with self._record.open("a") as record:
            record.write(f"{line}\n")
        os.killpg(os.getpgrp(), self._deaths[number].signal)

    def _intent_of(self, command_id: str) -> str | None:
        if not self._deaths:  # nobody will ask
            return None
        if command_id not in self._intents:
            query = "SELECT correlation_id FROM command WHERE id = %s"
            try:
                with psycopg.connect(
                    connection_string(os.environ["CERTLINE_DATABASE_URL"])
                ) as connection:
                    row = connection.execute(query, [command_id]).fetchone()
            except psycopg.Error:
                return None
            self._intents[command_id] = None if row is None else str(row[0])
        return self._intents[command_id]


def install(deaths: Sequence[Death], record: Path) -> None:
    """Patch this process and the workers it will fork. Deaths are written to `record`, one JSON per line."""
    # Python 3.14 starts processes from a fork server, which would not have our patches.
    if multiprocessing.get_start_method(allow_none=True) != "fork":
        multiprocessing.set_start_method("fork", force=True)
    reaper = Reaper(deaths, record)
    _watch_transactions(reaper)
    _watch(reaper, CALL, Caller, "_ask")
    _watch(reaper, CALL, receiver, "post")
    for deed in ("publish", "withdraw"):
        _watch(reaper, CALL, DynamicUpdate, deed)
    _watch(reaper, CALL, channel, "send")
    for owner, method in (
        (_RabbitmqConsumer, "ack"),
        (_RabbitmqConsumer, "nack"),
        (RabbitmqBroker, "enqueue"),
        (ConfirmWindow, "send_all"),
        (ConfirmWindow, "await_verdicts"),
        (BlockingChannel, "basic_ack"),
        (BlockingChannel, "basic_nack"),
        (BlockingChannel, "basic_reject"),
    ):
        _watch(reaper, MESSAGE, owner, method)
    _know_the_work(reaper)


def _watch_transactions(reaper: Reaper) -> None:
    original = Database.transaction

    @contextmanager
    def transaction(self: Database) -> Iterator[Session]:
        effect = effect_at(sys._getframe(), TRANSACTION)
        with original(self) as session:
            yield session
            # Flushed first, so that "before" is right before the commit, with all statements executed.
            session.flush()
            reaper.meet(effect, "before")
        reaper.meet(effect, "after")

    Database.transaction = transaction  # type: ignore[method-assign]


def _watch(reaper: Reaper, kind: str, owner: type | ModuleType, method: str) -> None:
    original: Callable[..., Any] = getattr(owner, method)

    @wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        effect = effect_at(sys._getframe(), kind)
        reaper.meet(effect, "before")
        answer = original(self, *args, **kwargs)
        reaper.meet(effect, "after")
        return answer

    setattr(owner, method, watched)


def _know_the_work(reaper: Reaper) -> None:
    run: Callable[..., None] = step.run
    ack: Callable[..., None] = _RabbitmqConsumer.ack

    def run_known(context: WorkerContext, kind: step.Step[Any], command_id: str) -> None:
        with reaper.working_for(command_id):
            run(context, kind, command_id)

    def ack_known(self: Any, message: Any) -> None:
        command_id = message.kwargs.get("command_id") or message.kwargs.get("id")
        with reaper.working_for(str(command_id)):
            ack(self, message)

    setattr(app, "run", run_known)  # noqa: B010  # it is imported there, not its own
    setattr(_RabbitmqConsumer, "ack", ack_known)  # noqa: B010  # Dramatiq has it untyped


def death_as_json(death: Death) -> dict[str, Any]:
    """Return a death as it is passed to another process."""
    return asdict(death)


if __name__ == "__main__":
    where, *words = sys.argv[1:]
    name, _, count = where.partition("#")
    install([Death(name, nth=int(count or 1))], Path(os.devnull))
    os.setpgrp()
    main(words)

"""Commands that are accepted and claimed, by one or by many at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models import Base, Command, CommandType, Database
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept, claim

T = TypeVar("T")
LATER = timedelta(hours=1)


def asked(db: Session, kind: CommandType = CommandType.SYNC, **named: Any) -> tuple[Command, bool]:
    """Accept a command."""
    usual = {"payload": {"account": "main"}, "requested_by": Identity("os:ida"), "source": "cli"}
    return accept(db, kind, **{**usual, **named})


def a_command(database: Database, **named: Any) -> str:
    """Accept a command. Returns its id."""
    with database.transaction() as db:
        return asked(db, **named)[0].id


def claimed(database: Database, command_id: str) -> Command | None:
    """Claim a command in its own transaction."""
    return database.run(lambda db: claim(db, command_id))


def count(database: Database, table: type[Base]) -> int:
    """Return how many rows a table has."""
    with database.transaction() as db:
        return db.scalar(select(func.count()).select_from(table)) or 0


def at_once(threads: int, work: Callable[[int], T]) -> list[T]:
    """Run `work` in several threads that start at the same moment. Returns the result of each."""
    together = threading.Barrier(threads)

    def begin(number: int) -> T:
        together.wait(10)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(begin, range(threads)))

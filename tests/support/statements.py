"""Statements that go to a database, gathered while a test works with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from certline.models import Database


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """Gather the statements that go to a database within the block."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield found
    event.remove(database.engine, "before_cursor_execute", note)


def rows_returned(db: Session, table: str) -> list[int]:
    """Return a list that gathers how many rows each further query of a table returns, within a transaction."""
    found: list[int] = []

    def note(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if f"FROM {table}" in statement:
            found.append(cursor.rowcount)

    event.listen(db.connection(), "after_cursor_execute", note)
    return found

"""Statements that go to a database, gathered while a test works with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

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

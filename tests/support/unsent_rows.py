"""A session without a database, which keeps the rows that are written by Core statements."""

from typing import Any

from sqlalchemy.orm import Session


class _Unsent:
    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def execute(self, _statement: object, row: dict[str, Any]) -> None:
        self._rows.append(row)


class UnsentRows(Session):
    """Session whose connection executes nothing. `rows`: the values of every statement, in order."""

    def __init__(self) -> None:
        super().__init__(autoflush=False)
        self.rows: list[dict[str, Any]] = []

    def connection(self, *_: Any, **__: Any) -> Any:
        """Return a connection that keeps the values of every statement."""
        return _Unsent(self.rows)

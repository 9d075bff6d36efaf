"""What a page is asked: the request, with a transaction to read from."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session
from starlette.requests import Request

from certline.board.context import BoardContext
from certline.board.web.errors import UnknownThingError
from certline.models.database.session import clock


class PageRequest:
    """A request for a page: its parameters, the transaction that it reads from, and the board's context."""

    def __init__(self, request: Request, db: Session, board: BoardContext) -> None:
        self.request = request
        self.db = db
        self.board = board

    @property
    def now(self) -> datetime:
        """The time of the transaction, by Postgres' clock."""
        return clock(self.db)

    def given(self, name: str) -> Any:
        """Return a parameter of the path, such as the id of `/orders/{id}`. Raises UnknownThingError."""
        value = self.request.path_params[name]
        if isinstance(value, str) and "\0" in value:
            # Postgres stores no text with one.
            raise UnknownThingError("Nothing has a name with a NUL in it.")
        return value

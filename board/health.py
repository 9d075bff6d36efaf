"""`/healthz`: whether the board answers and reaches its database; it is also its only sign of life."""

import threading
import time

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from certline.models import Database

# Seconds for which an answer is kept: probes may come as often as they like.
KEEP = 2.0


class BoardHealth:
    """The board's health, looked at by one probe at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._until = 0.0
        self._fault: str | None = None

    def fault(self) -> str | None:
        """Return why the board is unhealthy, or None."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._fault = self._look()
                self._until = time.monotonic() + KEEP
            return self._fault

    def _look(self) -> str | None:
        try:
            with self._database.transaction() as db:
                db.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return "the database does not answer"
        return None


def healthz(request: Request) -> Response:
    """Answer a probe: 200 and `ok`, or 503 and why."""
    health: BoardHealth = request.app.state.health
    fault = health.fault()
    return PlainTextResponse(f"{fault or 'ok'}\n", 503 if fault else 200)

"""Whether a process can do its work now, for `/readyz`."""

from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from certline.models import Database
from certline.models.database.migrate import behind

# Returns the reason why something is unhealthy, or None.
Check = Callable[[], str | None]


class Readiness:
    """The readiness of a process: its own check, and a database whose tables fit this version.

    A database that is ahead fits: during an upgrade the former version goes on with the newer tables.
    """

    def __init__(self, url: str, check: Check) -> None:
        # A connection of its own, opened by the first probe: probes take none of the part's.
        self._database = Database(url, pool_size=1)
        self._check = check

    def fault(self) -> str | None:
        """Return why the process cannot work now, or None."""
        if (why := self._check()) is not None:
            return why
        try:
            is_behind = behind(self._database)
        except SQLAlchemyError:
            # Not the error's text, which names hosts and users: the endpoint asks for no login.
            return "Postgres does not answer; the log has the error"
        if is_behind:
            return "the database does not have the tables of this version: run `certline init`"
        return None

"""The context of the board: what its requests share."""

from dataclasses import dataclass

from certline.board.kept import KeptResults
from certline.board.snapshot import SharedSnapshot
from certline.models import Database
from certline.models.database.embedded_postgres import database_url
from certline.models.settings import Settings

# Milliseconds that one statement of a page may take.
MOST_STATEMENT = 5_000
# Connections that are kept; as many again are opened when many people look at once.
POOL = 5
READ_ONLY = f"-c default_transaction_read_only=on -c statement_timeout={MOST_STATEMENT}"


@dataclass(frozen=True)
class BoardContext:
    """What the requests of one board share; the database can only be read."""

    settings: Settings
    database: Database
    snapshot: SharedSnapshot
    kept: KeptResults

    def close(self) -> None:
        """Close the connections."""
        self.database.close()


def open_context(settings: Settings) -> BoardContext:
    """Return the context of a board; no connection is opened before the first page."""
    database = Database(database_url(settings), pool_size=POOL, options=READ_ONLY)
    snapshot = SharedSnapshot(database, settings.settle)
    return BoardContext(settings, database, snapshot, KeptResults(database))

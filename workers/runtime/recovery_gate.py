"""Gate before what costs money at SCM: nothing is placed or sent while a recovery is in progress."""

from datetime import timedelta

from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.restore.recovery import recovering
from certline.workers.runtime.outcomes import TryLater

# Time after which a waiting command asks again; the end of the recovery wakes it at once.
RECOVERING_PAUSE = timedelta(minutes=1)


def require_settled(db: Session) -> None:
    """Raise TryLater while a recovery is in progress."""
    if recovering(db):
        raise TryLater(
            "the database was restored, and SCM is compared with it first: certline recover --status",
            after=RECOVERING_PAUSE,
        )


def require_settled_in(database: Database, db: Session) -> None:
    """Raise TryLater while a recovery is in progress.

    Asks only in a process that has met a recovery when it opened a connection: no other one can be in the middle
    of a recovery, because a restore closes all connections. (PgBouncer keeps them, so `PostgresPool` closes them.)
    """
    if database.may_recover:
        require_settled(db)
        database.may_recover = False

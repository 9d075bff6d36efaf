"""Gate before what costs money at SCM: nothing is placed or sent while a recovery is in progress.

Nor is it after a start of Postgres, or after a dump was restored, until a relay has found out whether the data
went back.
"""

from datetime import timedelta

from sqlalchemy import Interval, func, select, type_coerce
from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.restore.recovery import compared, settled
from certline.workers.runtime.outcomes import TryLater

# Time after which a waiting command asks again; the end of the recovery wakes it at once.
RECOVERING_PAUSE = timedelta(minutes=1)
# The least while a relay is expected to compare: at once, or after the minute and a half in which another one may
# be frozen. It grows with the time since the start, so that thousands of orders don't ask every 3 s.
SHORTEST_PAUSE = timedelta(seconds=3)


def require_settled(db: Session) -> None:
    """Raise TryLater while a recovery is in progress, or the running server's data were not compared yet."""
    server_runs = func.clock_timestamp() - func.pg_postmaster_start_time()
    asked = select(settled(), compared(), type_coerce(server_runs, Interval))
    is_settled, is_compared, since_start = db.execute(asked).one()
    if not is_settled:
        raise TryLater(
            "the database was restored, and SCM is compared with it first: certline recover --status",
            after=RECOVERING_PAUSE,
        )
    if not is_compared:
        raise TryLater(
            "Postgres was started, or a dump restored, and a relay compares its data with the witness first",
            after=min(max(since_start, SHORTEST_PAUSE), RECOVERING_PAUSE),
        )


def require_settled_in(database: Database, db: Session) -> None:
    """Raise as `require_settled` does.

    Asks only in a process that has met a recovery, or data that were not compared, when it opened a connection: no
    other one can be in the middle of a recovery, because a restore closes all connections. (PgBouncer keeps them,
    so `PostgresPool` closes them.)
    """
    if database.may_recover:
        require_settled(db)
        database.may_recover = False

"""Test of what an installation costs while there is nothing to do, with the default settings."""

import time
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from certline.models import Database
from tests.servers import Process, until
from tests.support.deployment import Plant

pytestmark = pytest.mark.slow

PARTS = (("worker", "--processes", "2"), ("relay",), ("ingress",), ("producer",))
# Seconds over which commits are counted: the sweep runs each minute.
SPAN = 60.0
# Seconds: what was done before is counted within this time. A process tells Postgres' statistics at the latest so
# long after its transaction.
TOLD_WITHIN = 20.0
# Lines of the log that all parts together may write within SPAN.
MOST_LINES = 2


def lines_of(processes: Sequence[Process]) -> list[str]:
    """Return what the processes have logged so far."""
    return [line for process in processes for line in process.output.splitlines()]


def commits(database: Database) -> int:
    """Return how many transactions of the test's database have been committed, implicit ones too."""
    query = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    with database.transaction() as db:
        return int(db.scalar(text(query)) or 0)


def test_all_parts_together_commit_at_most_once_a_second_and_log_nothing_while_idle(
    database_url: str, vhost: str
) -> None:
    with Plant(database_url, vhost) as plant:
        for name in ("CERTLINE_POLL_SECONDS", "CERTLINE_RATE_READ", "CERTLINE_RATE_ORDER"):
            del plant.environment[name]
        plant.certline("init")
        processes = [plant.start(*part) for part in PARTS]

        def all_run() -> bool:
            beats = text("SELECT count(*) FROM heartbeat")
            fired = text("SELECT count(*) FROM schedule_run WHERE name = 'auto-renew'")
            with plant.database.transaction() as db:
                # Of the worker there are two. At its start, the producer fires every schedule.
                return bool(db.scalar(beats) == 1 + len(PARTS) and db.scalar(fired))

        until(all_run, 60, every=0.5)
        time.sleep(TOLD_WITHIN)  # not for a condition: the span to be counted begins afterwards
        before, start = commits(plant.database), time.monotonic()
        said = lines_of(processes)
        time.sleep(SPAN)
        count, seconds = commits(plant.database) - before, time.monotonic() - start
        written = lines_of(processes)[len(said) :]

    assert count <= seconds, f"{count} commits in {seconds:.0f} s"
    # A minute has room for something that happened, but for no entry that comes by the clock.
    assert len(written) <= MOST_LINES, "\n".join(written)

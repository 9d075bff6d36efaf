"""A batch of renewals, its members, and the time that passes for it."""

from collections import Counter
from datetime import timedelta

from sqlalchemy import select, update

from certline.models import BatchStatus, Command, CommandStatus, Database, OrderStatus, RenewalBatch
from certline.models.audit.identity import Identity
from certline.models.renewals.batch import counts_of
from certline.producers.renewals.batches import release_due, request_batch
from certline.producers.renewals.verdicts import BatchVerdict
from tests.support.factories import a_certificate, an_account, an_order


def a_batch(database: Database, count: int = 3, pace: int | None = None) -> str:
    """Insert a batch of `count` certificates that has begun. Returns its id."""
    with database.transaction() as db:
        account = an_account(db)
        verdicts = [
            BatchVerdict(
                a_certificate(db, an_order(db, account, status=OrderStatus.STORED)), [], []
            )
            for _ in range(count)
        ]
    return request_batch(
        database, verdicts, selection="a test", pace=pace, requested_by=Identity("os:ida")
    ).id


def release(database: Database) -> int:
    """Release due renewals, as a producer does every few seconds. Returns how many were released."""
    return database.run(release_due)


def pass_time(database: Database, batch_id: str, time: timedelta) -> None:
    """Let time pass for a batch."""
    with database.transaction() as db:
        db.get_one(RenewalBatch, batch_id).next_at -= time


def waiting(database: Database, batch_id: str) -> int:
    """Count the members that wait to be released."""
    with database.transaction() as db:
        return counts_of(db, [batch_id])[batch_id].waiting


def asked(database: Database) -> Counter[str]:
    """Count the renewal requests of each certificate."""
    with database.transaction() as db:
        return Counter(command.payload["certificate"] for command in db.scalars(select(Command)))


def sent(database: Database) -> None:
    """Mark every released renewal as sent."""
    with database.transaction() as db:
        for command in db.scalars(select(Command).where(Command.subject.is_(None))):
            order = an_order(db, status=OrderStatus.PENDING)
            command.subject = order.id


def end_commands(database: Database) -> None:
    """Mark every released renewal as failed."""
    with database.transaction() as db:
        db.execute(update(Command).values(status=CommandStatus.FAILED))


def status_of(database: Database, batch_id: str) -> BatchStatus:
    """Return the status of a batch."""
    with database.transaction() as db:
        return db.get_one(RenewalBatch, batch_id).status

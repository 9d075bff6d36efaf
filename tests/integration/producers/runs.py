"""Helpers for a run of auto-renewal: the certificates before it, and its decisions."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from certline.models import (
    AutoRenewRun,
    Certificate,
    Command,
    CommandType,
    Database,
    Line,
    Order,
)
from certline.models.audit.identity import Identity
from certline.models.database.session import clock
from certline.models.renewals.runs import Decided, decisions_of
from certline.models.renewals.selection import AutoRenewRule
from certline.producers.renewals.auto_renew import go_on, start_run
from certline.producers.renewals.settings import add_rule, enable
from tests.integration.producers.estate import DAY, an_estate, certificates_of

LIFETIME = timedelta(days=47)


def an_account_with(
    db: Session, count: int, *, age: float = 45, cap: int | None = 1000
) -> list[str]:
    """Insert selected certificates of that age in days; at 45 days they are due. Returns their ids."""
    account = an_estate(db)
    begins = [clock(db, -age * DAY)]
    ids = certificates_of(db, account, count, begins=begins, lifetime=LIFETIME)
    add_rule(db, AutoRenewRule(created_by="ida"), who=Identity("os:ida"))
    enable(db, [account], days=30, cap=cap, who=Identity("os:ida"))
    return ids


def run(database: Database) -> dict[str, Decided]:
    """Complete a run. Returns its decisions by certificate id."""
    with database.transaction() as db:
        start_run(db)
    while go_on(database):
        pass
    with database.transaction() as db:
        last = db.scalars(select(AutoRenewRun).order_by(AutoRenewRun.started_at.desc())).first()
        assert last is not None
        return {each.row.certificate_id: each for each in decisions_of(db, [last.id])}


def asked(database: Database) -> list[str | None]:
    """Return the certificates whose renewal was requested, once per request."""
    with database.transaction() as db:
        return list(db.scalars(select(Command.subject).where(Command.type == CommandType.RENEW)))


def set_on(db: Session, table: type[Any], **values: Any) -> None:
    """Set columns of every row."""
    db.execute(update(table).values(**values))


def its_line(db: Session, own_id: str) -> Line:
    """Return the line of a certificate."""
    return db.get_one(Line, db.get_one(Certificate, own_id).line_id)


def its_order(db: Session, own_id: str) -> Order:
    """Return the order of a certificate."""
    return db.get_one(Order, db.get_one(Certificate, own_id).order_id)

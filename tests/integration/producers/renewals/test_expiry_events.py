"""Tests of `certificate.expiring`: published once per threshold, with what certline is doing about it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    Certificate,
    CertificateStatus,
    Database,
    Line,
    Order,
    OrderKind,
    Outbox,
)
from certline.models.audit.identity import Identity
from certline.models.certificates.backoff import renewal_failed
from certline.models.database.session import clock
from certline.models.renewals.expiry_events import emit_expiring
from certline.models.renewals.selection import AutoRenewRule
from certline.producers.renewals.day_plan import plan_anew
from certline.producers.renewals.settings import add_rule, enable
from certline.producers.sweep import sweep
from tests.integration.producers.estate import DAY, an_estate, certificates_of
from tests.support.factories import an_order

SETTLE = timedelta(minutes=15)


def told(db: Session) -> list[dict[str, Any]]:
    """Return the data of expiry events, in order."""
    query = select(Outbox.body).where(Outbox.routing_key == "certificate.expiring")
    return [body["data"] for body in db.scalars(query.order_by(Outbox.id))]


def ends_in(db: Session, own_id: str, days: float) -> None:
    """Make a certificate end in that many days."""
    change = update(Certificate).where(Certificate.id == own_id)
    db.execute(change.values(not_after=clock(db, days * DAY)))


def test_an_end_is_told_once_at_each_day_and_after_a_pause_only_the_latest(
    database: Database,
) -> None:
    with database.transaction() as db:
        [own_id] = certificates_of(
            db, an_estate(db), 1, begins=[clock(db, -80 * DAY)], lifetime=90 * DAY
        )
    for days in (31, 29.5, 29.4, 6.5, 2.5, 2.4, -4, -5):
        with database.transaction() as db:
            ends_in(db, own_id, days)
            sweep(db, SETTLE)

    with database.transaction() as db:
        assert [(each["days"], each["days_left"]) for each in told(db)] == [
            (30, 29),
            (7, 6),
            (3, 2),
            (1, -4),
        ]
        assert db.get_one(Certificate, own_id).status is CertificateStatus.EXPIRED


def test_it_says_what_the_line_is_doing_about_it(database: Database) -> None:
    with database.transaction() as db:
        account = an_estate(db)
        begins = [clock(db, -42 * DAY)]
        ids = certificates_of(db, account, 4, begins=begins, lifetime=47 * DAY)
        for own_id, name in zip(ids, ("planned", "open", "waits", "nothing"), strict=True):
            change = update(Certificate).where(Certificate.id == own_id)
            db.execute(change.values(common_name=f"{name}.example"))
        enable(db, [account], days=30, cap=None, who=Identity("os:ida"))
        for name in ("planned*", "open*", "waits*"):
            add_rule(db, AutoRenewRule(name=name, created_by="ida"), who=Identity("os:ida"))
    plan_anew(database)
    with database.transaction() as db:
        lines = [db.get_one(Certificate, own_id).line_id for own_id in ids]
        renewal = an_order(
            db,
            db.get_one(Account, account.id),
            kind=OrderKind.RENEWAL,
            status="pending",
            line_id=lines[1],
            predecessor_id=ids[1],
        )
        renewal_failed(db, lines[2], permanent=True, reason="SCM: -36")
        db.expire_all()

        assert emit_expiring(db) == 4
        assert emit_expiring(db) == 0

        said = {each["common_name"].partition(".")[0]: each for each in told(db)}
        assert {name: each["renewal"] for name, each in said.items()} == {
            "planned": "planned",
            "open": "open",
            "waits": "waits_for_person",
            "nothing": "nothing",
        }
        assert said["planned"]["renews_at"] is not None
        assert said["open"]["order_id"] == db.get_one(Order, renewal.id).id
        assert said["waits"]["reason"] == "SCM: -36"
        assert said["nothing"]["reason"] == "it is not selected for auto-renewal"
        assert {each["days"] for each in said.values()} == {7}
        assert db.get_one(Line, lines[0])


def test_a_certificate_that_was_told_of_is_not_read_by_every_sweep(database: Database) -> None:
    with database.transaction() as db:
        account = an_estate(db)
        begins = [clock(db, -42 * DAY)]
        certificates_of(db, account, 30, begins=begins, lifetime=47 * DAY)
    with database.transaction() as db:
        assert emit_expiring(db, most=20) == 20

    with database.transaction() as db:
        db.execute(text("SET LOCAL enable_seqscan = off"))  # so few rows would be read in a row
        before = certificates_read(db)
        assert emit_expiring(db) == 10

        # Each of the ten: when it is found, locked, and updated.
        assert certificates_read(db) - before <= 3 * 10
        before = certificates_read(db)
        assert emit_expiring(db) == 0
        assert certificates_read(db) == before


def certificates_read(db: Session) -> int:
    """Return how many rows of certificates this transaction has read."""
    read = db.scalars(
        text(
            "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) "
            "FROM pg_stat_xact_user_tables WHERE relname = 'certificate'"
        )
    )
    return int(read.one())

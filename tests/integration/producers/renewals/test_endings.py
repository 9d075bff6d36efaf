"""Tests of certificates in the last fifth of their lifetime with nothing under way, and of their metric."""

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from certline.models import (
    AutoRenewChoice,
    Certificate,
    CommandType,
    Database,
    Order,
    OrderKind,
    OrderStatus,
)
from certline.models.accounts.account import accounts
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.figures.catalogue import reading
from certline.models.figures.sample import figures_now
from certline.models.renewals.endings import count_endings, endings
from certline.models.renewals.runs import AutoRenewDecision, AutoRenewRun
from certline.models.states import Decision
from certline.producers.renewals.settings import enable
from tests.integration.producers.estate import DAY
from tests.support.factories import a_certificate, an_order


def a_ninety_day(db: Session, left: float) -> Certificate:
    """Insert a certificate of 90 days that ends in `left` days."""
    ends = clock(db, left * DAY)
    return a_certificate(db, not_before=ends - 90 * DAY, not_after=ends)


def listed(database: Database) -> dict[str, str]:
    """Return the reason for each certificate that the doctor lists, by its id."""
    with database.transaction() as db:
        return {each.certificate_id: each.reason for each in endings(db)}


def test_the_last_fifth_of_the_lifetime_counts(database: Database) -> None:
    with database.transaction() as db:
        a_ninety_day(db, 19)
        near = a_ninety_day(db, 17)
        a_ninety_day(db, -1)

    assert listed(database) == {near.id: "it is not selected for auto-renewal"}


def test_what_is_under_way_or_may_end_is_not_listed(database: Database) -> None:
    with database.transaction() as db:
        renewed, asked_for, replaced, unwanted, planned, by_scm = (
            a_ninety_day(db, 5) for _ in range(6)
        )
        an_order(
            db,
            db.get_one(Order, renewed.order_id).account,
            kind=OrderKind.RENEWAL,
            status=OrderStatus.PENDING,
            predecessor_id=renewed.id,
            line_id=renewed.line_id,
        )
        accept(
            db,
            CommandType.RENEW,
            {"certificate": asked_for.id},
            requested_by=Identity("os:ida"),
            source="cli",
            subject=asked_for.id,
        )
        newer = an_order(
            db,
            db.get_one(Order, replaced.order_id).account,
            status=OrderStatus.STORED,
            line_id=replaced.line_id,
        )
        ends = clock(db, 80 * DAY)
        a_certificate(db, newer, not_before=ends - 90 * DAY, not_after=ends)
        db.add(AutoRenewChoice(line_id=unwanted.line_id, selected=False, chosen_by="ida"))
        planned.auto_renew, planned.renews_at = True, clock(db, DAY)
        db.get_one(Order, by_scm.order_id).scm_auto_renew = True

    assert listed(database) == {}
    with database.transaction() as db:
        assert set(count_endings(db).values()) == {0}


def test_a_refusal_is_the_reason(database: Database) -> None:
    with database.transaction() as db:
        certificate = a_ninety_day(db, 5)
        enable(db, accounts(db), days=30, cap=None, who=Identity("os:ida"))
        certificate.auto_renew = True
        run = AutoRenewRun(requested_by="schedule")
        db.add(run)
        db.flush()
        db.add(
            AutoRenewDecision(
                run_id=run.id,
                certificate_id=certificate.id,
                common_name=certificate.common_name,
                not_after=certificate.not_after,
                decision=Decision.REFUSED,
                reason="domain asleep.example is suspended",
                selected_by="rule",
            )
        )

    assert listed(database) == {certificate.id: "domain asleep.example is suspended"}


def test_a_planned_renewal_that_is_a_day_late_is_listed(database: Database) -> None:
    with database.transaction() as db:
        late, due = a_ninety_day(db, 5), a_ninety_day(db, 5)
        enable(db, accounts(db), days=30, cap=None, who=Identity("os:ida"))
        for each, days in ((late, 2), (due, 0.5)):
            planned = {"auto_renew": True, "renews_at": clock(db, -days * DAY)}
            db.execute(update(Certificate).where(Certificate.id == each.id).values(planned))

    found = listed(database)

    assert list(found) == [late.id]
    assert found[late.id].startswith("its renewal was due at ")


@pytest.mark.parametrize(("left", "counted"), [(0.5, 5), (2, 4), (6, 3), (13, 2), (29, 1), (31, 0)])
def test_the_metric_counts_by_days_to_expiry(database: Database, left: float, counted: int) -> None:
    with database.transaction() as db:
        a_ninety_day(db, left)

    with database.transaction() as db:
        found = figures_now(db)

    assert sum(count for _, count in found["certline_certificates_unattended"]) == counted
    assert reading(found, "certline_queue_oldest_seconds", queue="certline.order") == 0
    assert reading(found, "certline_parts_running", part="worker") == 0

"""Tests of the calendar: a year by day, one day of it, and what it would be with shorter lifetimes."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from certline.models import Account, AutoRenewRule, Certificate, Database, Line
from certline.models.calendar import what_if as simulation
from certline.models.calendar.day import day_of
from certline.models.calendar.place import CalendarFilter
from certline.models.calendar.what_if import estate_of, what_if
from certline.models.calendar.year import year_ahead
from certline.models.renewals.forecast import forecast
from tests.support.factories import a_certificate, a_domain, an_account, an_order

TODAY = datetime.combine(datetime.now(UTC).date(), time(12), UTC)
RATES = {"rate_read": 5.0, "rate_order": 1.0}
EVERYTHING = CalendarFilter()


def ending(db: Session, account: Account, days: int, **more: Any) -> Certificate:
    """Store a certificate that ends in so many days."""
    organization = more.pop("organization_id", 9102)
    order = an_order(db, account, status="stored", organization_id=organization)
    usual = {
        "not_before": TODAY - timedelta(days=100),
        "not_after": TODAY + timedelta(days=days),
    }
    return a_certificate(db, order, **usual | more)


def test_a_year_counts_ends_and_planned_renewals_by_day(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db, id=1)
        for days in (10, 10, 364, 366):
            ending(db, account, days, renews_at=TODAY + timedelta(days=5), auto_renew=True)
        ending(db, account, 10, status="superseded")
        ending(db, account, 20, renews_at=TODAY - timedelta(days=1), auto_renew=True)
        soon = TODAY.date() + timedelta(days=7)
        db.add(a_domain(validation_expires=soon))

        year = year_ahead(db, EVERYTHING)

        day = timedelta(days=1)
        assert year.ends == {
            TODAY.date() + 10 * day: 2,
            TODAY.date() + 20 * day: 1,
            TODAY.date() + 364 * day: 1,
        }
        assert year.renewals == {TODAY.date() + 5 * day: 4}
        assert year.late == 1
        assert year.validations == {soon: 1}
        assert year.cliffs == [TODAY.date() + 10 * day]


def test_a_year_and_a_day_are_of_the_organisation_that_is_asked_for(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db, id=1)
        mine = ending(db, account, 10, organization_id=7, renews_at=TODAY, auto_renew=True)
        ending(db, account, 10, organization_id=8, renews_at=TODAY, auto_renew=True)
        db.add(a_domain(validation_expires=TODAY.date(), delegations=[{"org_id": 8}]))
        ours = CalendarFilter(organizations=(7,))

        assert sum(year_ahead(db, ours).ends.values()) == 1
        today = day_of(db, ours, TODAY.date())
        assert [each.id for each in today.renewals] == [mine.id]
        assert (today.ends, today.validations) == ([], [])
        last = day_of(db, ours, mine.not_after.date())
        assert [each.id for each in last.ends] == [mine.id]


def test_a_what_if_of_a_small_estate_is_the_forecast_of_the_plan(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db, id=1)
        for days in range(40):
            ending(db, account, 20 + 3 * days)
        db.add(AutoRenewRule(created_by="ida"))
        db.flush()

        estate = estate_of(db)
        found = what_if(estate, 47, **RATES)

        exact = forecast(estate.spans, lifetime=47, today=TODAY.date(), cap=None, **RATES)
        assert (found.forecast, estate.exact, estate.selected) == (exact, True, True)
        assert found.renewals[exact.peak or TODAY.date()] == exact.peak_orders > 1


def test_without_a_selection_the_what_if_is_of_all_active_certificates(database: Database) -> None:
    with database.transaction() as db:
        ending(db, an_account(db, id=1), 20)

        estate = estate_of(db)

        assert (estate.selected, len(estate.spans)) == (False, 1)


def test_an_empty_estate_has_no_busiest_day(database: Database) -> None:
    with database.transaction() as db:
        found = what_if(estate_of(db), 47, **RATES).forecast

        assert (found.peak, found.peak_orders) == (None, 0)


def test_groups_of_a_large_estate_tell_nearly_what_the_single_certificates_do(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as db:
        account = an_account(db, id=1)
        order = an_order(db, account, status="stored")
        lines = [Line(account_id=account.id, common_name="x.example") for _ in range(1_500)]
        db.add_all(lines)
        db.flush()
        for number, line in enumerate(lines):
            db.add(a_copy(order.id, account, line, number))
        db.flush()
        single = estate_of(db)
        monkeypatch.setattr(simulation, "EXACT", 100)
        grouped = estate_of(db)

    one = what_if(single, 47, **RATES).forecast
    other = what_if(grouped, 47, **RATES).forecast
    assert not grouped.exact
    assert grouped.weights.total() == len(single.spans) == 1_500
    assert other.orders_per_day == pytest.approx(one.orders_per_day, rel=0.03)
    assert other.peak_orders == pytest.approx(one.peak_orders, rel=0.15)


def a_copy(order_id: str, account: Account, line: Line, number: int) -> Certificate:
    """Return one of many certificates, which end on 30 days."""
    return Certificate(
        order_id=order_id,
        line_id=line.id,
        account_id=account.id,
        scm_id=number,
        organization_id=7,
        profile_id=1,
        common_name=line.common_name,
        sans=[],
        serial_number=f"{number:x}",
        sha256_fingerprint="",
        issuer="CA",
        not_before=TODAY - timedelta(days=100),
        not_after=TODAY + timedelta(days=10 + number % 30),
        key_algorithm="EC",
        key_size="P-256",
        leaf="",
        issuers=[],
        keystore_type="PEM",
    )

"""Tests of the forecast over all certificates: whose renewals a validation does not reach."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AutoRenewChoice,
    Certificate,
    CertificateStatus,
    Database,
    Domain,
)
from certline.models.calendar.validations import PIECE, forecast_validations
from certline.models.database.session import clock
from certline.models.orders.validation_reuse import ReuseRules
from tests.integration.producers.estate import DAY, an_estate, certificates_of
from tests.support.factories import a_certificate, a_domain, an_account, an_order, an_organization
from tests.support.movable_clock import MovedDatabase
from tests.support.statements import statements_of


def in_days(db: Session, days: int) -> date:
    """Return a day so many days from today."""
    return clock(db, days * DAY).date()


def a_host(
    db: Session, account: Account, name: str, renews: int | None, **named: Any
) -> Certificate:
    """Insert an active certificate of 90 days that is renewed in so many days."""
    order = an_order(db, account, status="stored", common_name=name)
    usual = {
        "not_before": clock(db, -40 * DAY),
        "not_after": clock(db, 50 * DAY),
        "auto_renew": renews is not None,
        "renews_at": None if renews is None else clock(db, renews * DAY),
    }
    return a_certificate(db, order, **usual | named)


def an_owner(db: Session, **left: int) -> Account:
    """Insert an account with a domain for each name, validated for so many days."""
    account = an_account(db)
    db.add(an_organization(account_id=account.id))
    for name, days in left.items():
        ends = in_days(db, days)
        db.add(a_domain(account_id=account.id, name=f"{name}.example", validation_expires=ends))
    db.flush()
    return account


def test_for_one_account_only_its_domains_are_loaded(database: Database) -> None:
    loaded: list[int] = []

    def note(row: Domain, _: object) -> None:
        loaded.append(row.account_id)

    with database.transaction() as db:
        account = an_owner(db, short=5)
        an_owner(db, other=5)
    event.listen(Domain, "load", note)
    try:
        with database.transaction() as db:
            forecast_validations(db, days=20, account_id=account.id)
    finally:
        event.remove(Domain, "load", note)

    assert loaded == [account.id]


def test_a_renewal_is_refused_by_the_domain_of_any_of_its_names(database: Database) -> None:
    with database.transaction() as db:
        account = an_owner(db, short=5, long=400)
        a_host(db, account, "www.long.example", 10, sans=["www.long.example", "*.Short.example"])
        a_host(db, account, "mail.short.example", 3)
        found = forecast_validations(db, days=20, next_only=True)

        [short] = found.domains()
        assert (short.domain, short.names, short.first) == (
            "short.example",
            ["www.long.example"],
            in_days(db, 10),
        )
        assert short.begin_by == in_days(db, 3)
        assert (found.certificates, found.renewals, found.refused) == (2, 2, 1)


def test_a_certificate_without_a_day_is_renewed_when_it_has_to_be_and_a_deselected_one_never(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_owner(db, short=5)
        a_host(db, account, "unplanned.short.example", None)
        ends = a_host(db, account, "ends.short.example", None)
        db.add(AutoRenewChoice(line_id=ends.line_id, selected=False, chosen_by="ida"))
        a_host(db, account, "old.short.example", 8, status=CertificateStatus.SUPERSEDED)
        found = forecast_validations(db, days=60, next_only=True)

        [short] = found.domains()
        # 30 days before its end.
        assert (short.names, short.first) == (["unplanned.short.example"], in_days(db, 20))
        assert forecast_validations(db, days=60, selected_only=True).certificates == 0


def test_successors_are_renewed_too_and_live_no_longer_than_the_rules_allow(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_owner(db, short=1)
        a_host(db, account, "shop.short.example", 2)
        usual = forecast_validations(db, days=200)
        shortest = forecast_validations(db, days=200, what_if=10)

        # A certificate of 90 days is renewed after 60; one of 47 days after 31.
        assert sorted(usual.domains()[0].refused) == [
            in_days(db, each) for each in (2, 62, 122, 182)
        ]
        assert len(shortest.domains()[0].begins) == 7
        assert [each.renewals for each in (usual, shortest)] == [4, 7]


def test_only_the_certificates_of_an_account_below_a_domain_are_looked_at(
    database: Database,
) -> None:
    with database.transaction() as db:
        account, other = an_owner(db, short=5, long=5), an_owner(db, short=5)
        for owner in (account, other):
            a_host(db, owner, "shop.short.example", 9)
        a_host(db, account, "shop.long.example", 9)

        def count(**which: Any) -> int:
            return forecast_validations(db, days=30, **which).certificates

        assert count() == 3
        assert count(below="short.example") == 2
        assert count(below="short.example", account_id=other.id) == 1
        assert [each.account_id for each in forecast_validations(db, days=30).domains()] == [
            account.id,
            account.id,
            other.id,
        ]


def test_many_certificates_are_counted_in_one_pass(database: Database) -> None:
    with database.transaction() as db:
        account = an_estate(db)
        db.add(
            a_domain(account_id=account.id, name="other.example", validation_expires=in_days(db, 3))
        )
        certificates_of(db, account, PIECE + 500, begins=[clock(db, -40 * DAY)], lifetime=90 * DAY)
    with statements_of(database) as sent, database.transaction() as db:
        found = forecast_validations(db, days=40)
    assert sum("FROM certificate" in each for each in sent) == 1

    assert (found.certificates, found.refused) == (PIECE + 500, 0)


def test_the_rules_of_today_are_those_of_the_databases_clock(moved: MovedDatabase) -> None:
    with moved.transaction() as db:
        moved.set_clock(clock(db).replace(year=2029, month=4, day=1))
    with moved.transaction() as db:
        rules = forecast_validations(db, days=1).rules

    assert rules == ReuseRules(date(2029, 4, 1))
    assert rules.on(rules.today + timedelta(days=1)).reuse == 10

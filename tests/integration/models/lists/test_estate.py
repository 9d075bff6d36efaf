"""Tests of what belongs to an organisation, a profile, a domain or an account."""

from datetime import timedelta

from certline.models import Account, Breaker, CallKind, Database, Domain, Narrowing, RateLimit
from certline.models.accounts.account import accounts_shown
from certline.models.database.session import clock
from certline.models.overview.estate import (
    count_below,
    departments_of,
    domains_of,
    holding_of,
    organization_names,
    profiles_for,
    scm_pause_of,
)
from tests.support.factories import (
    NOON,
    a_certificate,
    a_domain,
    a_profile,
    an_account,
    an_order,
    an_organization,
)

DAY = timedelta(days=1)


def test_an_organisation_has_its_profiles_domains_and_departments(database: Database) -> None:
    with database.transaction() as db:
        an_account(db, id=1)
        clinic = an_organization(scm_id=7, name="Klinik")
        db.add_all(
            [
                clinic,
                an_organization(scm_id=8, name="Labor", parent_id=7, parent_name="Klinik"),
                a_profile(scm_id=1, name="Open to all"),
                a_profile(scm_id=2, name="Closed to it", closed_to=[7]),
                a_profile(scm_id=3, name="Gone", gone_at=NOON),
                a_domain(name="its.example", delegations=[{"org_id": 7}]),
                a_domain(name="gone.example", delegations=[{"org_id": 7}], gone_at=NOON),
                a_domain(name="other.example", delegations=[{"org_id": 9}]),
            ]
        )
        db.flush()

        assert [each.name for each in profiles_for(db, clinic)] == ["Open to all"]
        assert [each.name for each in domains_of(db, clinic, 9)] == ["its.example"]
        assert [each.name for each in departments_of(db, clinic)] == ["Labor"]
        assert organization_names(db, 1, [7, 8, 9]) == {7: "Klinik", 8: "Labor"}


def test_active_certificates_are_counted_and_those_that_end_first_are_listed(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_account(db)
        for name, days in (("a.shop.example", 20), ("shop.example", 10), ("myshop.example", 30)):
            order = an_order(db, account, common_name=name, organization_id=7, status="stored")
            a_certificate(
                db, order, common_name=name, organization_id=7, not_after=clock(db, days * DAY)
            )
        ended = an_order(
            db, account, common_name="old.shop.example", organization_id=7, status="stored"
        )
        a_certificate(
            db,
            ended,
            common_name="old.shop.example",
            organization_id=7,
            not_before=clock(db, -9 * DAY),
            not_after=clock(db, -DAY),
        )
        held = holding_of(db, Narrowing(organizations=[7]))
        shop = Domain(account_id=account.id, scm_id=1, name="*.shop.example")

        assert (held.count, held.whole) == (3, True)
        assert [row.common_name for row in held.first][:2] == ["shop.example", "a.shop.example"]
        assert holding_of(db, Narrowing(organizations=[8])).count == 0
        assert count_below(db, shop) == 3  # one is over, but not marked yet


def test_it_is_known_what_keeps_an_account_from_scm(database: Database) -> None:
    with database.transaction() as db:
        an_account(db, id=1, name="free", url="https://free.example/api")
        an_account(db, id=2, name="paused", url="https://paused.example/api")
        until = clock(db, DAY)
        db.add(
            Breaker(url="https://paused.example/api", failures=5, open_until=until, reason="503")
        )
        db.flush()
        db.add(RateLimit(account_id=2, kind=CallKind.READ, held_until=until))
        db.add(RateLimit(account_id=1, kind=CallKind.READ, held_until=clock(db, -DAY)))
    with database.transaction() as db:
        free, paused = accounts_shown(db)
        assert isinstance(free, Account)
        assert scm_pause_of(db, free).held_until is None
        assert scm_pause_of(db, free).open_until is None
        found = scm_pause_of(db, paused)

    assert (found.failures, found.open_until, found.reason) == (5, until, "503")
    assert found.held_until == until

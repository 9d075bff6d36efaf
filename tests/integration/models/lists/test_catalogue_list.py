"""Tests of the lists of organisations, domains and profiles: filtered, sorted and page by page."""

from datetime import date

import pytest

from certline.models import Database, Domain, Organization, Profile
from certline.models.accounts.catalogue_list import (
    DOMAIN_STATES,
    ORGANIZATION_STATES,
    PROFILE_STATES,
    CatalogueFilter,
    Synced,
    catalogue_page,
    count_catalogue,
)
from tests.support.factories import NOON, a_domain, a_profile, an_account, an_organization


@pytest.fixture
def stocked(database: Database) -> Database:
    """Return a database with the catalogues of two accounts."""
    with database.transaction() as db:
        an_account(db, id=1, name="hafen")
        an_account(db, id=2, name="see")
        db.add_all(
            [
                an_organization(scm_id=1, name="Nordhafen AG", api_enabled=True),
                an_organization(scm_id=2, name="Klinik", api_enabled=False),
                an_organization(scm_id=3, name="Labor", parent_id=2, parent_name="Klinik"),
                an_organization(scm_id=4, name="Archiv", cert_types=["Code"], api_enabled=True),
                an_organization(scm_id=5, name="Altbau", gone_at=NOON),
                an_organization(account_id=2, scm_id=1, name="Seeamt"),
                a_domain(scm_id=1, name="a.example", delegations=[{"org_id": 3}]),
                a_domain(scm_id=2, name="b.example", validation_expires=None),
                a_domain(scm_id=3, name="c.example", validation_status="NOT_VALIDATED"),
                a_domain(scm_id=4, name="d.example", validation_status="Expired"),
                a_domain(scm_id=5, name="xn--mnchen-3ya.example", gone_at=NOON),
                a_domain(
                    account_id=2,
                    scm_id=1,
                    name="a.example",
                    validation_expires=date(2026, 1, 1),
                    delegations=[],
                ),
                a_profile(scm_id=1, name="OV Single"),
                a_profile(scm_id=2, name="100 %_sure", gone_at=NOON),
            ]
        )
    return database


def names(
    database: Database,
    table: type[Synced],
    wanted: CatalogueFilter | None = None,
    sort: str = "name",
    *,
    descending: bool = False,
) -> list[str]:
    """Return the names in a list, read one row a page."""
    wanted = wanted or CatalogueFilter()
    found: list[str] = []
    after = None
    with database.transaction() as db:
        while rows := catalogue_page(
            db, table, wanted, sort=sort, descending=descending, after=after, limit=1
        ):
            found += [row.name for row in rows]
            after = (rows[-1].account_id, rows[-1].scm_id)
        assert count_catalogue(db, table, wanted) == len(found)
    return found


def test_organisations_are_listed_with_their_departments_after_them(stocked: Database) -> None:
    tree = names(stocked, Organization, sort="organization")

    assert tree == ["Altbau", "Archiv", "Klinik", "Labor", "Nordhafen AG", "Seeamt"]
    assert names(stocked, Organization, sort="organization", descending=True) == tree[::-1]
    assert names(stocked, Organization, sort="id")[:2] == ["Nordhafen AG", "Seeamt"]


def test_organisations_are_found_by_whether_scm_accepts_orders_for_them(stocked: Database) -> None:
    found = {
        state: names(stocked, Organization, CatalogueFilter(status=state))
        for state in ORGANIZATION_STATES
    }

    assert found == {"on": ["Nordhafen AG"], "off": ["Archiv", "Klinik"], "gone": ["Altbau"]}
    with stocked.transaction() as db:  # as the property of the row says
        for state, wanted in (("on", "on"), ("off", "off")):
            rows = catalogue_page(db, Organization, CatalogueFilter(status=state), limit=10)
            assert {row.orders for row in rows} == {wanted}


def test_domains_are_sorted_by_the_end_of_their_validation(stocked: Database) -> None:
    by_end = names(stocked, Domain, sort="expires")

    assert by_end[0] == "a.example"  # that of January
    assert by_end[-1] == "b.example"  # without an end
    assert names(stocked, Domain, sort="expires", descending=True) == by_end[::-1]


def test_domains_are_filtered(stocked: Database) -> None:
    states = {
        state: names(stocked, Domain, CatalogueFilter(status=state)) for state in DOMAIN_STATES
    }

    assert states == {
        "validated": ["a.example", "a.example", "b.example"],
        "not-validated": ["c.example"],
        "expired": ["d.example"],
        "gone": ["xn--mnchen-3ya.example"],
    }
    assert names(stocked, Domain, CatalogueFilter(organization=3)) == ["a.example"]
    assert names(stocked, Domain, CatalogueFilter(ends_by=date(2026, 2, 1))) == ["a.example"]
    assert names(stocked, Domain, CatalogueFilter(account_id=2)) == ["a.example"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.example", ["a.example", "a.example"]),
        ("B.EX", ["b.example"]),
        ("*.example", ["a.example", "a.example", "b.example", "c.example", "d.example"]),
        ("münchen", ["xn--mnchen-3ya.example"]),
        ("' OR true --", []),
    ],
)
def test_domains_are_found_by_a_part_of_their_name(
    stocked: Database, pattern: str, found: list[str]
) -> None:
    listed = names(stocked, Domain, CatalogueFilter(name=pattern))

    assert [name for name in listed if pattern == "münchen" or not name.startswith("xn")] == found


def test_what_sql_reads_in_a_pattern_is_taken_as_it_is_written(stocked: Database) -> None:
    assert names(stocked, Profile, CatalogueFilter(name="%_")) == ["100 %_sure"]
    assert names(stocked, Profile, CatalogueFilter(name="_")) == ["100 %_sure"]
    assert [names(stocked, Profile, CatalogueFilter(status=state)) for state in PROFILE_STATES] == [
        ["OV Single"],
        ["100 %_sure"],
    ]

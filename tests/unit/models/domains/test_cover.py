"""Tests of which validation a name needs: what covers it, what is to be validated, and until when it lasts."""

from datetime import date, timedelta
from typing import Any

import pytest

from certline.models import Domain
from certline.models.domains.cover import ENDLESS, NEVER, Cover, Coverage
from certline.models.orders.validation_reuse import ReuseRules
from tests.support.factories import NOON, a_domain, an_organization

TODAY = date(2026, 6, 1)
OTHERS = 7


def in_days(number: int) -> date:
    """Return a day so many days from today."""
    return TODAY + timedelta(days=number)


def a_zone(name: str = "nordhafen.example", left: int | None = 10, **named: Any) -> Domain:
    """Return a domain whose validation has so many days left."""
    ends = None if left is None else in_days(left)
    return a_domain(name=name, validation_expires=ends, **named)


def cover_of(name: str, *domains: Domain) -> Cover | None:
    """Return the validation that a name of Nordhafen AG needs."""
    others = an_organization(scm_id=OTHERS, name="Others")
    return Coverage(domains, [an_organization(), others], ReuseRules(TODAY)).of(name, 9102)


@pytest.mark.parametrize(
    "name",
    [
        "nordhafen.example",
        "shop.nordhafen.example",
        "*.nordhafen.example",
        "*.a.b.nordhafen.example",
    ],
)
def test_a_domain_covers_itself_everything_below_it_and_wildcards(name: str) -> None:
    assert cover_of(name, a_zone()) == Cover("nordhafen.example", in_days(10), suspended=False)


@pytest.mark.parametrize("name", ["elsewhere.example", "notnordhafen.example", "example"])
def test_a_name_in_no_domain_needs_no_validation(name: str) -> None:
    assert cover_of(name, a_zone()) is None


def test_a_parents_validation_covers_a_sub_domain_that_is_listed_and_is_the_one_to_renew() -> None:
    found = cover_of(
        "www.shop.nordhafen.example", a_zone(left=30), a_zone("shop.nordhafen.example", 2)
    )

    assert found == Cover("nordhafen.example", in_days(30), suspended=False)


def test_a_sub_domains_longer_validation_counts_for_the_names_below_it_only() -> None:
    zones = [a_zone(left=2), a_zone("shop.nordhafen.example", 30)]

    below, beside = (
        cover_of("www.shop.nordhafen.example", *zones),
        cover_of("www.nordhafen.example", *zones),
    )
    assert below is not None
    assert below.last_day == in_days(30)
    assert beside is not None
    assert beside.last_day == in_days(2)


def test_a_sub_domain_delegated_alone_is_validated_with_its_parent_that_others_use() -> None:
    parent = a_zone(left=40, delegations=[{"org_id": OTHERS, "cert_types": ["SSL"]}])
    child = a_zone("shop.nordhafen.example", 5)

    assert cover_of("shop.nordhafen.example", parent, child) == Cover(
        "nordhafen.example", in_days(5), suspended=False
    )
    assert cover_of("nordhafen.example", parent, child) is None


def test_a_domain_of_several_organisations_has_one_validation() -> None:
    both = a_zone(delegations=[{"org_id": OTHERS}, {"org_id": 9102}])
    coverage = Coverage(
        [both], [an_organization(), an_organization(scm_id=OTHERS)], ReuseRules(TODAY)
    )

    assert coverage.of("a.nordhafen.example", 9102) == coverage.of("a.nordhafen.example", OTHERS)


def test_a_domain_and_its_wildcard_are_one_that_lasts_as_long_as_the_longer() -> None:
    found = cover_of("*.nordhafen.example", a_zone(left=2), a_zone("*.nordhafen.example", 20))

    assert found == Cover("nordhafen.example", in_days(20), suspended=False)


def test_a_domain_of_another_alphabet_is_found_by_the_names_that_certificates_have() -> None:
    found = cover_of("shop.xn--mnchen-3ya.example", a_zone("M\u00dcNCHEN.example"))

    assert found == Cover("xn--mnchen-3ya.example", in_days(10), suspended=False)


def test_a_name_that_only_suspended_domains_cover_is_no_question_of_validation() -> None:
    assert cover_of("shop.nordhafen.example", a_zone(state="SUSPENDED")) is None


def test_a_suspended_parent_cannot_be_validated_for_its_sub_domain() -> None:
    found = cover_of(
        "shop.nordhafen.example", a_zone(state="SUSPENDED"), a_zone("shop.nordhafen.example", 3)
    )

    assert found == Cover("nordhafen.example", in_days(3), suspended=True)


def test_a_domain_that_is_gone_covers_nothing() -> None:
    assert cover_of("shop.nordhafen.example", a_zone(gone_at=NOON)) is None


@pytest.mark.parametrize(
    ("status", "left", "last_day"),
    [
        ("NOT_VALIDATED", None, NEVER),
        ("Not validated", 5, NEVER),
        ("EXPIRED", -30, in_days(-30)),
        ("Expired", 30, in_days(-1)),
        ("EXPIRED", None, in_days(-1)),
        ("VALIDATED", None, ENDLESS),
        ("", 12, in_days(12)),
        (None, None, ENDLESS),
    ],
)
def test_the_last_day_follows_from_scms_word_and_date(
    status: str | None, left: int | None, last_day: date
) -> None:
    found = cover_of("shop.nordhafen.example", a_zone(left=left, validation_status=status))

    assert found is not None
    assert found.last_day == last_day


def test_a_validation_that_is_too_old_after_a_step_of_the_ballot_is_cut_before_and_after_it() -> (
    None
):
    zone = a_domain(validation_expires=date(2027, 5, 20), validated_on=date(2026, 11, 1))

    def last_day(today: date) -> date | None:
        found = Coverage([zone], [an_organization()], ReuseRules(today)).of(zone.name, 9102)
        return None if found is None else found.last_day

    assert last_day(date(2026, 11, 28)) == last_day(date(2027, 3, 20)) == date(2027, 3, 14)


def test_an_organisation_that_is_gone_is_judged_by_all_domains_above_the_name() -> None:
    coverage = Coverage([a_zone()], [], ReuseRules(TODAY))

    assert coverage.of("shop.nordhafen.example", 9102) == Cover(
        "nordhafen.example", in_days(10), suspended=False
    )

"""Tests of the forecast: which renewals a validation does not reach, and when the next one has to begin."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.models.domains.cover import NEVER, Cover
from certline.models.domains.forecast import MOST_NAMES, ValidationOutlook, beginnings
from certline.models.orders.validation_reuse import ReuseRules

TODAY = date(2026, 6, 1)


def in_days(number: int) -> date:
    """Return a day so many days from today."""
    return TODAY + timedelta(days=number)


def a_cover(left: int, domain: str = "nordhafen.example") -> Cover:
    """Return a validation with so many days left."""
    return Cover(domain, in_days(left), suspended=False)


def an_outlook(*, what_if: int | None = None, days: int = 365) -> ValidationOutlook:
    """Return a forecast without certificates."""
    return ValidationOutlook(ReuseRules(TODAY, what_if), days)


def test_a_renewal_on_the_last_day_is_in_time_and_the_next_day_is_too_late() -> None:
    outlook = an_outlook()
    outlook.add(1, [a_cover(20)], [in_days(20)], "in-time.nordhafen.example")
    outlook.add(1, [a_cover(20)], [in_days(21)], "late.nordhafen.example")

    (found,) = outlook.domains()
    assert (found.names, found.first) == (["late.nordhafen.example"], in_days(21))
    assert found.begin_by == in_days(14)
    assert (outlook.renewals, outlook.refused, outlook.certificates) == (2, 1, 2)


def test_a_certificate_with_names_in_two_domains_needs_both_validations() -> None:
    outlook = an_outlook()
    covers = [a_cover(5), a_cover(400, "other.example"), a_cover(9, "third.example")]
    outlook.add(1, covers, [in_days(30)], "shop.nordhafen.example")

    assert [each.domain for each in outlook.domains()] == ["nordhafen.example", "third.example"]
    assert outlook.refused == 1


def test_the_name_whose_validation_ends_first_decides_for_a_domain() -> None:
    outlook = an_outlook()
    outlook.add(1, [a_cover(90), a_cover(5)], [in_days(30)], "shop.nordhafen.example")

    (found,) = outlook.domains()
    assert found.last_day == in_days(5)


def test_a_domain_that_was_never_validated_refuses_every_renewal() -> None:
    outlook = an_outlook()
    never = Cover("nordhafen.example", NEVER, suspended=False)
    outlook.add(1, [never], [in_days(2), in_days(40)], "shop.nordhafen.example")

    (found,) = outlook.domains()
    assert found.refused == {in_days(2): 1, in_days(40): 1}
    assert found.begins == [TODAY]


def test_the_same_domain_of_two_accounts_is_validated_twice() -> None:
    outlook = an_outlook()
    for account in (1, 2):
        outlook.add(account, [a_cover(1)], [in_days(9)], "shop.nordhafen.example")

    assert [each.account_id for each in outlook.domains()] == [1, 2]


def test_of_the_renewals_refused_first_a_few_names_are_kept_each_once() -> None:
    outlook = an_outlook()
    for number in range(9):
        outlook.add(1, [a_cover(1)], [in_days(9)], f"host{number // 2}.nordhafen.example")
    outlook.add(1, [a_cover(1)], [in_days(8)], "first.nordhafen.example")

    (found,) = outlook.domains()
    assert found.names == ["first.nordhafen.example"]
    outlook.add(1, [a_cover(1)], [in_days(8)], "second.nordhafen.example")
    outlook.add(1, [a_cover(1)], [in_days(8)], "third.nordhafen.example")
    outlook.add(1, [a_cover(1)], [in_days(8)], "fourth.nordhafen.example")
    assert len(found.names) == MOST_NAMES


@pytest.mark.parametrize(("what_if", "count"), [(200, 2), (100, 4), (10, 13)])
def test_monthly_renewals_need_a_validation_each_once_those_hold_ten_days(
    what_if: int, count: int
) -> None:
    outlook = an_outlook(what_if=what_if)
    outlook.add(
        1, [a_cover(0)], [in_days(30 * month) for month in range(1, 13)], "shop.nordhafen.example"
    )
    outlook.add(1, [a_cover(0)], [in_days(5)], "mail.nordhafen.example")

    (found,) = outlook.domains()
    assert len(found.begins) == count


@given(
    st.sets(st.integers(0, 400), min_size=1, max_size=60),
    st.sampled_from([None, 10, 100, 200]),
)
def test_each_renewal_has_a_validation_in_time_and_none_is_made_without_need(
    offsets: set[int], what_if: int | None
) -> None:
    rules = ReuseRules(TODAY, what_if)
    needed = sorted(map(in_days, offsets))

    begins = list(beginnings(needed, rules))
    assert all(any(begin <= day <= rules.usable_until(begin) for begin in begins) for day in needed)
    # Each validation is the only one of some renewal.
    for begin in begins:
        others = [each for each in begins if each != begin]
        assert any(
            not any(each <= day <= rules.usable_until(each) for each in others) for day in needed
        )

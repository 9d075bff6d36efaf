"""Tests that renewals made at SCM share a line and a licence, in whichever order they are imported."""

from itertools import permutations

import pytest

from certline.models import CertificateStatus, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.certificates.license import license_use
from certline.producers.requests.license import set_license
from tests.integration.imports.conftest import Estate


@pytest.fixture
def three(empty: Estate) -> tuple[Estate, list[int]]:
    """Return an SCM with a certificate, its renewal, and the renewal of that."""
    first = empty.order_by_a_stranger()
    second = empty.renewed_by_a_stranger(first)
    return empty, [first, second, empty.renewed_by_a_stranger(second)]


def used(estate: Estate) -> int:
    """Return how many lines are in use."""
    with estate.database.transaction() as db:
        return license_use(db).used


def test_a_renewal_supersedes_what_it_renewed_and_needs_no_licence_of_its_own(
    three: tuple[Estate, list[int]],
) -> None:
    estate, ids = three
    set_license(estate.database, 1, requested_by=Identity("os:ida"))

    result = estate.take_in()
    estate.go_on()

    found = estate.certificates()
    assert [each.scm_id for each in found] == ids
    assert [each.status for each in found] == [
        CertificateStatus.SUPERSEDED,
        CertificateStatus.SUPERSEDED,
        CertificateStatus.ACTIVE,
    ]
    assert [each.supersedes_id for each in found] == [None, found[0].id, found[1].id]
    assert (used(estate), result["held"]) == (1, 0)


@pytest.mark.parametrize("arrival", list(permutations(range(3))))
def test_the_line_is_the_same_in_whichever_order_they_come_in(
    three: tuple[Estate, list[int]], arrival: tuple[int, ...]
) -> None:
    estate, ids = three

    for place in arrival:
        estate.take_in(order=[ids[place]])

    found = estate.certificates()
    assert used(estate) == len({each.line_id for each in found}) == 1
    assert [each.status is CertificateStatus.ACTIVE for each in found] == [False, False, True]
    assert [each.supersedes_id for each in found] == [None, found[0].id, found[1].id]
    orders = estate.orders()
    assert {order.line_id for order in orders.values()} == {found[0].line_id}
    assert [orders[scm_id].predecessor_id for scm_id in ids] == [None, found[0].id, found[1].id]


def test_two_orders_of_the_same_names_that_do_not_renew_each_other_are_two_lines(
    empty: Estate,
) -> None:
    empty.order_by_a_stranger()
    empty.order_by_a_stranger()

    empty.take_in()

    assert [each.status for each in empty.certificates()] == [CertificateStatus.ACTIVE] * 2
    assert used(empty) == 2


def test_held_orders_that_renew_each_other_are_released_together(
    three: tuple[Estate, list[int]],
) -> None:
    estate, ids = three
    set_license(estate.database, 0, requested_by=Identity("os:ida"))
    assert estate.take_in()["held"] == 3

    set_license(estate.database, 1, requested_by=Identity("os:ida"))
    estate.go_on()

    assert [order.status for order in estate.orders().values()] == [OrderStatus.STORED] * 3
    assert used(estate) == 1
    active = [each for each in estate.certificates() if each.status is CertificateStatus.ACTIVE]
    assert [each.scm_id for each in active] == [ids[-1]]


def test_a_renewal_that_is_still_pending_joins_its_line_when_it_is_issued(empty: Estate) -> None:
    old = empty.order_by_a_stranger()
    empty.settings(issue_after_ms=3_600_000)
    new = empty.renewed_by_a_stranger(old)
    set_license(empty.database, 1, requested_by=Identity("os:ida"))
    empty.take_in()
    empty.decide(new, "issue")

    empty.go_on()

    found = empty.certificates()
    assert [(each.scm_id, each.status) for each in found] == [
        (old, CertificateStatus.SUPERSEDED),
        (new, CertificateStatus.ACTIVE),
    ]
    assert used(empty) == 1

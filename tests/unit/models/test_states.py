"""Tests that orders change their status only as the table allows."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.models import CommandStatus, Order, OrderStatus
from certline.models.lifecycle.moves import MEANS, TOLD
from certline.models.orders.order import IllegalMoveError
from certline.models.states import MOVES, OPEN

LEGAL = [(before, after) for before, targets in MOVES.items() for after in sorted(targets)]
ILLEGAL = [
    (before, after) for before in OrderStatus for after in OrderStatus if after not in MOVES[before]
]


def test_every_state_has_its_moves_and_its_meaning() -> None:
    assert set(MOVES) == set(OrderStatus)
    assert set(MEANS) == set(OrderStatus)


@pytest.mark.parametrize(("before", "after"), LEGAL)
def test_an_order_makes_the_moves_of_the_table(before: OrderStatus, after: OrderStatus) -> None:
    order = Order(id="o", status=before)

    order.become(after)

    assert order.status is after


@pytest.mark.parametrize(("before", "after"), ILLEGAL)
def test_an_order_refuses_every_other_move(before: OrderStatus, after: OrderStatus) -> None:
    order = Order(id="o", status=before)

    with pytest.raises(IllegalMoveError, match=f"from {before} to {after}"):
        order.become(after)

    assert order.status is before


@given(st.lists(st.sampled_from(OrderStatus), max_size=40))
def test_no_walk_leaves_the_table(wishes: list[OrderStatus]) -> None:
    order = Order(id="o", status=OrderStatus.PLACED)
    path = [order.status]

    for wish in wishes:
        if wish in MOVES[order.status]:
            order.become(wish)
            path.append(wish)
        else:
            with pytest.raises(IllegalMoveError):
                order.become(wish)

    assert all(after in MOVES[before] for before, after in pairwise(path))
    assert order.status is path[-1]


def test_only_the_one_post_leads_from_ours_alone_to_known_to_scm() -> None:
    ours = {OrderStatus.PLACED, OrderStatus.SENDING}
    leaving = {(b, a) for b, a in LEGAL if b in ours and a is OrderStatus.PENDING}

    assert leaving == {(OrderStatus.SENDING, OrderStatus.PENDING)}


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - OPEN))
def test_an_order_that_is_over_never_becomes_open_without_a_person(status: OrderStatus) -> None:
    assert MOVES[status] <= {OrderStatus.REVIEW}


def test_a_command_is_done_only_when_its_certificate_is_stored() -> None:
    assert [state for state in OrderStatus if MEANS[state] is CommandStatus.DONE] == [
        OrderStatus.STORED
    ]


@pytest.mark.parametrize("status", OrderStatus)
def test_an_open_order_has_an_open_command(status: OrderStatus) -> None:
    ended = MEANS[status] in (CommandStatus.DONE, CommandStatus.FAILED)

    assert ended is (status not in OPEN)


def test_an_event_of_a_move_is_named_after_it() -> None:
    assert set(TOLD.values()) == {f"order.{status}" for status in TOLD}

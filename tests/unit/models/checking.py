"""Helpers for order validation: a checked order, and the problems of one."""

from typing import Any

import pytest

from certline.models.orders.checks import CheckedOrder, check_order
from certline.models.validation import BadCommandError
from tests.factories import NOON, a_wanted, an_offer

TODAY = NOON.date()


def checked(wanted: dict[str, Any] | None = None, **offer: Any) -> CheckedOrder:
    """Return an order that passes validation."""
    return check_order(a_wanted(**wanted or {}), an_offer(**offer), TODAY)


def problems_of(wanted: dict[str, Any] | None = None, **offer: Any) -> list[str]:
    """Return the problems of an order."""
    with pytest.raises(BadCommandError) as refusal:
        checked(wanted, **offer)
    return refusal.value.problems

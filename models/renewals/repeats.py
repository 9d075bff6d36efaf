"""Orders that renew a certificate, and which of them were refused but ordered again since."""

from sqlalchemy import ColumnElement, exists
from sqlalchemy.orm import aliased

from certline.models.orders.order import Order
from certline.models.states import OrderKind, OrderStatus

# If a profile allows no renewal, a new order with a predecessor is sent instead; it counts as a renewal too.
KINDS = (OrderKind.NEW, OrderKind.RENEWAL)
RENEWS = (Order.predecessor_id.is_not(None), Order.kind.in_(KINDS))
REFUSED = (OrderStatus.REJECTED, OrderStatus.CANCELLED)


def renewed_again() -> ColumnElement[bool]:
    """Return the condition that a later order renews the line of `Order`, and was not refused too."""
    later = aliased(Order)
    return exists(later.id).where(
        later.line_id == Order.line_id,
        later.id > Order.id,
        later.predecessor_id.is_not(None),
        later.kind.in_(KINDS),
        later.status.not_in(REFUSED),
    )

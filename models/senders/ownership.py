"""Whose an order is: that of the sender who ordered it, or who placed the oldest order of its line."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session, aliased

from certline.models.certificates.certificate import Certificate
from certline.models.commands.command import Command
from certline.models.orders.order import Order


def owners_of(db: Session, orders: Collection[str]) -> dict[str, set[str]]:
    """Return the owners of these orders by order id: at most two senders each, and none for what users ordered.

    Renewals by certline itself belong to who ordered the first certificate of the line. That somebody else has
    renewed a certificate does not give him its older versions.
    """
    found: dict[str, set[str]] = {order: set() for order in orders}
    for order, sender in db.execute(_owners().where(Order.id.in_(orders))):
        found[order].add(sender)
    return found


def senders_behind(
    db: Session, commands: Collection[str], subjects: Collection[str]
) -> dict[str, set[str]]:
    """Return the senders of commands by command id, and the owners of orders and certificates by their ids."""
    parts: list[Select[Any]] = [
        select(func.cast(Command.id, Order.id.type), Command.sender).where(
            Command.id.in_(commands), Command.sender.is_not(None)
        ),
        _owners().where(Order.id.in_(subjects)),
        _owners(Certificate.id)
        .join(Certificate, Certificate.order_id == Order.id)
        .where(Certificate.id.in_(subjects)),
    ]
    found: dict[str, set[str]] = {}
    for key, sender in db.execute(union_all(*parts)):
        found.setdefault(key, set()).add(sender)
    return found


def _owners(key: Any = Order.id) -> Select[Any]:
    """Return the query for (key, sender) of orders that have an owner, to be narrowed by the caller."""
    placed, sibling = aliased(Order), aliased(Order)
    # Ids are ULIDs, so the smallest one is the oldest order's.
    oldest = select(func.min(sibling.id)).where(sibling.line_id == Order.line_id).scalar_subquery()
    return (
        select(key, Command.sender)
        .select_from(Order)
        .join(placed, placed.id == func.any(array([Order.id, oldest])))
        .join(Command, Command.id == placed.command_id)
        .where(Command.sender.is_not(None))
    )

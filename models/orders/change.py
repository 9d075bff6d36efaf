"""Changes of one order by a statement that is built once, without loading the order's row."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import ReturningUpdate

from certline.models.orders.order import Order


def change(
    db: Session,
    order: Order,
    statement: ReturningUpdate[*tuple[Any, ...]],
    given: Mapping[str, object],
) -> bool:
    """Run an UPDATE of one order's row, and set in the order what it returns. Returns False if it found no row.

    An UPDATE of SQLAlchemy's ORM returns the whole row and reads it into an object: 0.5 ms of CPU instead of 0.1.
    """
    stored = db.connection().execute(statement, given).mappings().one_or_none()
    if stored is None:
        return False
    for column, value in stored.items():
        set_committed_value(order, column, value)
    return True

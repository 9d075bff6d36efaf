"""A page of orders or certificates, sorted and begun as the address asks."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import Session

from certline.board.web.errors import UnknownThingError
from certline.board.web.filters import Wanted
from certline.models.certificates.certificate import Certificate
from certline.models.listing import SORTINGS, page
from certline.models.orders.order import Order

Row = TypeVar("Row", Order, Certificate)


def page_of(
    db: Session,
    question: Select[Row],
    wanted: Wanted,
    after: str | None,
    *,
    limit: int,
    find: Callable[[Session, str], Row | None],
) -> list[Row]:
    """Load at most `limit` rows after the one whose id is `after`, which `find` loads.

    Raises UnknownThingError if that row is gone.
    """
    noun = question.column_descriptions[0]["entity"].__tablename__
    last = None if after is None else find(db, after)
    if after is not None and last is None:
        raise UnknownThingError(f"The {noun} with which the page before ended was deleted.")
    sorting = SORTINGS[noun][wanted.sort]
    sorting = sorting.reversed() if wanted.reverse else sorting
    return page(db, question, sorting, after=last, limit=limit)

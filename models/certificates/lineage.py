"""Which orders at SCM are renewals of each other, as far as SCM's data shows it.

SCM names no predecessor. It says of the older one that it was renewed; the next one of the same
names, organisation and profile is its successor. Both belong to one line, and need one licence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session, aliased

from certline.models.certificates.certificate import Certificate
from certline.models.certificates.line import AutoRenewChoice, Line
from certline.models.orders.order import Order
from certline.models.states import OrderKind

# Names, organisation and profile: what a renewal keeps.
Family: TypeAlias = tuple[frozenset[str], int, int]


@dataclass(frozen=True)
class Kin:
    """An order as one of its family; `line_id` where it has a line that is managed."""

    order_id: str
    scm_id: int
    renewed: bool
    line_id: str | None = None


def family_of(names: Iterable[str], organization_id: int, profile_id: int) -> Family:
    """What the orders of a family have in common."""
    return frozenset(name.lower() for name in names), organization_id, profile_id


def runs(kin: Iterable[Kin]) -> list[list[Kin]]:
    """A family as runs of renewals, each from the oldest to the newest."""
    found: list[list[Kin]] = []
    for each in sorted(kin, key=lambda one: one.scm_id):
        if found and found[-1][-1].renewed:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def families(
    db: Session, account_id: int, wanted: Sequence[tuple[str, Family]]
) -> dict[Family, list[Kin]]:
    """The orders of some families that are here; each is asked for with its common name."""
    names = {name.lower() for name, _ in wanted}
    query = (
        select(
            Order.id,
            Order.scm_id,
            Order.scm_renewed,
            Line.id.label("line_id"),
            Order.common_name,
            Order.sans,
            Order.organization_id,
            Order.profile_id,
        )
        .outerjoin(Line, (Line.id == Order.line_id) & Line.deleted_at.is_(None))
        .where(
            Order.account_id == account_id,
            Order.common_name.in_(names),
            Order.scm_id.is_not(None),
            Order.kind != OrderKind.REISSUE,
        )
    )
    found: dict[Family, list[Kin]] = {family: [] for _, family in wanted}
    for row in db.execute(query):
        family = family_of([row.common_name, *row.sans], row.organization_id, row.profile_id)
        if family in found:
            found[family].append(Kin(row.id, row.scm_id, row.scm_renewed, row.line_id))
    return found


def run_of(db: Session, order: Order) -> list[Kin]:
    """The run of renewals that an order is in, itself included."""
    family = family_of(order.names, order.organization_id, order.profile_id)
    kin = families(db, order.account_id, [(order.common_name, family)])[family]
    return next((run for run in runs(kin) if order.id in {each.order_id for each in run}), [])


def shared_line(db: Session, order: Order) -> str | None:
    """The line of an order's run, where it has one already: no further licence is needed."""
    return next((each.line_id for each in run_of(db, order) if each.line_id is not None), None)


def join_lines(db: Session, run: Sequence[Kin]) -> str | None:
    """Make the lines of a run one, the oldest; answers it. What the others held is free again."""
    lines = list(dict.fromkeys(each.line_id for each in run if each.line_id is not None))
    kept = aliased(AutoRenewChoice)
    for spare in lines[1:]:
        for table in (Order, Certificate):
            moved = update(table).where(table.line_id == spare).values(line_id=lines[0])
            db.execute(moved.execution_options(synchronize_session=False))
        # What was said of one of them holds for the line; of two, what was said of the oldest.
        said = exists().where(kept.line_id == lines[0])
        moved = update(AutoRenewChoice).where(AutoRenewChoice.line_id == spare, ~said)
        moved = moved.values(line_id=lines[0])
        db.execute(moved.execution_options(synchronize_session=False))
        db.execute(update(Line).where(Line.id == spare).values(deleted_at=func.now()))
    return lines[0] if lines else None

"""Detection of orders that renew one another at SCM, so that they share one licence line.

SCM names no predecessor: it only marks the older order as renewed, so the next order with the same names,
organisation and profile is taken for its successor.
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

# Names (lower case), SCM's organisation id and profile id: a renewal keeps all three.
Family: TypeAlias = tuple[frozenset[str], int, int]


@dataclass(frozen=True)
class Kin:
    """An order as a member of its family. `line_id`: its line, or None if it has none or a deleted one."""

    order_id: str
    scm_id: int
    renewed: bool
    line_id: str | None = None


def family_of(names: Iterable[str], organization_id: int, profile_id: int) -> Family:
    """Return the key that all orders of a family share; names are compared case-insensitively."""
    return frozenset(name.lower() for name in names), organization_id, profile_id


def runs(kin: Iterable[Kin]) -> list[list[Kin]]:
    """Split a family into runs of successive renewals, each from the oldest order to the newest."""
    found: list[list[Kin]] = []
    # SCM's ids rise with time, so sorting by id restores the sequence of the renewals.
    for each in sorted(kin, key=lambda one: one.scm_id):
        if found and found[-1][-1].renewed:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def families(
    db: Session, account_id: int, wanted: Sequence[tuple[str, Family]]
) -> dict[Family, list[Kin]]:
    """Load an account's stored orders of the given families, each given as (common name, family).

    Reissues are left out: a reissue keeps its predecessor's sslId.
    """
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
    # The common name has an index, the set of all names has none: the exact comparison is made in Python.
    for row in db.execute(query):
        family = family_of([row.common_name, *row.sans], row.organization_id, row.profile_id)
        if family in found:
            found[family].append(Kin(row.id, row.scm_id, row.scm_renewed, row.line_id))
    return found


def run_of(db: Session, order: Order) -> list[Kin]:
    """Return the run of renewals that contains the order; empty if the order has no sslId or is a reissue."""
    family = family_of(order.names, order.organization_id, order.profile_id)
    kin = families(db, order.account_id, [(order.common_name, family)])[family]
    return next((run for run in runs(kin) if order.id in {each.order_id for each in run}), [])


def shared_line(db: Session, order: Order) -> str | None:
    """Return the line that the order's run already has, or None. With one, no further licence is needed."""
    return next((each.line_id for each in run_of(db, order) if each.line_id is not None), None)


def join_lines(db: Session, run: Sequence[Kin]) -> str | None:
    """Merge the lines of a run into that of its oldest order. Returns that line's id, or None if there is none.

    The other lines are marked as deleted, which frees their licences.
    """
    lines = list(dict.fromkeys(each.line_id for each in run if each.line_id is not None))
    # synchronize_session=False: objects that the session holds keep the old line. `workers.importing.drift`
    # reloads those that it goes on with; an import reads the line only of objects that it loads afterwards.
    # An alias, because the UPDATE below also reads the table that it changes.
    kept = aliased(AutoRenewChoice)
    for spare in lines[1:]:
        for table in (Order, Certificate):
            moved = update(table).where(table.line_id == spare).values(line_id=lines[0])
            db.execute(moved.execution_options(synchronize_session=False))
        # A spare line's choice (select, deselect) moves to the kept line unless that one has its own.
        said = exists().where(kept.line_id == lines[0])
        moved = update(AutoRenewChoice).where(AutoRenewChoice.line_id == spare, ~said)
        moved = moved.values(line_id=lines[0])
        db.execute(moved.execution_options(synchronize_session=False))
        db.execute(update(Line).where(Line.id == spare).values(deleted_at=func.now()))
    return lines[0] if lines else None

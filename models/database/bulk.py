"""Insert and update many rows in one statement, bypassing the unit of work."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Insert, Table, bindparam, column, func, insert, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from certline.models.database.base import Base

# Key of `Session.info`: the rows that `together` has gathered.
GATHERED = "gathered"


def write(db: Session, statement: Insert, row: Mapping[str, Any]) -> None:
    """Insert one row by a statement that was built once; within `together`, with the others of that statement."""
    if (gathered := db.info.get(GATHERED)) is None:
        db.connection().execute(statement, dict(row))
    else:
        gathered.setdefault(statement, []).append(dict(row))


@contextmanager
def together(db: Session) -> Iterator[None]:
    """Insert what is written in this block (`write`) at its end, the rows of one statement in one call.

    Nothing in the block may read those rows.
    """
    gathered: dict[Insert, list[dict[str, Any]]] = {}
    db.info[GATHERED] = gathered
    try:
        yield
    finally:
        del db.info[GATHERED]
    for statement, rows in gathered.items():
        db.connection().execute(statement, rows)


def add_object(db: Session, row: Base) -> None:
    """Insert an object's row at once; the object does not become part of the session."""
    table = cast("Table", row.__table__)
    names = {column.key for column in table.c}
    values = {name: value for name, value in vars(row).items() if name in names}
    db.connection().execute(insert(table).inline(), values)


def add_rows(db: Session, kind: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, all with the same columns; columns that are not named get their defaults."""
    if rows:
        db.connection().execute(insert(cast("Table", kind.__table__)), [dict(row) for row in rows])


def set_in_rows(db: Session, kind: type[Base], name: str, values: Mapping[str, Any]) -> None:
    """Set one column of many rows in one statement; `values` has the new value by the row's id.

    Objects that the session has loaded are not updated.
    """
    if not values:
        return
    table = cast("Table", kind.__table__)
    id_type, value_type = table.c.id.type, table.c[name].type
    # Two arrays as parameters: the statement is the same however many rows there are.
    unnested = func.unnest(
        bindparam("ids", list(values), ARRAY(id_type)),
        bindparam("values", list(values.values()), ARRAY(value_type)),
    )
    given = unnested.table_valued(column("own_id", id_type), column("value", value_type))
    given = given.render_derived()
    change = update(table).where(table.c.id == given.c.own_id).values({name: given.c.value})
    db.connection().execute(change)

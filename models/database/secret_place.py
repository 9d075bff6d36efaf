"""Places of the secrets in the tables' rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, inspect

from certline.models.ciphers.place import SecretPlace
from certline.models.database.base import Base

# Entry of a column's `info`: columns of the row that the column's secret is bound to besides the row's id.
BESIDE = "beside"


def place_of(row: Base, column: str) -> SecretPlace:
    """Return the place of a secret in a row, whose id must be known already."""
    table = inspect(row).mapper.local_table
    assert isinstance(table, Table)  # noqa: S101  # no class of ours maps anything else
    (key,) = table.primary_key.columns
    beside = [getattr(row, name) for name in table.columns[column].info.get(BESIDE, ())]
    return secret_place(str(table.name), column, getattr(row, key.name), beside)


def secret_place(table: str, column: str, row: object, beside: Sequence[Any] = ()) -> SecretPlace:
    """Return a place from a row's values."""
    if row is None:
        raise ValueError(f"the row of {table} has no id yet, so its secret cannot be bound to it")
    texts = tuple(None if each is None else str(each) for each in beside)
    return SecretPlace(table, column, str(row), texts)

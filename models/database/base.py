"""Declarative bases of the tables and of the public views: names of constraints; storage of enums, times, ids."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from sqlalchemy import DateTime, Enum, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

# Names of indexes and constraints; migrations refer to them.
NAMES = {
    "ix": "%(table_name)s_%(column_0_N_name)s",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


def new_id() -> str:
    """Return a new ULID: 26 characters that sort by creation time."""
    from ulid import ULID

    return str(ULID())


def stored_by_value(kind: type[StrEnum]) -> Enum:
    """Return a column type that stores an enum's values as text, with a check constraint in the database."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        name=f"{kind.__name__.lower()}_known",
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


# A domain name. Collation C compares bytes, so one index serves equality, prefix searches and sorting.
DnsText = Annotated[str, mapped_column(Text(collation="C"))]


class Base(DeclarativeBase):
    """Base class of all tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
        list[str]: ARRAY(Text),
    }


class PublicView(DeclarativeBase):
    """Base class of the views that show a table without its secrets.

    Their metadata are apart from those of the tables: migrations write them, and nothing is stored through them.
    """

    type_annotation_map: ClassVar[dict[Any, Any]] = Base.type_annotation_map

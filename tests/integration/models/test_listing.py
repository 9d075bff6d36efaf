"""Tests of lists: filtered, sorted, page by page, and read by indexes, however many rows there are."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Select
from sqlalchemy.orm import Session

from certline.models import (
    AuditEntry,
    Certificate,
    Command,
    Database,
    DeadLetter,
    Narrowing,
    Order,
)
from certline.models.database.base import Base
from certline.models.listing import (
    SORTINGS,
    Sorting,
    certificates_listed,
    commands_listed,
    dead_letters_listed,
    events_listed,
    in_group,
    orders_listed,
    page,
    paged,
)
from tests.integration.models.estate import filled
from tests.servers import PostgresServer

ROWS = 60_000
LIMIT = 100
# The estate has a row per minute: its newest tenth.
AGES_AGO = datetime.now(UTC) - timedelta(minutes=ROWS / 10)
SOON = datetime.now(UTC) + timedelta(days=60)
QUESTIONS: dict[type[Base], Any] = {
    Order: orders_listed,
    Certificate: certificates_listed,
    Command: commands_listed,
    DeadLetter: dead_letters_listed,
}


@pytest.fixture(scope="module")
def estate(postgres: PostgresServer, template_database: str) -> Iterator[Database]:
    """Yield an estate large enough that Postgres chooses its plans by cost."""
    with filled(postgres, template_database, ROWS) as database:
        yield database


# (list, filters, sorting or None for the default)
ASKED: list[tuple[type[Base], dict[str, Any], str | None]] = [
    (Order, {}, None),
    (Order, {}, "changed"),
    (Order, {}, "name"),
    (Order, {"statuses": ["held"]}, None),
    (Order, {"statuses": ["held", "review"]}, None),
    (Order, {"statuses": ["stored"]}, None),
    (Order, {"statuses": ["stored"]}, "name"),
    (Order, {"statuses": ["placed"]}, None),
    (Order, {"account_id": 1}, None),
    (Order, {"account_id": 2}, None),
    (Order, {"organizations": [7]}, None),
    (Order, {"organizations": [120, 121]}, None),
    (Order, {"profiles": [3]}, None),
    (Order, {"name": "host4711*"}, None),
    (Order, {"name": "*.shop4.example"}, None),
    (Order, {"name": "host4711.*.example"}, "changed"),
    (Order, {"name": "host4711.vpn211.example"}, None),
    (Certificate, {}, None),
    (Certificate, {}, "expires"),
    (Certificate, {"organizations": [7]}, "expires"),
    (Certificate, {}, "name"),
    (Certificate, {}, "stored"),
    (Certificate, {"statuses": ["revoked"]}, None),
    (Certificate, {"statuses": ["active"]}, None),
    (Certificate, {"statuses": ["active", "expired"]}, None),
    (Certificate, {"expires_within": timedelta(days=30)}, None),
    (Certificate, {"expires_within": timedelta(days=30), "organizations": [120]}, None),
    (Certificate, {"ends_from": SOON, "ends_before": SOON + timedelta(days=31)}, None),
    (
        Certificate,
        {"ends_from": SOON, "ends_before": SOON + timedelta(days=31), "organizations": [120]},
        None,
    ),
    (Certificate, {"account_id": 2}, None),
    (Certificate, {"organizations": [7]}, None),
    (Certificate, {"organizations": [120]}, None),
    (Certificate, {"profiles": [3], "statuses": ["active"]}, None),
    (Certificate, {"name": "*.shop4.example"}, None),
    (Certificate, {"name": "host47*"}, "name"),
    (Command, {}, None),
    (Command, {"statuses": ["failed"]}, None),
    (Command, {"statuses": ["done"]}, None),
    (Command, {"statuses": ["failed", "review"]}, None),
    (Command, {"types": ["sync"]}, None),
    (Command, {"types": ["poll"]}, None),
    (Command, {"subject": "0" * 22 + "4711"}, None),
    (DeadLetter, {}, None),
    (DeadLetter, {"statuses": ["waiting"]}, None),
    (AuditEntry, {}, None),
    (AuditEntry, {"who": "amelie"}, None),
    (AuditEntry, {"types": ["keys.rotated"]}, None),
    (AuditEntry, {"types": ["order.stored"]}, None),
    (AuditEntry, {"types": ["keys.rotated", "account.added"]}, None),
    (AuditEntry, {"subject": "0" * 22 + "4711"}, None),
    (AuditEntry, {"since": AGES_AGO, "until": AGES_AGO + timedelta(days=1)}, None),
]


def question(table: type[Base], narrowed: dict[str, Any]) -> Select[Any]:
    if table is AuditEntry:
        return events_listed(**narrowed)
    asked: Select[Any] = QUESTIONS[table](Narrowing(**narrowed))
    return asked


def sorting_of(table: type[Base], name: str | None) -> Sorting:
    """Return a list's sorting by name, or its default one."""
    known = SORTINGS[table.__tablename__]
    return known[name or next(iter(known))]


def plan(db: Session, asked: Select[Any]) -> str:
    """Return Postgres' query plan."""
    compiled = asked.compile(db.get_bind(), compile_kwargs={"render_postcompile": True})
    told = db.connection().exec_driver_sql(f"EXPLAIN (ANALYZE) {compiled}", compiled.params)
    return "\n".join(told.scalars())


@pytest.mark.parametrize(("table", "narrowed", "name"), ASKED)
def test_a_page_of_a_list_is_read_by_an_index(
    estate: Database, table: type[Base], narrowed: dict[str, Any], name: str | None
) -> None:
    asked, sorting = question(table, narrowed), sorting_of(table, name)
    with estate.transaction() as db:
        first = page(db, asked, sorting, after=None, limit=LIMIT)
        plans = [
            plan(db, paged(group, each, after=after, limit=LIMIT))
            for each in (sorting, sorting.reversed())
            for after in (None, *first[-1:])
            for group in grouped(asked, each)
        ]

    for told in plans:
        big = [
            line for line in told.splitlines() if "Seq Scan" in line and "on account" not in line
        ]
        assert big == [], told
        # Walking through a whole index is no better than reading the whole table.
        assert passed_over(told) < ROWS / 4, told


def grouped(asked: Select[Any], sorting: Sorting) -> list[Select[Any]]:
    """Return the queries of a page: one for each status if the sorting groups by it."""
    return [in_group(asked, status) for status in sorting.groups] or [asked]


def passed_over(told: str) -> int:
    """Return how many rows were read and filtered out."""
    return sum(int(count) for count in re.findall(r"Rows Removed by Filter: (\d+)", told))

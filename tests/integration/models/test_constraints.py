"""Tests of constraints: Postgres itself refuses invalid rows, not only Python."""

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from certline.models import AuditEntry, Database, Order, OrderKind, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.states import OPEN
from tests.support.factories import a_certificate, an_account, an_order

CLOSED = sorted(set(OrderStatus) - OPEN)


def refuses(database: Database, statement: str, rule: str) -> None:
    """Check that a statement is refused by the constraint of that name."""
    with pytest.raises(DBAPIError, match=rule), database.transaction() as db:
        db.execute(text(statement))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("status = 'lost'", "order_orderstatus_known"),
        ("kind = 'gift'", "order_orderkind_known"),
        ("term = 0", "order_term_is_days"),
        ("comments = repeat('x', 1025)", "order_comments_fit_scm"),
        ("fence = -1", "order_counts_count_up"),
        ("attempts = -1", "order_counts_count_up"),
        ("csr = NULL", "order_csr_before_sending"),
        ("status = 'sending', csr = NULL", "order_csr_before_sending"),
        ("status = 'pending'", "order_known_to_scm"),
        ("status = 'stored'", "order_known_to_scm"),
        ("account_id = 0", "order_account_id_fkey"),
        ("line_id = 'none'", "order_line_id_fkey"),
    ],
)
def test_an_order_that_cannot_be_is_refused(database: Database, change: str, rule: str) -> None:
    database.run(an_order)

    refuses(database, f'UPDATE "order" SET {change}', rule)  # noqa: S608  # our own words


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ("account", "accountstatus_known"),
        ("certificate", "certificatestatus_known"),
    ],
)
def test_an_unknown_state_is_refused(database: Database, table: str, rule: str) -> None:
    database.run(a_certificate)

    refuses(database, f"UPDATE {table} SET status = 'lost'", rule)  # noqa: S608  # our own words


@pytest.mark.parametrize("status", sorted(OPEN))
def test_a_second_open_order_of_one_business_key_is_refused(
    database: Database, status: OrderStatus
) -> None:
    database.run(lambda db: an_order(db, business_key="same", status=status))

    with pytest.raises(IntegrityError, match="order_business_key_open"):
        database.run(lambda db: an_order(db, business_key="same"))


@pytest.mark.parametrize("status", CLOSED)
def test_an_order_that_is_over_makes_room_for_another(
    database: Database, status: OrderStatus
) -> None:
    with database.transaction() as db:
        an_order(db, business_key="same", status=status)
        an_order(db, business_key="same")

        assert db.scalar(select(func.count()).select_from(Order)) == 2


def test_two_orders_share_an_ssl_id_only_where_one_is_a_reissue(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db)
        first = an_order(db, account, scm_id=7, status=OrderStatus.STORED)
        again = {"kind": OrderKind.REISSUE, "predecessor_id": a_certificate(db, first).id}
        an_order(db, account, scm_id=7, status=OrderStatus.PENDING, **again)
        an_order(db, an_account(db), scm_id=7, status=OrderStatus.PENDING)

    with pytest.raises(IntegrityError, match="order_scm_id_once"), database.transaction() as db:
        an_order(db, account, scm_id=7, status=OrderStatus.PENDING)


@pytest.mark.parametrize("kind", [OrderKind.RENEWAL, OrderKind.REISSUE])
def test_a_successor_knows_what_it_succeeds(database: Database, kind: OrderKind) -> None:
    with pytest.raises(IntegrityError, match="successor_knows"), database.transaction() as db:
        an_order(db, kind=kind)


def test_one_command_has_one_order(database: Database) -> None:
    command = "0190aaaa-0000-7000-8000-000000000000"
    with database.transaction() as db:
        db.execute(
            text(
                "INSERT INTO command (id, type, payload, payload_sha256, requested_by, source, "
                "correlation_id, status, attempts, restarts) "
                "VALUES (:id, 'order', '{}', '', 'ida', 'cli', '', 'queued', 0, 0)"
            ),
            {"id": command},
        )
        an_order(db, command_id=command)

    with pytest.raises(IntegrityError, match="order_command_id_key"), database.transaction() as db:
        an_order(db, command_id=command)


def test_a_certificate_is_stored_once_for_its_ssl_id_and_serial_number(database: Database) -> None:
    with database.transaction() as db:
        first = a_certificate(db, serial_number="a1")
        order = db.get_one(Order, first.order_id)
        a_certificate(db, order, serial_number="a2")
        a_certificate(db, serial_number="a1")

    with (
        pytest.raises(IntegrityError, match="certificate_account_id_scm_id_serial_number_key"),
        database.transaction() as db,
    ):
        a_certificate(db, order, serial_number="a1")


def test_a_certificate_ends_after_it_begins(database: Database) -> None:
    database.run(a_certificate)

    refuses(database, "UPDATE certificate SET not_after = not_before", "lives_forwards")


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("INSERT INTO license VALUES (2, 10)", "license_one_row"),
        ("INSERT INTO license VALUES (1, 10)", "license_pkey"),
        ("UPDATE license SET id = 2", "license_one_row"),
        ("UPDATE license SET capacity = -1", "license_capacity_counts"),
    ],
)
def test_there_is_one_licence_and_it_counts(database: Database, statement: str, rule: str) -> None:
    refuses(database, statement, rule)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET why = 'because'",
        "DELETE FROM event",
        "TRUNCATE event",
        "DELETE FROM event WHERE false",
    ],
)
def test_what_happened_stays_as_it_was_written(database: Database, statement: str) -> None:
    with database.transaction() as db:
        record(db, "order.placed", "01J", who=Identity("os:ida"), scm_id=7)

    refuses(database, statement, "events are only ever added")

    with database.transaction() as db:
        assert [event.data for event in db.scalars(select(AuditEntry))] == [{"scm_id": 7}]

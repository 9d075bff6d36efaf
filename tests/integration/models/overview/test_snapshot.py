"""Tests of the overview: what it counts, and that it stays cheap however much is stored."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select, update

from certline.models import Command, CommandStatus, CommandType, Database, Order, Queue, Schedule
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.heartbeat import beat
from certline.models.overview.matter import MatterKind
from certline.models.overview.snapshot import Snapshot, take_snapshot
from certline.models.overview.work import backlog, order_loads
from certline.models.renewals.runs import AutoRenewDecision, begin_run
from certline.models.states import Decision, OrderStatus
from tests.integration.models.estate import filled
from tests.servers import PostgresServer
from tests.support.factories import a_certificate, an_account, an_order

SETTLE = timedelta(minutes=15)
ROWS = 60_000
# Tables that grow with the installation; accounts, schedules and processes are few.
GROWING = ("order", "command", "certificate", "line", "event", "dead_letter", "outbox")
WHO = Identity("os:ida")


@pytest.fixture(autouse=True)
def punctual(database: Database) -> None:
    """Have no schedule be late: the tables may be older than five minutes, and no producer runs."""
    with database.transaction() as db:
        db.execute(update(Schedule).values(next_due=func.now() + timedelta(hours=1)))


def look(database: Database) -> Snapshot:
    with database.transaction() as db:
        return take_snapshot(db, SETTLE)


def a_command(
    database: Database, kind: CommandType, subject: str | None = None, **changes: Any
) -> str:
    """Store a command, and change its row as a worker would."""
    with database.transaction() as db:
        command, _ = accept(
            db, kind, {"subject": subject}, subject=subject, requested_by=WHO, source="cli"
        )
        if changes:
            db.execute(update(Command).where(Command.id == command.id).values(**changes))
        return command.id


def test_commands_are_counted_by_queue_with_the_oldest(database: Database) -> None:
    ago = func.now() - timedelta(minutes=10)
    a_command(database, CommandType.SYNC, not_before=ago)
    a_command(database, CommandType.IMPORT)
    a_command(database, CommandType.REVOKE, status=CommandStatus.RUNNING)
    a_command(database, CommandType.CANCEL, not_before=func.now() + timedelta(hours=1))
    a_command(database, CommandType.ORDER, status=CommandStatus.DONE)

    loads = {each.queue: each for each in look(database).backlog.queues}

    assert list(loads) == list(Queue)
    assert (loads[Queue.BULK].due, loads[Queue.BULK].running) == (2, 0)
    assert loads[Queue.BULK].oldest_seconds == pytest.approx(600, abs=30)
    assert (loads[Queue.MANAGE].due, loads[Queue.MANAGE].running) == (0, 1)
    assert loads[Queue.MANAGE].oldest_seconds is None
    assert (loads[Queue.ORDER].due, loads[Queue.ORDER].running) == (0, 0)


def test_a_long_backlog_is_counted_up_to_a_limit_and_says_so(database: Database) -> None:
    for _ in range(3):
        a_command(database, CommandType.SYNC)

    with database.transaction() as db:
        found = backlog(db, most=2)

    assert not found.whole
    assert sum(each.due for each in found.queues) == 2


def test_orders_that_should_move_are_counted_with_the_oldest(database: Database) -> None:
    with database.transaction() as db:
        old = an_order(db, status="pending")
        an_order(db, status="pending", account=old.account)
        an_order(db, status="stored", account=old.account)
        db.execute(
            update(Order)
            .where(Order.id == old.id)
            .values(created_at=func.now() - timedelta(hours=2))
        )

    with database.transaction() as db:
        loads = {each.status: each for each in order_loads(db)}

    assert loads[OrderStatus.PENDING].count == 2
    assert loads[OrderStatus.PENDING].oldest_seconds == pytest.approx(7200, abs=30)
    assert loads[OrderStatus.PLACED].count == 0
    assert OrderStatus.STORED not in loads


def test_the_rate_of_calls_is_that_of_all_parts_that_run(database: Database) -> None:
    row: dict[str, object] = {
        "part": "worker",
        "host": "ada",
        "version": "1",
        "queues": [],
        "keys": [],
        "fault": None,
    }
    assert look(database).traffic.calls_per_second is None
    with database.transaction() as db:
        for number, calls in enumerate((30, 15)):
            counted = {"scm_calls": calls, "scm_errors": calls // 15, "scm_seconds": 15.0}
            beat(db, {**row, **counted, "id": str(number), "pid": number, "every": 15.0})

    traffic = look(database).traffic

    assert traffic.calls_per_second == pytest.approx(3)
    assert traffic.errors_per_second == pytest.approx(0.2)


def test_the_renewals_of_the_last_day_are_counted_by_outcome(database: Database) -> None:
    before = func.now() - timedelta(hours=25)
    a_command(database, CommandType.RENEW, "a", status=CommandStatus.DONE)
    a_command(database, CommandType.RENEW, "b", status=CommandStatus.RUNNING)
    a_command(database, CommandType.RENEW, "c", status=CommandStatus.FAILED)
    a_command(database, CommandType.RENEW, "d", status=CommandStatus.FAILED, created_at=before)
    with database.transaction() as db:
        certificate = a_certificate(db)
        certificate.not_before = db.scalars(select(func.now() - timedelta(days=80))).one()
        certificate.not_after = db.scalars(select(func.now() + timedelta(days=10))).one()
        certificate.auto_renew = True
        certificate.renews_at = db.scalars(select(func.now() - timedelta(hours=1))).one()
        run = begin_run(db, requested_by=WHO)
        db.add(
            AutoRenewDecision(
                run_id=run.id,
                certificate_id=certificate.id,
                common_name=certificate.common_name,
                not_after=certificate.not_after,
                decision=Decision.REFUSED,
                reason="its domain's validation ends first",
                selected_by="rule",
            )
        )

    found = look(database)

    day = found.day.renewals
    assert (day.due, day.done, day.under_way, day.failed) == (1, 1, 1, 1)
    assert (day.refused, day.refused_in_batches, day.held) == (1, 0, 0)
    kinds = [matter.kind for matter in found.matters]
    assert kinds == [MatterKind.RENEWAL_FAILED, MatterKind.RENEWAL_REFUSED]


def test_a_failed_renewal_waits_for_nobody_once_it_is_requested_again(database: Database) -> None:
    with database.transaction() as db:
        old = a_certificate(db)
        renewal: dict[str, Any] = {"kind": "new", "predecessor_id": old.id, "line_id": old.line_id}
        refused = an_order(db, status="rejected", **renewal).id
    a_command(database, CommandType.RENEW, refused, status=CommandStatus.FAILED)

    assert look(database).day.renewals.failed == 1

    with database.transaction() as db:
        an_order(db, status="pending", **renewal)

    assert look(database).day.renewals.failed == 0


def test_what_waits_for_a_person_is_named_the_most_urgent_first(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db, name="hafen", status="suspended")
        review = an_order(db, account, status="review")
        an_order(db, account, status="held")
        sending = an_order(db, account, status="sending")
        sending.created_at = db.scalars(select(func.now() - timedelta(hours=1))).one()
        ending = a_certificate(db, an_order(db, account, status="stored"))
        ending.not_before = db.scalars(select(func.now() - timedelta(days=80))).one()
        ending.not_after = db.scalars(select(func.now() + timedelta(days=3))).one()
        ending_id = ending.id
    a_command(database, CommandType.POLL, review.id, status=CommandStatus.REVIEW)
    a_command(database, CommandType.SYNC, status=CommandStatus.REVIEW)
    a_command(database, CommandType.WEBHOOK, "w", status=CommandStatus.REVIEW)

    found = look(database).matters

    assert [(matter.kind.value, matter.count) for matter in found] == [
        ("account_suspended", 1),
        ("certificate_unattended", 1),
        ("order_review", 1),
        ("order_stuck", 1),
        ("order_held", 1),
        ("command_review", 1),  # the order's own is told as the order
        ("delivery_parked", 1),
    ]
    assert found[0].example == "hafen"
    assert found[1].example == ending_id


@pytest.fixture(scope="module")
def estate(postgres: PostgresServer, template_database: str) -> Iterator[Database]:
    """Yield an estate large enough that Postgres chooses its plans by cost."""
    with filled(postgres, template_database, ROWS, pool_size=1) as database:
        yield database


def plans_of(database: Database) -> list[str]:
    """Return Postgres' plan of each statement of a snapshot."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    look(database)
    event.remove(database.engine, "before_cursor_execute", note)
    with database.transaction() as db:
        told = [
            db.connection().exec_driver_sql(f"EXPLAIN (ANALYZE) {statement}", parameters).scalars()
            for statement, parameters in asked
        ]
        return ["\n".join(lines) for lines in told]


def test_every_statement_of_a_look_is_answered_by_an_index(estate: Database) -> None:
    whole = re.compile(rf'Seq Scan on "?({"|".join(GROWING)})"?\s')

    plans = plans_of(estate)

    assert len(plans) <= 24
    # A table that is as good as empty is read as it is.
    read = [
        told
        for told in plans
        for line in told.splitlines()
        if whole.search(line) and "rows=0.00 " not in line.split("actual", 1)[-1]
    ]
    assert read == [], "\n\n".join(read)
    for told in plans:
        passed_over = sum(map(int, re.findall(r"Rows Removed by Filter: (\d+)", told)))
        assert passed_over < ROWS / 20, told

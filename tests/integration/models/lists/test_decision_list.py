"""Tests of lists of auto-renewal: decisions as of now, page by page, and read by indexes."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from certline.models import (
    AutoRenewDecision,
    AutoRenewRun,
    Command,
    CommandStatus,
    CommandType,
    Database,
    RenewalBatch,
)
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.renewals.batch import batch_page
from certline.models.renewals.decision_list import DecisionFilter, decision_page, run_page
from certline.models.renewals.runs import counts_by_reason, counts_of
from certline.models.states import Decision

HOUR = timedelta(hours=1)


def a_run(db: Session, **more: Any) -> AutoRenewRun:
    """Store a run that has ended."""
    usual = {"requested_by": "certline:schedule", "ended_at": clock(db)}
    run = AutoRenewRun(**usual | more)
    db.add(run)
    db.flush()
    return run


def a_decision(db: Session, run: AutoRenewRun, decision: Decision, **more: Any) -> str:
    """Store a decision, with its command if it is one to renew, and return its id."""
    command = None
    if decision is Decision.RENEWED:
        command = accept(
            db, CommandType.RENEW, {}, requested_by=Identity("ida"), source="producer"
        )[0].id
    usual = {
        "certificate_id": str(uuid4()),
        "common_name": "shop.example",
        "not_after": clock(db),
        "selected_by": "ida",
        "command_id": command,
        "decided_at": clock(db),
    }
    row = AutoRenewDecision(run_id=run.id, decision=decision, **usual | more)
    db.add(row)
    db.flush()
    return row.id


def listed(database: Database, **wanted: Any) -> list[str]:
    """Return the ids of the decisions in a list, read two a page."""
    found: list[str] = []
    with database.transaction() as db:
        after = None
        while page := decision_page(db, DecisionFilter(**wanted), after=after, limit=2):
            found += [each.row.id for each in page]
            after = found[-1]
    return found


def test_decisions_are_listed_as_they_are_now(database: Database) -> None:
    with database.transaction() as db:
        old = a_run(db, started_at=clock(db) - HOUR)
        new = a_run(db)
        renewed = a_decision(db, old, Decision.RENEWED, decided_at=clock(db) - HOUR)
        failed = a_decision(db, new, Decision.RENEWED, common_name="failed.example")
        refused = a_decision(db, new, Decision.REFUSED, certificate_id="C", reason="why not")
        held = a_decision(db, new, Decision.HELD)
        stated = a_decision(db, new, Decision.FAILED)
        command = db.get_one(Command, db.get_one(AutoRenewDecision, failed).command_id)
        command.status, command.error = CommandStatus.FAILED, "SCM refused"
        started, runs = new.started_at, [old.id, new.id]

    newest = sorted([failed, refused, held, stated], reverse=True)
    assert listed(database) == [*newest, renewed]
    assert listed(database, run=runs[0]) == [renewed]
    assert listed(database, decisions=[Decision.RENEWED]) == [renewed]
    assert listed(database, decisions=[Decision.FAILED]) == sorted([failed, stated], reverse=True)
    both = [Decision.FAILED, Decision.REFUSED]
    assert listed(database, decisions=both) == sorted([failed, stated, refused], reverse=True)
    mixed = [Decision.RENEWED, Decision.HELD]
    assert listed(database, decisions=mixed) == [held, renewed]
    asked = [Decision.RENEWED, Decision.FAILED]
    assert set(listed(database, decisions=asked)) == {renewed, failed, stated}
    assert listed(database, certificate="C") == [refused]
    assert listed(database, name="failed.*") == [failed]
    assert listed(database, since=started) == newest
    assert listed(database, until=started) == [renewed]
    with database.transaction() as db:
        [first] = decision_page(db, DecisionFilter(name="failed.example"), after=None, limit=9)
        counts = counts_of(db, runs)
        reasons = counts_by_reason(db, runs[1])
        assert [run.id for run in run_page(db, after=None, limit=1)] == runs[1:]
        assert [run.id for run in run_page(db, after=runs[1], limit=9)] == runs[:1]
    assert (first.decision, first.reason) == (Decision.FAILED, "SCM refused")
    assert counts[runs[0]] == {Decision.RENEWED: 1}
    assert reasons[Decision.FAILED, "unknown"] == 2
    assert (Decision.RENEWED, "unknown") not in reasons
    assert counts[runs[1]] == {Decision.FAILED: 2, Decision.REFUSED: 1, Decision.HELD: 1}


def test_a_page_after_an_unknown_decision_is_the_first(database: Database) -> None:
    with database.transaction() as db:
        own_id = a_decision(db, a_run(db), Decision.HELD)
        page = decision_page(db, DecisionFilter(), after="nothing", limit=9)

    assert [each.row.id for each in page] == [own_id]


MANY = """
INSERT INTO auto_renew_decision (id, run_id, certificate_id, common_name, not_after, decision, code, selected_by,
    decided_at)
SELECT lpad(n::text, 26, '0'), :run, n::text, 'host' || n || '.example', now(),
    CASE WHEN n % 5000 = 7 THEN 'refused' ELSE 'skipped' END, 'unknown', 'ida',
    now() - n / 1000 * interval '1 hour'
FROM generate_series(1, 60000) AS n
"""


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"decisions": [Decision.REFUSED]},
        {"decisions": [Decision.FAILED]},
        {"certificate": "4711"},
        {"name": "host4711.example"},
        {"name": "host4711*"},
    ],
)
def test_pages_of_decisions_are_read_by_indexes(database: Database, wanted: dict[str, Any]) -> None:
    asked: list[tuple[str, Any]] = []
    with database.transaction() as db:
        run = a_run(db)
        db.execute(text(MANY), {"run": run.id})
        db.execute(text("ANALYZE auto_renew_decision"))
        connection = db.connection()
        event.listen(
            connection,
            "before_cursor_execute",
            lambda _c, _u, statement, given, *_: asked.append((statement, given)),
        )
        page = decision_page(db, DecisionFilter(**wanted), after=None, limit=100)
        last = page[-1].row.id if page else None
        decision_page(db, DecisionFilter(**wanted), after=last, limit=100)
        plans = [
            "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", given).scalars())
            for statement, given in list(asked)
        ]

    assert len(plans) >= 3
    assert [told for told in plans if "Seq Scan on auto_renew_decision" in told] == []


def test_batches_are_listed_page_by_page(database: Database) -> None:
    with database.transaction() as db:
        db.add_all([RenewalBatch(id=f"{n}", selection="all", requested_by="ida") for n in "123"])
    with database.transaction() as db:
        assert [each.id for each in batch_page(db, after=None, limit=2)] == ["3", "2"]
        assert [each.id for each in batch_page(db, after="2", limit=2)] == ["1"]
        assert len(db.scalars(select(RenewalBatch)).all()) == 3

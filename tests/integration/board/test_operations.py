"""Tests of what pages of one thing say: what to type next, how far the log is verified, what was decided."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from certline.models import (
    AutoRenewDecision,
    AutoRenewRun,
    CommandStatus,
    CommandType,
    Database,
    RenewalBatch,
    RenewalMember,
)
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.audit.patrol import patrol
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.renewals.batch import BatchStatus
from certline.models.states import Decision, DecisionCode
from tests.support.board_window import BoardWindow

IDA = Identity("os:ida")


def a_command(database: Database, kind: CommandType, status: CommandStatus) -> str:
    """Store a command in a status, and return its id."""
    with database.transaction() as db:
        payload: dict[str, Any] = {"name": "reload", "certificate": "C", "common_name": "a.example"}
        row = accept(db, kind, payload, requested_by=IDA, source="cli", subject="C")[0]
        row.status = status
        return row.id


@pytest.mark.parametrize(
    ("kind", "status", "typed"),
    [
        (CommandType.ORDER, CommandStatus.FAILED, "command retry"),
        (CommandType.ORDER, CommandStatus.HELD, "command approve"),
        (CommandType.ORDER, CommandStatus.RUNNING, "command wait"),
        (CommandType.ORDER, CommandStatus.DONE, "command show"),
        (CommandType.HOOK, CommandStatus.FAILED, "hook retry"),
        (CommandType.WEBHOOK, CommandStatus.REVIEW, "webhook retry"),
    ],
)
def test_a_command_says_what_to_type_next(
    database: Database, board: BoardWindow, kind: CommandType, status: CommandStatus, typed: str
) -> None:
    own_id = a_command(database, kind, status)

    assert f"certline {typed} {own_id}" in board.text(f"/commands/{own_id}")


def test_the_audit_log_says_up_to_where_its_chain_is_verified(
    database: Database, board: BoardWindow
) -> None:
    for number in range(5):
        with database.transaction() as db:
            record(db, "test.entry", str(number), who=IDA)
    database.run(lambda db: patrol(db, 2))
    begun = board.text("/audit")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE event_patrol SET broken = 'entry 3 was changed'"))
    broken = board.text("/audit")

    assert "Verified up to entry 2 of 5" in begun
    assert "unverified" in begun
    assert "The log was altered: entry 3 was changed" in broken
    assert "certline audit verify" in broken


def test_a_run_counts_its_decisions_by_reason_and_shows_those_of_a_kind(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        run = AutoRenewRun(requested_by="os:ida", looked_at=7, ended_at=clock(db))
        db.add(run)
        db.flush()
        for name, decision, code in (
            ("www.example", Decision.SKIPPED, DecisionCode.UNDER_WAY),
            ("mail.example", Decision.REFUSED, DecisionCode.VALIDATION_ENDED),
        ):
            decided = AutoRenewDecision(
                run_id=run.id,
                certificate_id=name,
                common_name=name,
                not_after=clock(db, timedelta(days=9)),
                decision=decision,
                code=code,
                selected_by="os:tim",
            )
            db.add(decided)
        own_id = run.id
    whole = board.text(f"/renewals/runs/{own_id}")
    refused = board.text(f"/renewals/runs/{own_id}?decision=refused")

    assert "validation ended 1" in whole
    assert "os:tim" in whole
    assert "www.example" in whole
    assert "www.example" not in refused
    assert "mail.example" in refused
    assert board.get(f"/renewals/runs/{own_id}?decision=maybe").status_code == 400


def test_a_batch_shows_its_progress_and_its_members_page_by_page(
    database: Database, board: BoardWindow
) -> None:
    with database.transaction() as db:
        batch = RenewalBatch(
            status=BatchStatus.PAUSED, selection="all", per_hour=500, requested_by="os:ida"
        )
        db.add(batch)
        db.flush()
        for number in range(101):
            member = RenewalMember(
                batch_id=batch.id,
                position=number,
                certificate_id=str(number),
                line_id=str(number),
                common_name=f"host{number}.example",
                status="refused",
                reason="gone",
            )
            db.add(member)
        own_id = batch.id
    first = board.text(f"/renewals/batches/{own_id}")
    second = board.text(f"/renewals/batches/{own_id}?after=99")

    assert "0 of 101 renewed, 101 refused" in first
    assert "500 an hour" in first
    assert f"certline renewal resume {own_id}" in first
    assert "The next members" in first
    assert "host100.example" in second
    assert "host99.example" not in second
    assert board.get(f"/renewals/batches/{own_id}?after=x").status_code == 400

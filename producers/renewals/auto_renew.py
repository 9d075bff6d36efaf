"""Auto-renewal runs: start one, continue it for a while, end it.

A run is a row, inserted in the transaction that fires the schedule. Any producer continues it, a piece at a time
(`producers.renewals.decisions`).
"""

import time
from typing import Any

import structlog
from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.audit.identity import SCHEDULE, Identity
from certline.models.audit.log import record
from certline.models.database.session import clock
from certline.models.events.data import AutoRenewCompleted, RenewalRefusal
from certline.models.events.outbox import emit_event
from certline.models.renewals.runs import (
    AutoRenewRun,
    begin_run,
    counts_of,
    decisions_of,
    open_run,
    take_pass,
)
from certline.models.renewals.selection import auto_renew_settings
from certline.models.states import Decision
from certline.producers.renewals.day_plan import drop_the_rest
from certline.producers.renewals.decisions import RunAtWork

log = structlog.get_logger()

# Seconds per tick for auto-renewal; the same thread has to fire the sweep every minute.
PATIENCE = 10.0
# Refusals listed in the event; the audit of the run has all of them.
NAMED = 100


def start_run(db: Session, *, requested_by: Identity = SCHEDULE) -> dict[str, int]:
    """Start a run unless one is open, for a producer to continue. Returns counts for the schedule's log."""
    begin_run(db, requested_by=requested_by)
    return {"runs": 1}


def go_on_for(database: Database, seconds: float = PATIENCE) -> None:
    """Continue the open run for about `seconds` (the last piece may take longer)."""
    go_on(database, seconds)


def go_on(database: Database, seconds: float = 0) -> bool:
    """Continue the open run piece by piece for about `seconds`, one piece at least; end it if all is decided.

    Returns True if there is more to decide; False if the run has ended, none is open, or another process has it or
    plans the days.
    """
    until = time.monotonic() + seconds
    # This transaction only reads. It stays open, so that the certificates are sorted once, not for every piece.
    with database.transaction() as reader:
        run = open_run(reader) if take_pass(reader) else None
        if run is None:
            return False
        at_work = RunAtWork(database, run)
        settings = auto_renew_settings(reader, enabled=True)
        for setting in settings:
            for rows in at_work.rows(reader, setting):
                if not at_work.decide(setting, rows):
                    return False
                if time.monotonic() >= until:
                    return at_work.keep(lambda _db, _run: None)
    for setting in settings:
        drop_the_rest(database, setting)
    at_work.keep(finish_run)
    return False


def finish_run(db: Session, run: AutoRenewRun) -> None:
    """End a run: set its end, write its audit entry and publish `auto_renew.completed`."""
    run.ended_at = clock(db)
    counts = counts_of(db, [run.id])[run.id]
    totals: dict[str, Any] = {
        "looked_at": run.looked_at,
        "due": counts.total(),
        **{decision.value: counts[decision] for decision in Decision},
    }
    refused = []
    if counts[Decision.REFUSED]:
        refused = decisions_of(db, [run.id], decisions=[Decision.REFUSED], most=NAMED)
    event = AutoRenewCompleted(
        run_id=run.id,
        started_at=run.started_at,
        ended_at=run.ended_at,
        looked_at=run.looked_at,
        due=counts.total(),
        renewed=counts[Decision.RENEWED],
        skipped=counts[Decision.SKIPPED],
        held=counts[Decision.HELD],
        refused=counts[Decision.REFUSED],
        failed=counts[Decision.FAILED],
        refusals=[
            RenewalRefusal(
                certificate_id=each.row.certificate_id,
                common_name=each.row.common_name,
                reason=each.reason,
            )
            for each in refused
        ],
    )
    record(db, "auto_renew.completed", run.id, who=Identity.of_row(run.requested_by), **totals)
    emit_event(db, event, subject=run.id, correlation_id=run.id)
    say = log.warning if counts[Decision.REFUSED] or counts[Decision.FAILED] else log.info
    say("auto_renew.completed", run=run.id, **totals)

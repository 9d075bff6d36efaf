"""The periodic producer: fires each due schedule once, however many replicas run and however many runs were
missed.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from certline.models import AccountStatus, AutoRenewRun, Database, RenewalBatch, Schedule
from certline.models.accounts.account import accounts
from certline.models.audit.identity import SCHEDULE, Identity
from certline.models.audit.log import record
from certline.models.commands.payloads import SyncCommand
from certline.models.database.outage import OUTAGES, outage_text
from certline.models.database.session import clock
from certline.models.events.trace_context import new_traceparent, trace_id_of
from certline.models.notices.digest import send_digests
from certline.models.renewals.batch import BatchStatus
from certline.models.restore.recovery import settled
from certline.models.schedule import due_schedules, fire, take_due
from certline.producers import recovery
from certline.producers.audit_head import publish_head
from certline.producers.audit_round import AuditRound
from certline.producers.domains.automatic import run_automatic
from certline.producers.renewals.auto_renew import go_on_for, start_run
from certline.producers.renewals.batches import release_due
from certline.producers.requests.catalogue import sync_account
from certline.producers.requests.imports import look_for_drift
from certline.producers.retention import Keep, Retention
from certline.producers.sweep import sweep
from certline.workers.metrics.instruments import SCHEDULE_FIRED
from certline.workers.metrics.tally import count
from certline.workers.process.watchdog import Watchdog
from certline.workers.steps.poll import poll_all
from certline.workers.tracing.span import annotate, span

log = structlog.get_logger()

# The schedule that publishes the head of the audit log (`producers.audit_head`).
AUDIT_HEAD = "audit-head"
# Seconds between two ticks.
TICK = 5.0


def sync_all(db: Session) -> dict[str, int]:
    """Emit a sync command for every active account. Returns counts for the schedule's log."""
    active = [account for account in accounts(db) if account.status is AccountStatus.ACTIVE]
    resources = SyncCommand().resources
    for account in active:
        sync_account(db, account, resources, requested_by=SCHEDULE, source="producer")
    return {"syncs": len(active)}


def poll_open(db: Session) -> dict[str, int]:
    """Poll every pending order, and check every account for drift. Returns counts for the schedule's log."""
    return {"polls": poll_all(db), "looks": look_for_drift(db)}


@dataclass(frozen=True)
class Outlook:
    """Whether there is anything to do: schedules that are due, running batches, an open run of auto-renewal, and a
    recovery in progress.
    """

    schedules: bool
    batches: bool
    run: bool
    recovery: bool


def look_around(db: Session) -> Outlook:
    """Find out, in one statement, whether there is anything to do."""
    due = exists().where(Schedule.enabled, Schedule.next_due <= func.now())
    batches = exists().where(RenewalBatch.status == BatchStatus.RUNNING)
    run = exists().where(AutoRenewRun.ended_at.is_(None))
    return Outlook(*db.execute(select(due, batches, run, ~settled())).one())


Job = Callable[[Session], dict[str, int]]


def jobs(settle: timedelta, heads: Path | None = None) -> dict[str, Job]:
    """Return each schedule's job by name.

    `settle`: how long an unknown outcome rests before it is reconciled. `heads`: the file to which the audit log's
    head is appended.
    """
    return {
        "sync": sync_all,
        "poll": poll_open,
        "sweep": partial(sweep, settle=settle),
        "auto-renew": start_run,
        "auto-validate": run_automatic,
        AUDIT_HEAD: partial(publish_head, file=heads),
        "digest": send_digests,
    }


def tick(database: Database, settle: timedelta, heads: Path | None = None) -> list[str]:
    """Fire all due schedules and release the due members of renewal batches. Returns the names fired.

    A firing and the rows it inserts are one transaction. Schedules without a job in this version (added by a
    newer one) are left alone; one whose cron line or time zone is invalid is logged and does not stop the others.
    """
    fired = []
    with database.transaction() as db:
        due_now = due_schedules(db)
    for name, job in jobs(settle, heads).items():
        if name not in due_now:
            continue
        with database.transaction() as db:
            try:
                due = take_due(db, name)
            except (KeyError, ValueError) as error:
                log.error("schedule.unreadable", schedule=name, error=str(error))  # noqa: TRY400  # said
                # The firing is inserted before its next time is computed: undo it.
                db.rollback()
                continue
            if due:
                _run(db, name, job, who=SCHEDULE)
                fired.append(name)
        count(SCHEDULE_FIRED, name, by=name in fired)
    with database.transaction() as db:
        release_due(db)
    return fired


def run_now(
    database: Database,
    name: str,
    settle: timedelta,
    *,
    requested_by: Identity,
    heads: Path | None = None,
) -> dict[str, int]:
    """Fire a schedule now, on a user's request, without changing its next due time.

    Returns the counts of the job. Raises KeyError if there is no schedule or no job of that name.
    """
    with database.transaction() as db:
        schedule = db.get(Schedule, name)
        job = jobs(settle, heads).get(name)
        if schedule is None or job is None:
            raise KeyError(name)
        fire(db, schedule, clock(db))
        return _run(db, name, job, who=requested_by)


class Producer:
    """The periodic producer. `beat`: when the last tick succeeded (monotonic seconds)."""

    def __init__(
        self,
        database: Database,
        settle: timedelta,
        keep: Keep | None = None,
        heads: Path | None = None,
    ) -> None:
        self._database = database
        self._settle = settle
        self._heads = heads
        self._retention = Retention(database, keep or Keep())
        self._audit = AuditRound(database)
        self.beat: float | None = None
        self.watchdog = Watchdog()

    def run(self, stop: threading.Event) -> None:
        """Tick every TICK seconds until `stop` is set; while Postgres is unreachable, log it and keep trying."""
        while not stop.is_set():
            self.watchdog.feed()
            try:
                with self._database.transaction() as db:
                    outlook = look_around(db)
                if outlook.recovery:
                    recovery.go_on(self._database, self._settle)
                if outlook.schedules or outlook.batches:
                    tick(self._database, self._settle, self._heads)
                if outlook.schedules or outlook.run:  # a schedule may have started a run
                    go_on_for(self._database)
                self._retention.go_on()
                self._audit.go_on()
                self.beat = time.monotonic()
            except OUTAGES as error:
                log.warning("producer.waits", error=outage_text(error))
            stop.wait(TICK)

    def fault(self) -> str | None:
        """Return why the producer is unhealthy, or None."""
        if self.beat is None or time.monotonic() - self.beat > 6 * TICK:
            return "has not reached Postgres for a while"
        return None


def _run(db: Session, name: str, job: Job, *, who: Identity) -> dict[str, int]:
    with span(f"schedule {name}", parent=new_traceparent()) as traceparent:
        counts = job(db)
        annotate({f"certline.{what}": count for what, count in counts.items()})
    # The sweep runs every minute; it is only worth an audit entry if it did something. An entry about the log's
    # head would move that head.
    if name != AUDIT_HEAD and (name != "sweep" or any(counts.values())):
        record(db, f"schedule.{name}", name, who=who, counts=counts)
        log.info("schedule.fired", schedule=name, trace=trace_id_of(traceparent), **counts)
    return counts

"""Metrics of the installation, for monitoring.

What takes the longer the more is stored is counted by one process at a time, and kept in a row for the scrapes of
all; everything else is looked up for each scrape.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account, AccountStatus
from certline.models.accounts.breaker import open_breakers
from certline.models.audit.chain import head_of
from certline.models.certificates.deploy_hook import runs_that_matter
from certline.models.certificates.license import license_use
from certline.models.commands.backlog import oldest_queued
from certline.models.commands.command import OPEN, Command
from certline.models.commands.dead_letter import dead_letters_waiting
from certline.models.database.metric_sample import MetricSample
from certline.models.database.outage import outage_text
from certline.models.database.session import Database
from certline.models.events.outbox import Outbox, seconds_overdue
from certline.models.heartbeat import Part, running_parts, stale_parts
from certline.models.orders.order import Order
from certline.models.renewals.endings import count_endings
from certline.models.renewals.runs import counts_of, runs_since, seconds_since_good_run
from certline.models.webhook import deliveries_parked

log = structlog.get_logger()

# A scrape that finds counts older than FRESH has them counted again for the next one; older ones than KEEP are not
# shown, but counted at once. Scraped at least every minute, counts are FRESH and a scrape's interval old at most.
FRESH, KEEP = timedelta(seconds=30), timedelta(minutes=2)
# Milliseconds: the longest of the queries.
STATEMENT_TIMEOUT = 10_000
# Said in HELP of each metric that is kept.
AGE = f"Counted by one process for all, up to {KEEP.seconds} s ago"
HELP = {
    "certline_orders": f"Orders by status. {AGE}.",
    "certline_commands": f"Commands by status. {AGE}.",
    "certline_license_capacity": f"Lines that may be managed. {AGE}.",
    "certline_license_used": f"Lines in use. {AGE}.",
    "certline_license_held": f"Issued orders that wait for a free line. {AGE}.",
    "certline_outbox_due": f"Messages that are due and not sent. {AGE}.",
    "certline_outbox_parked": f"Messages that the broker has refused again and again. {AGE}.",
    "certline_dead_letters_waiting": f"Dead letters that wait for a decision. {AGE}.",
    "certline_webhook_deliveries_parked": f"Webhook deliveries that wait for a decision. {AGE}.",
    "certline_auto_renew_last_run": f"Decisions of the last run of auto-renewal. {AGE}.",
    "certline_certificates_ending": f"Certificates that end soon with nothing under way. {AGE}.",
    "certline_hooks_failing": f"Deploy hooks that fail and are tried again. {AGE}.",
    "certline_hooks_failed": f"Deploy hooks that have failed for good. {AGE}.",
    "certline_counts_age_seconds": "Seconds since the counts were taken that say so.",
}


def figures(db: Session) -> dict[str, float]:
    """Return the metrics, all of them as of now: name (with labels, as Prometheus writes them) → value."""
    return counts(db) | states(db)


def scrape(database: Database) -> dict[str, float]:
    """Return the metrics for a scrape: states as of now, and the kept counts.

    If the counts are older than FRESH, they are taken again in the background; if they are older than KEEP, or
    were never taken, at once.
    """
    with database.transaction() as db:
        _limit(db)
        kept, age = kept_counts(db)
        found = states(db)
    if kept is None or age > KEEP.total_seconds():
        kept, age = _count_now(database)
    elif age > FRESH.total_seconds():
        # A daemon, so that a stop of the process doesn't wait for a slow database.
        threading.Thread(target=_count_again, args=(database,), daemon=True).start()
    return {**kept, **found, "certline_counts_age_seconds": age}


def as_text(found: Mapping[str, float]) -> str:
    """Return metrics in Prometheus' format, each with its HELP before its first line."""
    lines, told = [], set()
    for name, value in found.items():
        family = name.partition("{")[0]
        if family in HELP and family not in told:
            told.add(family)
            lines.append(f"# HELP {family} {HELP[family]}\n")
        lines.append(f"{name} {value:g}\n")
    return "".join(lines)


def kept_counts(db: Session) -> tuple[dict[str, float] | None, float]:
    """Return (the counts as they were taken last, or None; their age in seconds)."""
    age = func.extract("epoch", func.clock_timestamp() - MetricSample.taken_at)
    row = db.execute(select(MetricSample.figures, age)).one_or_none()
    return (None, 0.0) if row is None else (row[0], max(0.0, float(row[1])))


def take_counts(db: Session, *, older_than: timedelta = FRESH, wait: bool = False) -> bool:
    """Count, and keep the counts for all processes, unless they are recent enough. Returns True if counted.

    If another process is counting: do nothing, or with `wait` wait until it has done so.
    """
    key = func.hashtextextended("metrics", 0)
    if wait:
        db.execute(select(func.pg_advisory_xact_lock(key)))
    elif not db.scalar(select(func.pg_try_advisory_xact_lock(key))):
        return False
    kept, age = kept_counts(db)
    if kept is not None and age <= older_than.total_seconds():
        return False
    row = {"id": 1, "figures": counts(db), "taken_at": func.clock_timestamp()}
    fresh = insert(MetricSample).values(row)
    db.execute(fresh.on_conflict_do_update(index_elements=[MetricSample.id], set_=row))
    return True


def counts(db: Session) -> dict[str, float]:
    """Count what takes the longer the more is stored."""
    found: dict[str, float] = {}
    by_order = select(Order.status, func.count()).group_by(Order.status)
    for order_status, count in db.execute(by_order):
        found[f'certline_orders{{status="{order_status.value}"}}'] = count
    by_command = select(Command.status, func.count()).group_by(Command.status)
    for command_status, count in db.execute(by_command):
        found[f'certline_commands{{status="{command_status.value}"}}'] = count
    use = license_use(db)
    found["certline_license_capacity"] = use.capacity
    found["certline_license_used"] = use.used
    found["certline_license_held"] = use.held
    count, _, parked = outbox_backlog(db)
    found["certline_outbox_due"] = count
    found["certline_outbox_parked"] = parked
    found["certline_dead_letters_waiting"] = dead_letters_waiting(db)
    found["certline_webhook_deliveries_parked"] = deliveries_parked(db)
    for run in runs_since(db, None, limit=1):
        for decision, decided in counts_of(db, [run.id])[run.id].items():
            found[f'certline_auto_renew_last_run{{decision="{decision.value}"}}'] = decided
    for days, ending in count_endings(db).items():
        found[f'certline_certificates_ending{{within_days="{days}"}}'] = ending
    troubled = runs_that_matter(db)
    # A run whose command has ended is not retried automatically; the others are.
    over = sum(run.status not in OPEN for run in troubled)
    found["certline_hooks_failing"] = len(troubled) - over
    found["certline_hooks_failed"] = over
    return found


def states(db: Session) -> dict[str, float]:
    """Look up what takes the same time however much is stored."""
    found: dict[str, float] = {}
    found["certline_commands_oldest_queued_seconds"] = oldest_queued(db)
    found["certline_outbox_oldest_seconds"] = seconds_overdue(db)
    suspended = select(func.count()).where(Account.status == AccountStatus.SUSPENDED)
    found["certline_accounts_suspended"] = db.scalar(suspended) or 0
    seconds = seconds_since_good_run(db)
    if seconds is not None:
        found["certline_auto_renew_good_run_seconds"] = seconds
    running = Counter(row.part for row in running_parts(db))
    for part in Part:
        found[f'certline_parts_running{{part="{part.value}"}}'] = running[part.value]
    found["certline_parts_stale"] = len(stale_parts(db))
    # It only ever grows: one that shrinks was cut.
    found["certline_audit_entries"] = head_of(db).seq
    found["certline_breakers_open"] = len(open_breakers(db))
    return found


def outbox_backlog(db: Session) -> tuple[int, float, int]:
    """Return (number of rows due and not sent, seconds the oldest has been due, number of parked rows)."""
    due = (Outbox.sent_at.is_(None), Outbox.parked_at.is_(None), Outbox.not_before <= func.now())
    age = func.extract("epoch", func.now() - func.min(Outbox.not_before))
    count, oldest = db.execute(select(func.count(), age).where(*due)).one()
    parked = db.scalar(select(func.count()).where(Outbox.parked_at.is_not(None)))
    return count, float(oldest or 0), parked or 0


def _count_now(database: Database) -> tuple[dict[str, float], float]:
    with database.transaction() as db:
        _limit(db)
        take_counts(db, older_than=KEEP, wait=True)
        kept, age = kept_counts(db)
    return kept or {}, age


def _count_again(database: Database) -> None:
    try:
        with database.transaction() as db:
            _limit(db)
            take_counts(db)
    except SQLAlchemyError as error:
        log.warning("metrics.not_counted", error=outage_text(error))


def _limit(db: Session) -> None:
    db.execute(text(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT}"))

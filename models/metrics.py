"""Metrics of the installation, for monitoring."""

from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account, AccountStatus
from certline.models.accounts.breaker import open_breakers
from certline.models.audit.chain import head_of
from certline.models.certificates.deploy_hook import runs_that_matter
from certline.models.certificates.license import license_use
from certline.models.commands.backlog import oldest_queued
from certline.models.commands.command import OPEN, Command
from certline.models.commands.dead_letter import dead_letters_waiting
from certline.models.events.outbox import Outbox
from certline.models.heartbeat import Part, running_parts, stale_parts
from certline.models.orders.order import Order
from certline.models.renewals.endings import count_endings
from certline.models.renewals.runs import counts_of, runs_since, seconds_since_good_run
from certline.models.webhook import deliveries_parked


def figures(db: Session) -> dict[str, float]:
    """Return the metrics: name (with labels, as Prometheus writes them) → value."""
    found: dict[str, float] = {}
    by_order = select(Order.status, func.count()).group_by(Order.status)
    for order_status, count in db.execute(by_order):
        found[f'certline_orders{{status="{order_status.value}"}}'] = count
    by_command = select(Command.status, func.count()).group_by(Command.status)
    for command_status, count in db.execute(by_command):
        found[f'certline_commands{{status="{command_status.value}"}}'] = count
    found["certline_commands_oldest_queued_seconds"] = oldest_queued(db)
    use = license_use(db)
    found["certline_license_capacity"] = use.capacity
    found["certline_license_used"] = use.used
    found["certline_license_held"] = use.held
    count, age, parked = outbox_backlog(db)
    found["certline_outbox_due"] = count
    found["certline_outbox_oldest_seconds"] = age
    found["certline_outbox_parked"] = parked
    found["certline_dead_letters_waiting"] = dead_letters_waiting(db)
    found["certline_webhook_deliveries_parked"] = deliveries_parked(db)
    suspended = select(func.count()).where(Account.status == AccountStatus.SUSPENDED)
    found["certline_accounts_suspended"] = db.scalar(suspended) or 0
    found |= _auto_renewal(db)
    for days, ending in count_endings(db).items():
        found[f'certline_certificates_ending{{within_days="{days}"}}'] = ending
    running = Counter(row.part for row in running_parts(db))
    for part in Part:
        found[f'certline_parts_running{{part="{part.value}"}}'] = running[part.value]
    found["certline_parts_stale"] = len(stale_parts(db))
    troubled = runs_that_matter(db)
    # A run whose command has ended is not retried automatically; the others are.
    over = sum(run.status not in OPEN for run in troubled)
    found["certline_hooks_failing"] = len(troubled) - over
    found["certline_hooks_failed"] = over
    # It only ever grows: one that shrinks was cut.
    found["certline_audit_entries"] = head_of(db).seq
    found["certline_breakers_open"] = len(open_breakers(db))
    return found


def _auto_renewal(db: Session) -> dict[str, float]:
    """Return the seconds since a run last ended, and the decisions of the latest run, by kind."""
    found: dict[str, float] = {}
    seconds = seconds_since_good_run(db)
    if seconds is not None:
        found["certline_auto_renew_good_run_seconds"] = seconds
    for run in runs_since(db, None, limit=1):
        for decision, count in counts_of(db, [run.id])[run.id].items():
            found[f'certline_auto_renew_last_run{{decision="{decision.value}"}}'] = count
    return found


def outbox_backlog(db: Session) -> tuple[int, float, int]:
    """Return (number of rows due and not sent, seconds the oldest has been due, number of parked rows)."""
    due = (Outbox.sent_at.is_(None), Outbox.parked_at.is_(None), Outbox.not_before <= func.now())
    age = func.extract("epoch", func.now() - func.min(Outbox.not_before))
    count, oldest = db.execute(select(func.count(), age).where(*due)).one()
    parked = db.scalar(select(func.count()).where(Outbox.parked_at.is_not(None)))
    return count, float(oldest or 0), parked or 0

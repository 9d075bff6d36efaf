"""Figures of what is in motion: each is read by an index, and takes the same time however much is stored."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account, AccountStatus, accounts
from certline.models.accounts.breaker import Breaker
from certline.models.audit.chain import head_of
from certline.models.audit.patrol import found_broken
from certline.models.certificates.license import license_use
from certline.models.commands.backlog import oldest_by_queue
from certline.models.commands.command import OPEN, Command
from certline.models.commands.dead_letter import dead_letters_waiting
from certline.models.database.session import clock
from certline.models.events.outbox import outbox_backlog
from certline.models.figures.catalogue import Reading, Readings
from certline.models.heartbeat import Part, running_parts, stale_parts
from certline.models.notices.notice import notices_parked
from certline.models.notices.route import routes_failing
from certline.models.orders.order import Order
from certline.models.overview.work import MOVING
from certline.models.renewals.runs import seconds_since_good_run
from certline.models.restore.recovery import recovering
from certline.models.schedule import last_fired, schedules
from certline.models.states import CommandStatus, OrderStatus
from certline.models.webhook import Webhook, WebhookStatus, deliveries_parked

# Statuses of a command that wait for something; there are few such commands at a time.
WAITING = (*OPEN, CommandStatus.HELD, CommandStatus.REVIEW)


def flow(db: Session) -> Readings:
    """Return the figures of what is in motion."""
    known = accounts(db)
    return {
        **_orders(db),
        **_commands(db),
        **_outbox(db),
        **_deliveries(db),
        **_license(db),
        **_scm(db, known),
        **_parts(db),
        **_schedules(db, known),
        "certline_dead_letters": [({}, dead_letters_waiting(db))],
        "certline_audit_sequence": [({}, head_of(db).seq)],
        "certline_recovering": [({}, float(recovering(db)))],
        "certline_audit_broken": [({}, float(found_broken(db) is not None))],
    }


def moving_orders(db: Session) -> dict[OrderStatus, tuple[int, float]]:
    """Return for each status of MOVING how many orders have it, and for how many seconds the oldest has."""
    age = func.extract("epoch", func.now() - func.min(Order.updated_at))
    query = select(Order.status, func.count(), age).where(Order.status.in_(MOVING))
    found = {row[0]: (row[1], float(row[2])) for row in db.execute(query.group_by(Order.status))}
    return {status: found.get(status, (0, 0.0)) for status in MOVING}


def _orders(db: Session) -> Readings:
    found = moving_orders(db)
    return {
        "certline_orders": [
            ({"status": status.value}, count) for status, (count, _) in found.items()
        ],
        "certline_order_oldest_seconds": [
            ({"status": status.value}, age) for status, (_, age) in found.items()
        ],
    }


def _commands(db: Session) -> Readings:
    query = select(Command.status, func.count()).where(Command.status.in_(WAITING))
    counts = Counter({row[0]: row[1] for row in db.execute(query.group_by(Command.status))})
    return {
        "certline_commands": [({"status": status.value}, counts[status]) for status in WAITING],
        "certline_queue_oldest_seconds": [
            ({"queue": queue.value}, seconds) for queue, seconds in oldest_by_queue(db).items()
        ],
    }


def _outbox(db: Session) -> Readings:
    due, oldest, parked = outbox_backlog(db)
    return {
        "certline_outbox_due": [({}, due)],
        "certline_outbox_oldest_seconds": [({}, oldest)],
        "certline_outbox_parked": [({}, parked)],
    }


def _deliveries(db: Session) -> Readings:
    troubled = (Webhook.failures > 0) | (Webhook.status == WebhookStatus.DISABLED)
    failing = db.scalar(select(func.count()).select_from(Webhook).where(troubled))
    return {
        "certline_webhook_deliveries_parked": [({}, deliveries_parked(db))],
        "certline_webhooks_failing": [({}, failing or 0)],
        "certline_notices_parked": [({}, notices_parked(db))],
        "certline_notice_routes_failing": [({}, routes_failing(db))],
    }


def _license(db: Session) -> Readings:
    use = license_use(db)
    return {
        "certline_license_capacity": [({}, use.capacity)],
        "certline_license_used": [({}, use.used)],
        "certline_license_held": [({}, use.held)],
    }


def _scm(db: Session, known: Sequence[Account]) -> Readings:
    suspended: list[Reading] = [
        ({"account": account.name}, float(account.status is AccountStatus.SUSPENDED))
        for account in known
    ]
    query = select(Breaker.url, Breaker.open_until.is_not(None))
    breakers: dict[str, bool] = {row[0]: row[1] for row in db.execute(query)}
    # Before its first failure a breaker has no row, and is closed. A token server's URL may follow that of a row.
    for account in known:
        if not any(url.split(" ")[0] == account.url for url in breakers):
            breakers[account.url] = False
    return {
        "certline_account_suspended": suspended,
        "certline_breaker_open": [
            ({"scm": url}, float(is_open)) for url, is_open in sorted(breakers.items())
        ],
    }


def _parts(db: Session) -> Readings:
    running = Counter(row.part for row in running_parts(db))
    return {
        "certline_parts_running": [({"part": part.value}, running[part.value]) for part in Part],
        "certline_parts_stale": [({}, len(stale_parts(db)))],
    }


def _schedules(db: Session, known: Sequence[Account]) -> Readings:
    now = clock(db)
    enabled = {schedule.name for schedule in schedules(db) if schedule.enabled}
    ages = {
        name: (now - fired).total_seconds()
        for name, fired in last_fired(db).items()
        if name in enabled
    }
    synced = [account.synced_at for account in known if account.status is AccountStatus.ACTIVE]
    ages.pop("sync", None)
    if "sync" in enabled and (times := [at for at in synced if at is not None]):
        ages["sync"] = (now - min(times)).total_seconds()
    ages.pop("auto-renew", None)
    if (seconds := seconds_since_good_run(db)) is not None:
        ages["auto-renew"] = seconds
    return {
        "certline_schedule_good_run_age_seconds": [
            ({"schedule": name}, max(0.0, age)) for name, age in sorted(ages.items())
        ]
    }

"""Figures of all that is stored: they take the longer the more there is, and are counted less often then."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models.certificates.deploy_hook import runs_that_matter
from certline.models.certificates.license_forecast import outlook
from certline.models.commands.command import ENDED, OPEN, Command
from certline.models.database.session import clock
from certline.models.figures.catalogue import Readings
from certline.models.figures.certificates import days_left, due_renewals, ending_figures
from certline.models.figures.domains import (
    validation_days_left,
    validations_open,
    validations_too_short,
)
from certline.models.orders.order import Order
from certline.models.renewals.repeats import REFUSED, RENEWS, renewed_again
from certline.models.renewals.runs import counts_by_reason, decided_since, runs_since
from certline.models.states import Decision, OrderStatus

# Statuses in which orders rest, of which there are the more the longer certline runs.
RESTING = (OrderStatus.STORED, OrderStatus.REJECTED, OrderStatus.CANCELLED)
DAY = timedelta(days=1)
# What becomes of an order for a renewal, in the words of `certline_renewals_day`; all others are under way.
OUTCOMES = {
    OrderStatus.STORED: "stored",
    OrderStatus.HELD: "held",
    OrderStatus.REVIEW: "review",
    OrderStatus.REJECTED: "rejected",
    OrderStatus.CANCELLED: "rejected",
}
# The decisions of auto-renewal that place no order.
WITHOUT_ORDER = {
    Decision.REFUSED: "refused",
    Decision.HELD: "postponed",
    Decision.FAILED: "failed",
}


def stock(db: Session) -> Readings:
    """Return the figures of all that is stored."""
    orders = select(Order.status, func.count()).where(Order.status.in_(RESTING))
    ended = select(Command.status, func.count()).where(Command.status.in_(ENDED))
    by_order = {row[0]: row[1] for row in db.execute(orders.group_by(Order.status))}
    by_command = {row[0]: row[1] for row in db.execute(ended.group_by(Command.status))}
    found: Readings = {
        "certline_orders": [({"status": each.value}, by_order.get(each, 0)) for each in RESTING],
        "certline_commands": [
            ({"status": each.value}, by_command.get(each, 0)) for each in sorted(ENDED)
        ],
        "certline_certificate_days_left": days_left(db),
        "certline_renewals_due": [({}, due_renewals(db))],
        "certline_renewals_day": [
            ({"outcome": outcome}, count) for outcome, count in renewals_of_a_day(db).items()
        ],
        "certline_domain_validation_days_left": validation_days_left(db),
        "certline_domain_validations_too_short": [({}, validations_too_short(db))],
        "certline_domain_validations_open": validations_open(db),
        **ending_figures(db),
        **_hooks(db),
    }
    forecast = outlook(db)
    if forecast.runs_out_at is not None:
        left = (forecast.runs_out_at - clock(db)) / DAY
        found["certline_license_days_until_full"] = [({}, max(0.0, left))]
    for run in runs_since(db, None, limit=1):
        found["certline_auto_renew_last_run"] = [
            ({"decision": decision.value, "reason": reason}, count)
            for (decision, reason), count in counts_by_reason(db, run.id).items()
        ]
    return found


def _hooks(db: Session) -> Readings:
    runs = runs_that_matter(db)
    # A run whose command has ended is not retried automatically; the others are.
    over = sum(run.status not in OPEN for run in runs)
    return {
        "certline_hooks_failing": [({}, len(runs) - over)],
        "certline_hooks_failed": [({}, over)],
    }


def renewals_of_a_day(db: Session) -> dict[str, int]:
    """Count the renewals of the last 24 hours by what became of them (`certline_renewals_day`)."""
    since = clock(db) - DAY
    found = dict.fromkeys(["under_way", *OUTCOMES.values(), *WITHOUT_ORDER.values()], 0)
    # What was refused and is ordered again waits for nobody; the later order counts.
    repeated = Order.status.in_(REFUSED) & renewed_again()
    query = select(Order.status, func.count()).where(
        Order.id >= first_id_at(since), *RENEWS, ~repeated
    )
    for status, count in db.execute(query.group_by(Order.status)):
        found[OUTCOMES.get(status, "under_way")] += count
    for decision, count in decided_since(db, since).items():
        if decision in WITHOUT_ORDER:
            found[WITHOUT_ORDER[decision]] += count
    return found


def first_id_at(moment: datetime) -> str:
    """Return the least ULID of a moment: the ids of rows that are made from then on are not below it."""
    from ulid import ULID

    return str(ULID.from_datetime(moment.astimezone(UTC)))[:10] + "0" * 16

"""Renewals of the last day: what became of those that were asked for, and which were not asked for and why."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from certline.models.commands.command import OPEN, Command
from certline.models.database.session import clock
from certline.models.orders.order import Order
from certline.models.renewals.endings import count_overdue
from certline.models.renewals.repeats import renewed_again
from certline.models.renewals.runs import AutoRenewDecision, runs_since
from certline.models.states import CommandStatus, CommandType, Decision

DAY = timedelta(days=1)
# As text, which spares a quick look the tables of batches: loading them takes longer than all of its counts.
REFUSED_IN_BATCHES = text(
    "SELECT count(*) FROM renewal_member JOIN renewal_batch ON renewal_batch.id = renewal_member.batch_id "
    "WHERE renewal_batch.created_at >= :since AND renewal_member.status = 'refused'"
)


@dataclass(frozen=True)
class DayOfRenewals:
    """Renewals of the last 24 hours.

    `due`: certificates whose time has come with nothing under way. Of the renewals that were requested: `done`,
    `under_way`, `failed` (and not requested again), `review` (a person decides). `refused`: not requested by the
    last run of auto-renewal, since a rule forbids it; `refused_in_batches`: the same of batches. `held`: put off
    by a cap, or until an approval.
    """

    due: int
    done: int
    under_way: int
    failed: int
    review: int
    refused: int
    refused_in_batches: int
    held: int


def day_of_renewals(db: Session) -> DayOfRenewals:
    """Count the renewals of the last 24 hours; by indexes, but each of that day's rows is read."""
    since = clock(db) - DAY
    asked = (
        select(Command.status, func.count())
        .where(Command.type == CommandType.RENEW, Command.created_at >= since)
        .group_by(Command.status)
    )
    by_status = {row[0]: row[1] for row in db.execute(asked)}
    repeated = (
        select(func.count())
        .select_from(Command)
        .join(Order, Order.id == Command.subject)
        .where(
            Command.type == CommandType.RENEW,
            Command.created_at >= since,
            Command.status == CommandStatus.FAILED,
            renewed_again(),
        )
    )
    decided = {}
    for run in runs_since(db, since, limit=1):
        by_decision = select(AutoRenewDecision.decision, func.count())
        mine = AutoRenewDecision.run_id == run.id
        rows = db.execute(by_decision.where(mine).group_by(AutoRenewDecision.decision))
        decided = {row[0]: row[1] for row in rows}
    return DayOfRenewals(
        due=count_overdue(db),
        done=by_status.get(CommandStatus.DONE, 0),
        under_way=sum(by_status.get(status, 0) for status in OPEN),
        failed=by_status.get(CommandStatus.FAILED, 0) - (db.scalar(repeated) or 0),
        review=by_status.get(CommandStatus.REVIEW, 0),
        refused=decided.get(Decision.REFUSED, 0),
        refused_in_batches=db.scalar(REFUSED_IN_BATCHES, {"since": since}) or 0,
        held=decided.get(Decision.HELD, 0) + by_status.get(CommandStatus.HELD, 0),
    )

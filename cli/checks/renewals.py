"""Checks of the schedules, of auto-renewal, and of certificates that end soon."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from certline.cli import context
from certline.cli.checks.result import MOST_DETAILS, Finding
from certline.models.documents.projection import distance
from certline.models.states import Decision

if TYPE_CHECKING:
    from certline.models.renewals.endings import Ending

# Auto-renewal runs daily; two hours of tolerance.
RUN_HOURS = 26
# A producer looks every five seconds; one that fires a long job may be late by some minutes.
OVERDUE = timedelta(minutes=5)


def check_schedules() -> Finding:
    """Check that no schedule is overdue."""
    from sqlalchemy import func, select

    from certline.models import Schedule
    from certline.models.database.session import clock

    with context.database().transaction() as db:
        query = select(Schedule).where(Schedule.enabled, Schedule.next_due < func.now() - OVERDUE)
        overdue = db.scalars(query.order_by(Schedule.next_due)).all()
        now = clock(db)
        count = db.scalar(select(func.count()).where(Schedule.enabled)) or 0
    if overdue:
        details = tuple(
            f"{each.name}: due for {(now - each.next_due) // timedelta(minutes=1)} min"
            for each in overdue
        )
        said = f"overdue: {', '.join(each.name for each in overdue)}"
        part = "up" if context.settings().rabbitmq_url is None else "run producer"
        return Finding("schedules", False, said, f"is a producer running? certline {part}", details)
    return Finding("schedules", True, f"{count}, none overdue")


def check_auto_renewal() -> Finding:
    """Check that auto-renewal runs daily, if it is on."""
    from certline.models.renewals.runs import counts_of, runs_since, seconds_since_good_run
    from certline.models.renewals.selection import auto_renew_settings

    with context.database().transaction() as db:
        is_on = bool(auto_renew_settings(db, enabled=True))
        seconds = seconds_since_good_run(db)
        last = next(iter(runs_since(db, None, limit=1)), None)
        refused = 0 if last is None else counts_of(db, [last.id])[last.id][Decision.REFUSED]
    if not is_on:
        return Finding("auto-renewal", True, "off", "certline auto-renew --help")
    hours = (seconds or 0) / 3600
    said = f"last successful run {hours:.0f} h ago, {refused} refused by the last run"
    if hours > RUN_HOURS:
        return Finding("auto-renewal", False, said, "is a producer running? certline run producer")
    advice = "certline auto-renew audit --decision refused" if refused else None
    return Finding("auto-renewal", True, said, advice)


def check_certificates() -> Finding:
    """Check that something is under way for each certificate in the last fifth of its lifetime."""
    from certline.models.database.session import clock
    from certline.models.renewals.endings import endings

    with context.database().transaction() as db:
        ending, now = endings(db), clock(db)
    if not ending:
        return Finding("certificates", True, "none ends soon with nothing under way")

    def line(each: Ending) -> str:
        ends = distance(each.not_after, now)
        return f"{each.common_name} ({each.certificate_id}) ends {ends}: {each.reason}"

    details = [line(each) for each in ending[:MOST_DETAILS]]
    if len(ending) > MOST_DETAILS:
        details.append(f"and {len(ending) - MOST_DETAILS} more")
    first = ending[0]
    noun = "certificate ends" if len(ending) == 1 else "certificates end"
    advice = (
        f"certline certificate renew {first.certificate_id}; if it may end: "
        f"certline auto-renew deselect {first.certificate_id}"
    )
    said = f"{len(ending)} {noun} soon with nothing under way"
    return Finding("certificates", False, said, advice, tuple(details))

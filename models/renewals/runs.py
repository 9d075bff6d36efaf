"""Records of auto-renewal: each run, and its decision about each certificate that was due."""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, case, func, select, text
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from certline.models.audit.identity import Identity
from certline.models.commands.command import Command
from certline.models.database.base import Base, DnsText, new_id, stored_by_value
from certline.models.database.session import clock
from certline.models.orders.order import Order
from certline.models.renewals.selection import AutoRenewSetting
from certline.models.states import CommandStatus, CommandType, Decision, DecisionCode


class AutoRenewRun(Base):
    """Run of auto-renewal. `ended_at` is null until a producer has decided on every due certificate."""

    __tablename__ = "auto_renew_run"
    __table_args__ = (
        # Unique over a constant: at most one run is open at a time.
        Index(
            "auto_renew_run_open",
            text("(true)"),
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("auto_renew_run_by_time", "started_at"),
    )

    id: Mapped[str] = mapped_column(
        UUID(as_uuid=False), primary_key=True, default=lambda: str(uuid.uuid4())
    )
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    requested_by: Mapped[str]
    # The number of selected certificates that were checked (not a time).
    looked_at: Mapped[int] = mapped_column(default=0)
    # How far it has come (`producers.renewals.auto_renew`), so that any producer can continue it.
    position: Mapped[dict[str, Any] | None]


class AutoRenewDecision(Base):
    """Decision of a run about a certificate. It outlives the certificate, hence no foreign key to it."""

    __tablename__ = "auto_renew_decision"
    __table_args__ = (
        Index("auto_renew_decision_once", "run_id", "certificate_id", unique=True),
        Index("auto_renew_decision_by_certificate", "certificate_id", "id"),
        Index("auto_renew_decision_by_time", "decided_at"),
        # Lists and counts of `models.renewals.decision_list`.
        Index(
            "auto_renew_decision_of_run",
            "run_id",
            "decided_at",
            "id",
            postgresql_include=["decision"],
        ),
        Index("auto_renew_decision_by_kind", "decision", "decided_at", "id"),
        Index("auto_renew_decision_by_name", "common_name", "decided_at", "id"),
        Index(
            "auto_renew_decision_by_command",
            "command_id",
            postgresql_where=text("command_id IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(UUID(as_uuid=False), ForeignKey("auto_renew_run.id"))
    certificate_id: Mapped[str]
    common_name: Mapped[DnsText]
    not_after: Mapped[datetime]
    planned: Mapped[date | None]
    decision: Mapped[Decision] = mapped_column(stored_by_value(Decision))
    # The kind of reason, for counting.
    code: Mapped[DecisionCode] = mapped_column(
        stored_by_value(DecisionCode), default=DecisionCode.UNKNOWN
    )
    reason: Mapped[str | None]
    selected_by: Mapped[str]
    command_id: Mapped[str | None] = mapped_column(UUID(as_uuid=False))
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True)
class Decided:
    """Decision with its outcome so far: the order, its status and the new certificate."""

    row: AutoRenewDecision
    decision: Decision
    reason: str | None
    order_id: str | None
    order_status: str | None
    new_certificate_id: str | None


# The decision as of now: a renewal whose command has failed since counts as failed.
OUTCOME: ColumnElement[Decision] = case(
    (
        (AutoRenewDecision.decision == Decision.RENEWED) & (Command.status == CommandStatus.FAILED),
        Decision.FAILED.value,
    ),
    else_=AutoRenewDecision.decision,
)


def begin_run(db: Session, *, requested_by: Identity) -> AutoRenewRun:
    """Start a run and return it, or return the one that has not ended: only one is open at a time."""
    # A second start waits for the first one; without the lock the unique index would make it fail.
    db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("auto-renew run", 0))))
    going = open_run(db)
    if going is not None:
        return going
    run = AutoRenewRun(requested_by=str(requested_by), started_at=clock(db))
    db.add(run)
    db.flush()
    return run


def open_run(db: Session) -> AutoRenewRun | None:
    """Return the run that has not ended, or None."""
    return db.scalars(select(AutoRenewRun).where(AutoRenewRun.ended_at.is_(None))).first()


def take_open_run(db: Session) -> AutoRenewRun | None:
    """Lock and return the run that has not ended; None if there is none or another producer holds it."""
    query = select(AutoRenewRun).where(AutoRenewRun.ended_at.is_(None))
    return db.scalars(query.with_for_update(skip_locked=True)).first()


def runs_since(db: Session, since: datetime | None, limit: int | None = None) -> list[AutoRenewRun]:
    """Return the runs started at or after `since` (None: all), the newest first, `limit` at most."""
    query = select(AutoRenewRun).order_by(AutoRenewRun.started_at.desc()).limit(limit)
    return list(
        db.scalars(query if since is None else query.where(AutoRenewRun.started_at >= since))
    )


def decisions_of(
    db: Session,
    runs: Sequence[str],
    *,
    decisions: Sequence[Decision] = (),
    certificate_id: str | None = None,
    most: int | None = None,
) -> list[Decided]:
    """Return the decisions of these runs with their outcomes, the newest first, then by common name.

    `decisions` (kinds, as of now) and `certificate_id` restrict the result; `most`: that many at most.
    """
    which: list[ColumnElement[bool]] = [AutoRenewDecision.run_id.in_(runs)]
    if decisions:
        which.append(OUTCOME.in_(decisions))
    if certificate_id is not None:
        which.append(AutoRenewDecision.certificate_id == certificate_id)
    return decided(db, *which, most=most)


def decided(db: Session, *which: ColumnElement[bool], most: int | None = None) -> list[Decided]:
    """Return the decisions that meet the conditions, as `decisions_of` does."""
    query = _outcomes(
        AutoRenewDecision, OUTCOME, Command.error, Order.id, Order.status, Order.certificate_id
    ).where(*which)
    query = query.order_by(AutoRenewDecision.decided_at.desc(), AutoRenewDecision.common_name)
    query = query.limit(most)
    return [
        Decided(
            row,
            Decision(decision),
            reason=error if decision == Decision.FAILED else row.reason,
            order_id=order_id,
            order_status=None if status is None else str(status),
            new_certificate_id=new,
        )
        for row, decision, error, order_id, status, new in db.execute(query)
    ]


def counts_of(db: Session, runs: Sequence[str]) -> dict[str, Counter[Decision]]:
    """Count the decisions of each run by kind, as of now. A run without decisions has an empty counter."""
    found: dict[str, Counter[Decision]] = {run: Counter() for run in runs}
    row = AutoRenewDecision
    # From the index alone; then those whose renewal has failed since, which are few, by way of their commands.
    stated = select(row.run_id, row.decision, func.count()).where(row.run_id.in_(runs))
    for run_id, decision, count in db.execute(stated.group_by(row.run_id, row.decision)):
        found[run_id][decision] = count
    for run_id, _, count in db.execute(_failed_since(runs, row.decision)):
        found[run_id] += Counter({Decision.FAILED: count})
        found[run_id] -= Counter({Decision.RENEWED: count})
    return found


def _failed_since(runs: Sequence[str], by: InstrumentedAttribute[Any]) -> Select[Any]:
    """Return the query that counts decisions to renew whose renewal has failed, by run and another column."""
    row = AutoRenewDecision
    return (
        select(row.run_id, by, func.count())
        .join(Command, Command.id == row.command_id)
        .where(
            row.run_id.in_(runs),
            row.decision == Decision.RENEWED,
            Command.type == CommandType.RENEW,
            Command.status == CommandStatus.FAILED,
        )
        .group_by(row.run_id, by)
    )


def counts_by_reason(db: Session, run_id: str) -> dict[tuple[Decision, str], int]:
    """Count the decisions of a run by kind, as of now, and by the kind of their reason."""
    row, found = AutoRenewDecision, Counter[tuple[Decision, str]]()
    stated = select(row.decision, row.code, func.count()).where(row.run_id == run_id)
    for decision, code, count in db.execute(stated.group_by(row.decision, row.code)):
        found[decision, code.value] = count
    for _, code, count in db.execute(_failed_since([run_id], row.code)):
        found[Decision.RENEWED, code.value] -= count
        found[Decision.FAILED, code.value] += count
    return {key: count for key, count in sorted(found.items()) if count}


def decided_since(db: Session, since: datetime) -> Counter[Decision]:
    """Count the decisions of all runs since that moment by kind, as of now."""
    query = _outcomes(OUTCOME, func.count()).where(AutoRenewDecision.decided_at >= since)
    found = db.execute(query.group_by(OUTCOME))
    return Counter({Decision(decision): count for decision, count in found})


def decided_in(db: Session, run_id: str, certificates: Collection[str]) -> set[str]:
    """Return those of these certificates that a run has decided about."""
    query = select(AutoRenewDecision.certificate_id).where(
        AutoRenewDecision.run_id == run_id, AutoRenewDecision.certificate_id.in_(certificates)
    )
    return set(db.scalars(query))


def take_pass(db: Session) -> bool:
    """Take the right to plan all days until the transaction ends; False if another process is planning them.

    Two at once would store the days of one plan for some certificates, and those of the other for the rest.
    """
    key = func.hashtextextended("auto-renew plan", 0)
    return bool(db.scalar(select(func.pg_try_advisory_xact_lock(key))))


def last_decisions(db: Session, certificates: Sequence[str]) -> dict[str, AutoRenewDecision]:
    """Return the latest decision about each of these certificates, by certificate id."""
    last = (  # ids are ULIDs: the largest is the latest
        select(func.max(AutoRenewDecision.id))
        .where(AutoRenewDecision.certificate_id.in_(certificates))
        .group_by(AutoRenewDecision.certificate_id)
    )
    query = select(AutoRenewDecision).where(AutoRenewDecision.id.in_(last))
    return {row.certificate_id: row for row in db.scalars(query)}


def seconds_since_good_run(db: Session) -> float | None:
    """Return the seconds since a run last ended; before the first run, since auto-renewal was enabled.

    None if no run has ended and auto-renewal is not enabled for any account.
    """
    ended = select(func.max(AutoRenewRun.ended_at)).scalar_subquery()
    enabled = select(func.min(AutoRenewSetting.changed_at)).where(AutoRenewSetting.enabled)
    since = func.coalesce(ended, enabled.scalar_subquery())
    seconds = db.scalar(select(func.extract("epoch", func.now() - since)))
    return None if seconds is None else float(seconds)


def _outcomes(*columns: Any) -> Select[Any]:
    """Select decisions joined with their renewal commands and orders."""
    return (
        select(*columns)
        .select_from(AutoRenewDecision)
        .outerjoin(Command, Command.id == AutoRenewDecision.command_id)
        # The subject of a renewal's command is its order, once that is placed.
        .outerjoin(Order, Order.id == Command.subject)
    )

"""Matters: what waits for a person, each kind with its number and the first thing of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import exists, select, text
from sqlalchemy.orm import Session

from certline.models.commands.command import Command
from certline.models.orders.order import Order
from certline.models.overview.hook_runs import failing_hook_runs
from certline.models.renewals.endings import unattended
from certline.models.states import CommandStatus, CommandType, OrderStatus

# Things of a kind that are looked up at most; there are as many or more then.
MOST = 1_000
# A certificate that ends so soon with nothing under way is a matter for a person, whatever its lifetime.
NEAR_END = timedelta(days=7)
# One statement as text: as four of them it would take longer to build than to run, and so would their tables. A
# producer looks every five seconds; one that fires a long job may be late by some minutes.
OF_SMALL_TABLES = text("""
    SELECT 'schedule_late', count(*), min(name) FROM schedule
    WHERE enabled AND next_due < now() - interval '5 minutes'
    UNION ALL
    SELECT 'approval', count(*), min(id::text) FROM approval WHERE approved IS NULL
    UNION ALL
    SELECT 'webhook_disabled', count(*), min(id) FROM webhook WHERE status = 'disabled'
    UNION ALL
    SELECT 'dead_letter', count(*), NULL FROM dead_letter WHERE status = 'waiting'
    UNION ALL
    SELECT 'recovering', count(*), NULL FROM recovery WHERE phase <> 'settled'
    UNION ALL
    SELECT 'key_lost', count(*), NULL FROM certificate WHERE key_lost AND status = 'active'
    UNION ALL
    SELECT 'audit_broken', count(broken), NULL FROM event_patrol
    UNION ALL
    SELECT 'notice_parked', count(*), NULL FROM notice WHERE parked_at IS NOT NULL
    UNION ALL
    SELECT 'validation_waits', count(*), min(domain) FROM domain_validation WHERE stage <> 'ended'
    AND (stage = 'look' AND withdrawn_at IS NOT NULL OR stage = 'poll' AND method = 'email')
""")


class MatterKind(StrEnum):
    """Kind of matter that waits for a person, the most urgent first."""

    RECOVERING = "recovering"
    AUDIT_BROKEN = "audit_broken"
    ACCOUNT_SUSPENDED = "account_suspended"
    PART_STALE = "part_stale"
    KEY_LOST = "key_lost"
    SCHEDULE_LATE = "schedule_late"
    CERTIFICATE_UNATTENDED = "certificate_unattended"
    ORDER_REVIEW = "order_review"
    ORDER_STUCK = "order_stuck"
    ORDER_HELD = "order_held"
    RENEWAL_FAILED = "renewal_failed"
    RENEWAL_REFUSED = "renewal_refused"
    BATCH_REFUSED = "batch_refused"
    VALIDATION_WAITS = "validation_waits"
    COMMAND_REVIEW = "command_review"
    APPROVAL = "approval"
    DEAD_LETTER = "dead_letter"
    HOOK_FAILED = "hook_failed"
    DELIVERY_PARKED = "delivery_parked"
    WEBHOOK_DISABLED = "webhook_disabled"
    OUTBOX_PARKED = "outbox_parked"
    NOTICE_PARKED = "notice_parked"


@dataclass(frozen=True)
class Matter:
    """Matter that waits for a person: how many of a kind, and the name or id of one, if the next step needs it."""

    kind: MatterKind
    count: int
    example: str | None = None


def matters(db: Session) -> Iterator[Matter]:
    """Yield what waits for a person and the other parts of a snapshot do not show; none with count 0."""
    for kind, count, example in db.execute(OF_SMALL_TABLES):
        if count:
            yield Matter(MatterKind(kind), count, example)
    soon = unattended(db, NEAR_END, most=MOST)
    yield from _of(MatterKind.CERTIFICATE_UNATTENDED, soon)
    yield from _commands(db)
    yield from _of(MatterKind.HOOK_FAILED, failing_hook_runs(db))


def _commands(db: Session) -> Iterator[Matter]:
    """Yield the commands in review; those of an order in review, and runs of hooks, are told as such."""
    reviewed = exists(Order.id).where(
        Order.id == Command.subject, Order.status == OrderStatus.REVIEW
    )
    first = (
        select(Command.id, Command.type)
        .where(Command.status == CommandStatus.REVIEW, ~reviewed)
        .order_by(Command.created_at, Command.id)
        .limit(MOST)
    )
    rows = list(db.execute(first))
    parked = [row.id for row in rows if row.type is CommandType.WEBHOOK]
    others = [row.id for row in rows if row.type not in (CommandType.WEBHOOK, CommandType.HOOK)]
    yield from _of(MatterKind.COMMAND_REVIEW, others)
    yield from _of(MatterKind.DELIVERY_PARKED, parked)


def _of(kind: MatterKind, names: list[str]) -> Iterator[Matter]:
    if names:
        yield Matter(kind, len(names), names[0])

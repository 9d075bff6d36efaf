"""Snapshot of the whole installation, as `certline top` shows it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from certline.models.accounts.account import Account, AccountStatus, accounts_shown
from certline.models.accounts.breaker import Breaker, open_breakers
from certline.models.certificates.license import LicenseUse, license_use
from certline.models.database.session import clock
from certline.models.heartbeat import Heartbeat, running_parts, stale_parts
from certline.models.overview.matter import Matter, MatterKind, matters
from certline.models.overview.renewals import DayOfRenewals, day_of_renewals
from certline.models.overview.work import (
    Backlog,
    OrderLoad,
    OutboxLoad,
    backlog,
    order_loads,
    outbox_load,
)
from certline.models.states import OrderStatus

# An unknown outcome is looked up twice after the settle time, with growing pauses; after so many of them a person
# should look at the order.
STUCK_AFTER = 3


@dataclass(frozen=True)
class ScmTraffic:
    """Calls to SCM a second, and those of them that failed because of SCM, by the last heartbeats of the parts.

    None if no part that runs has told any yet.
    """

    calls_per_second: float | None
    errors_per_second: float | None


@dataclass(frozen=True)
class Day:
    """Part of a snapshot that takes longer the more is stored: the day's renewals, and what waits for a person."""

    at: datetime
    renewals: DayOfRenewals
    matters: tuple[Matter, ...]


@dataclass(frozen=True)
class Snapshot:
    """The installation at a moment. `day` may be a little older than the rest (`at` of each says so)."""

    at: datetime
    backlog: Backlog
    outbox: OutboxLoad
    traffic: ScmTraffic
    orders: tuple[OrderLoad, ...]
    license: LicenseUse
    accounts: tuple[Account, ...]
    breakers: tuple[Breaker, ...]
    running: tuple[Heartbeat, ...]
    stale: tuple[Heartbeat, ...]
    day: Day
    settle: timedelta

    @property
    def matters(self) -> list[Matter]:
        """What waits for a person, the most urgent kind first."""
        known = {matter.kind: matter for matter in self.day.matters}
        for matter in (*self._of_orders(), *self._of_renewals(), *self._of_machines()):
            known[matter.kind] = matter
        return [known[kind] for kind in MatterKind if kind in known and known[kind].count]

    def _of_orders(self) -> tuple[Matter, ...]:
        by_status = {load.status: load for load in self.orders}
        sending = by_status[OrderStatus.SENDING]
        patience = STUCK_AFTER * self.settle.total_seconds()
        stuck = sending.count if (sending.oldest_seconds or 0) > patience else 0
        return (
            Matter(MatterKind.ORDER_REVIEW, by_status[OrderStatus.REVIEW].count),
            Matter(MatterKind.ORDER_HELD, by_status[OrderStatus.HELD].count),
            Matter(MatterKind.ORDER_STUCK, stuck),
        )

    def _of_renewals(self) -> tuple[Matter, ...]:
        day = self.day.renewals
        return (
            Matter(MatterKind.RENEWAL_FAILED, day.failed),
            Matter(MatterKind.RENEWAL_REFUSED, day.refused),
            Matter(MatterKind.BATCH_REFUSED, day.refused_in_batches),
        )

    def _of_machines(self) -> tuple[Matter, ...]:
        first = self.stale[0].place if self.stale else None
        suspended = [row.name for row in self.accounts if row.status is AccountStatus.SUSPENDED]
        return (
            Matter(MatterKind.ACCOUNT_SUSPENDED, len(suspended), next(iter(suspended), None)),
            Matter(MatterKind.PART_STALE, len(self.stale), first),
            Matter(MatterKind.OUTBOX_PARKED, self.outbox.parked),
        )


def traffic_of(parts: list[Heartbeat]) -> ScmTraffic:
    """Return the rate of calls to SCM of all these processes together."""
    told = [row for row in parts if row.scm_seconds > 0]
    if not told:
        return ScmTraffic(None, None)
    return ScmTraffic(
        sum(row.scm_calls / row.scm_seconds for row in told),
        sum(row.scm_errors / row.scm_seconds for row in told),
    )


def look_at_day(db: Session) -> Day:
    """Find out what takes longer the more is stored."""
    return Day(clock(db), day_of_renewals(db), tuple(matters(db)))


def take_snapshot(db: Session, settle: timedelta, day: Day | None = None) -> Snapshot:
    """Look at the installation. `settle`: how long an unknown outcome rests; `day`: one that is recent enough."""
    running = running_parts(db)
    return Snapshot(
        at=clock(db),
        backlog=backlog(db),
        outbox=outbox_load(db),
        traffic=traffic_of(running),
        orders=order_loads(db),
        license=license_use(db),
        accounts=tuple(
            row for row in accounts_shown(db) if row.status is not AccountStatus.REMOVED
        ),
        breakers=tuple(open_breakers(db)),
        running=tuple(running),
        stale=tuple(stale_parts(db)),
        day=day or look_at_day(db),
        settle=settle,
    )

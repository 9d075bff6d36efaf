"""Certificates that end soon although nothing is under way for them: no successor, and none planned."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from certline.models.certificates.certificate import WITHOUT_PEM, Certificate
from certline.models.certificates.line import AutoRenewChoice
from certline.models.commands.command import OPEN as OPEN_COMMANDS
from certline.models.commands.command import Command
from certline.models.database.session import clock
from certline.models.orders.order import Order
from certline.models.renewals.selection import USUAL_DAYS, AutoRenewSetting
from certline.models.states import OPEN, CertificateStatus, CommandType

# The share of a certificate's lifetime that is its end: a fifth.
END = 5
# A planned renewal may be as late as a daily run, with two hours of tolerance.
LATE = timedelta(hours=26)
# Days before expiry that the metric counts by.
DAYS = (1, 3, 7, 14, 30)

Newer = aliased(Certificate)


@dataclass(frozen=True)
class Ending:
    """A certificate in the last fifth of its lifetime with nothing under way, and why."""

    certificate_id: str
    common_name: str
    not_after: datetime
    reason: str


def endings(db: Session) -> list[Ending]:
    """Return the certificates that end soon with nothing under way, the first to end first."""
    # Pydantic: 100 ms, which what only counts saves.
    from certline.models.renewals.expiry_events import renewal_notes

    left = func.extract("epoch", Certificate.not_after - func.now())
    lifetime = func.extract("epoch", Certificate.not_after - Certificate.not_before)
    query = (
        select(Certificate)
        .options(*WITHOUT_PEM)
        .where(*nothing_under_way(), left * END < lifetime)
        .order_by(Certificate.not_after, Certificate.id)
    )
    found: Sequence[Certificate] = db.scalars(query).all()
    now, notes = clock(db), renewal_notes(db, found)
    listed = []
    for each in found:
        note = notes[each.id]
        planned = note["renewal"] == "planned"
        if note["renewal"] == "open" or (planned and not _is_late(note["renews_at"], now)):
            continue
        reason = note["reason"] or f"its renewal was due at {note['renews_at']:%Y-%m-%d %H:%M} UTC"
        listed.append(Ending(each.id, each.common_name, each.not_after, reason))
    return listed


def count_endings(db: Session) -> dict[int, int]:
    """Return how many certificates end within each of DAYS with nothing under way."""
    left = Certificate.not_after - func.now()
    counts = [func.count().filter(left <= timedelta(days=days)) for days in DAYS]
    longest = left <= timedelta(days=max(DAYS))
    row = db.execute(select(*counts).where(*nothing_under_way(), longest)).one()
    return dict(zip(DAYS, row, strict=True))


def unattended(db: Session, within: timedelta, *, most: int) -> list[str]:
    """Return the ids of the certificates that end within that time with nothing under way, the first to end first.

    `most` of them at most. Unlike `endings`, it reads only the certificates that end within that time.
    """
    query = (
        select(Certificate.id)
        .where(*nothing_under_way(one_by_one=True), Certificate.not_after <= func.now() + within)
        .order_by(Certificate.not_after, Certificate.id)
    )
    return list(db.scalars(query.limit(most)))


def count_overdue(db: Session) -> int:
    """Count the selected certificates whose renewal is due with nothing under way.

    Only those are looked at that end within the longest number of days that an account renews before the end.
    """
    days = func.greatest(USUAL_DAYS, func.max(AutoRenewSetting.days))
    longest = db.scalar(select(days).where(AutoRenewSetting.enabled)) or USUAL_DAYS
    query = select(func.count()).where(
        *nothing_under_way(one_by_one=True),
        Certificate.auto_renew,
        Certificate.renews_at <= func.now(),
        Certificate.not_after <= func.now() + timedelta(days=longest),
    )
    return db.scalar(query) or 0


def _is_late(renews_at: datetime | None, now: datetime) -> bool:
    return renews_at is not None and renews_at < now - LATE


def nothing_under_way(*, one_by_one: bool = False) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions: active, wanted, with no newer certificate, no successor on order and none planned.

    A certificate that a user has deselected may end; SCM takes care of those that it renews itself.
    `one_by_one`: what is under way is looked up for each certificate by an index, which suits those that end soon;
    else Postgres may read whole tables, which suits all certificates.
    """
    under_way: tuple[Select[Any], ...] = (
        select(AutoRenewChoice.line_id).where(
            AutoRenewChoice.line_id == Certificate.line_id, ~AutoRenewChoice.selected
        ),
        select(Newer.id).where(
            Newer.line_id == Certificate.line_id,
            Newer.status == CertificateStatus.ACTIVE,
            Newer.not_before > Certificate.not_before,
        ),
        select(Order.id).where(
            Order.id == Certificate.order_id, Order.scm_renewed | Order.scm_auto_renew
        ),
        select(Order.id).where(
            Order.line_id == Certificate.line_id,
            Order.predecessor_id.is_not(None),
            Order.status.in_(OPEN),
        ),
        select(Command.id).where(
            Command.type == CommandType.RENEW,
            Command.subject == Certificate.id,
            Command.status.in_(OPEN_COMMANDS),
        ),
    )
    return (
        Certificate.status == CertificateStatus.ACTIVE,
        Certificate.not_after > func.now(),
        or_(
            ~Certificate.auto_renew,
            Certificate.renews_at.is_(None),  # selected, but refused, or not planned yet
            Certificate.renews_at <= func.now(),
        ),
        # Postgres joins what does not exist, but asks for a value row by row.
        *(
            each.limit(1).scalar_subquery().is_(None) if one_by_one else ~each.exists()
            for each in under_way
        ),
    )

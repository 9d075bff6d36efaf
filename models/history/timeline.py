"""The timeline of an order or a certificate: each audit entry about it, with who, why and how long after the last.

An entry is written in the transaction that publishes the event about the same change, if there is one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models.audit.identity import Identity
from certline.models.audit.log import AuditEntry
from certline.models.certificates.certificate import Certificate
from certline.models.orders.order import Order
from certline.models.renewals.batch import RenewalBatch, RenewalMember
from certline.models.renewals.runs import AutoRenewDecision
from certline.models.states import Decision

# Entries of a timeline at most, the newest of them; a line may be as old as certline.
MOST = 200
# Certificates and orders of a line whose entries are looked for, the newest of them.
MOST_OF_LINE = 100
# Audit entries of auto-renewal about a certificate begin so.
DECIDED = "auto_renew."


@dataclass(frozen=True)
class TimelineEntry:
    """One thing that happened. `since`: the time since the entry before it, or None for the first one.

    `subject`: id of the order or certificate that it happened to, `is_order` says which.
    """

    id: int
    at: datetime
    what: str
    who: Identity
    why: str | None
    subject: str
    is_order: bool
    command_id: str | None
    since: timedelta | None


@dataclass(frozen=True)
class Timeline:
    """Entries, the oldest first. `whole`: False if there are older ones that are not among them."""

    entries: tuple[TimelineEntry, ...]
    whole: bool


def timeline_of_order(db: Session, order: Order) -> Timeline:
    """Return what happened to an order, to its certificate, and to the one that it succeeds because of it.

    Of the predecessor only what belongs to the order's own command is told: the decision to renew it, and that
    it was superseded.
    """
    own = [each for each in (order.id, order.certificate_id) if each is not None]
    entries = _newest(db, own)
    if order.predecessor_id is not None and order.command_id is not None:
        before = _newest(db, [order.predecessor_id])
        entries += [each for each in before if each.command_id == order.command_id]
    return _timeline(db, entries, {order.id})


def timeline_of_certificate(db: Session, certificate: Certificate) -> Timeline:
    """Return what happened to a certificate's whole line: all its versions, and the orders of these."""
    orders = select(Order.id).where(Order.line_id == certificate.line_id)
    orders = orders.order_by(Order.id.desc()).limit(MOST_OF_LINE)
    versions = select(Certificate.id).where(Certificate.line_id == certificate.line_id)
    versions = versions.order_by(Certificate.id.desc()).limit(MOST_OF_LINE)
    of_orders = {*db.scalars(orders), certificate.order_id}
    return _timeline(db, _newest(db, [*of_orders, *db.scalars(versions)]), of_orders)


def _newest(db: Session, subjects: Collection[str]) -> list[AuditEntry]:
    """Load the newest entries about these subjects, one more than MOST of each at most."""
    found: list[AuditEntry] = []
    # One query for each: Postgres reads the end of the index of subjects, however long a history is.
    for subject in subjects:
        query = select(AuditEntry).where(AuditEntry.subject == subject)
        found += db.scalars(query.order_by(AuditEntry.id.desc()).limit(MOST + 1))
    return found


def _timeline(db: Session, found: Sequence[AuditEntry], orders: Collection[str]) -> Timeline:
    in_order = sorted(found, key=lambda each: (each.at, each.id))
    shown = in_order[-MOST:]
    reasons = _reasons(db, shown)
    entries, before = [], None
    for each in shown:
        entries.append(
            TimelineEntry(
                id=each.id,
                at=each.at,
                what=each.type,
                who=Identity(each.who, each.claimed),
                why=each.why or reasons.get(each.id),
                subject=each.subject,
                is_order=each.subject in orders,
                command_id=each.command_id,
                since=None if before is None else each.at - before,
            )
        )
        before = each.at
    return Timeline(tuple(entries), whole=len(shown) == len(in_order))


def _reasons(db: Session, entries: Sequence[AuditEntry]) -> dict[int, str]:
    """Return why a renewal was requested, by the id of the entry: the decision of auto-renewal, or the batch."""
    decided = {
        (str(each.data.get("run")), each.subject): each.id
        for each in entries
        if each.type.startswith(DECIDED) and each.data.get("run")
    }
    found = _decisions(db, decided)
    placed = {each.command_id: each.id for each in entries if each.type == "order.placed"}
    query = (
        select(RenewalMember.command_id, RenewalBatch.id, RenewalBatch.selection)
        .join(RenewalBatch, RenewalBatch.id == RenewalMember.batch_id)
        .where(RenewalMember.command_id.in_([each for each in placed if each is not None]))
    )
    for command_id, batch_id, selection in db.execute(query):
        found[placed[command_id]] = f"batch {batch_id}: {selection}"
    return found


def _decisions(db: Session, wanted: Mapping[tuple[str, str], int]) -> dict[int, str]:
    query = select(AutoRenewDecision).where(
        AutoRenewDecision.run_id.in_({run for run, _ in wanted}),
        AutoRenewDecision.certificate_id.in_({subject for _, subject in wanted}),
    )
    rows = db.scalars(query) if wanted else ()
    return {
        wanted[row.run_id, row.certificate_id]: in_words(row)
        for row in rows
        if (row.run_id, row.certificate_id) in wanted
    }


def in_words(row: AutoRenewDecision) -> str:
    """Return the reason of a decision as a sentence."""
    ends = f"the certificate ends on {row.not_after:%Y-%m-%d}"
    if row.decision is not Decision.RENEWED:
        return f"{row.reason or row.decision.value}; {ends}"
    day = "" if row.planned is None else f", its renewal was planned for {row.planned}"
    return f"{ends}{day}; selected by {row.selected_by}"

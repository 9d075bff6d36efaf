"""Store imported orders, many in one transaction: assign lines and, within the licence, store certificates.

No event is published for each order (`import.completed` has the counts), but each has its audit entry.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from certline.models import (
    AuditEntry,
    Certificate,
    CertificateStatus,
    CommandType,
    Order,
    OrderKind,
    OrderStatus,
)
from certline.models.audit.log import entry as log_entry
from certline.models.certificates.license import emit_exhausted
from certline.models.commands.bulk import begin_steps
from certline.models.database.base import new_id
from certline.models.database.bulk import add_rows, set_in_rows
from certline.models.database.session import clock
from certline.models.imports.record import News, Outcome, RecordStatus
from certline.models.lifecycle.succession import take_its_place
from certline.models.renewals.selection import mark_stored
from certline.models.states import OPEN
from certline.workers.importing.line_assignment import (
    Entry,
    Intake,
    Relatives,
    entry_of,
    in_lines,
)
from certline.workers.importing.record_mapping import (
    Met,
    UnusableRecordError,
    names_of,
    why_over,
)
from certline.workers.ordering.reference import ANY_REFERENCE

# Their records have just been read, so polling them is not urgent.
FIRST_POLL = timedelta(hours=1)
# Number of polls after which the wait has grown to an hour (poll.wait_after, 30 s doubled).
POLLS_BEFORE = 7

# Follow-up of an imported order by its status, and the time until it is due.
STEPS = (
    (OrderStatus.PENDING, CommandType.POLL, FIRST_POLL),
    (OrderStatus.ISSUED, CommandType.FETCH, timedelta(0)),
)

# Status of the import record by the status of the order that it became.
ENDINGS = {
    OrderStatus.STORED: RecordStatus.STORED,
    OrderStatus.HELD: RecordStatus.HELD,
    OrderStatus.ISSUED: RecordStatus.PENDING,
    OrderStatus.PENDING: RecordStatus.PENDING,
    OrderStatus.REJECTED: RecordStatus.CLOSED,
    OrderStatus.CANCELLED: RecordStatus.CLOSED,
    OrderStatus.REVIEW: RecordStatus.FAILED,
}


def take_turns(db: Session, account_id: int) -> None:
    """Let imports of one account store one after another, so that no order is stored twice.

    Takes an advisory lock that is held until the transaction ends.
    """
    key = func.hashtextextended(f"import {account_id}", 0)
    db.execute(select(func.pg_advisory_xact_lock(key)))


def take_in(
    db: Session,
    intake: Intake,
    found: Sequence[Met],
    doubtful: Mapping[str, str],
    here: Relatives,
) -> list[Outcome]:
    """Store records of SCM that have no order yet, and return the outcome for each.

    `here`: their `relatives`, read since `take_turns`. `doubtful` is the result of `orders_in_doubt`: records that
    may belong to such an order are left out. The caller's transaction has to call `orders_in_doubt` first, and
    `take_turns` after it.
    """
    if not found:
        return []
    now = clock(db)
    outcomes, entries = [], []
    for met in found:
        try:
            rival = doubtful.get(names_of(met.details)[0])
            if rival is not None:
                why = f"order {rival} is on its way, and this may be it"
                outcomes.append(Outcome(met.scm_id, RecordStatus.LEFT, why))
                continue
            entries.append(entry_of(intake, met, now))
        except UnusableRecordError as unusable:
            outcomes.append(Outcome(met.scm_id, RecordStatus.FAILED, str(unusable)))
    entries, strangers = in_lines(db, intake, entries, here)
    outcomes += [Outcome(each.met.scm_id, RecordStatus.NEW, news=News.NEW) for each in strangers]
    if intake.recovers_since is not None:
        entries = _as_recovered(db, entries, now)
    _store(db, intake, entries, now)
    return outcomes + [_outcome(entry) for entry in entries]


def _as_recovered(db: Session, entries: Sequence[Entry], now: datetime) -> list[Entry]:
    """Give the entries of a recovery the references that are in their comments, each the oldest record with it.

    A renewal inherits the comment of its predecessor, which has the lower sslId.
    """
    found = {entry.row["id"]: ANY_REFERENCE.search(entry.met.details.comments) for entry in entries}
    wanted = [match[1] for match in found.values() if match is not None]
    used = set(db.scalars(select(Order.reference).where(Order.reference.in_(wanted))))
    recovered = []
    for entry in sorted(entries, key=lambda each: each.met.scm_id):
        match, row = found[entry.row["id"]], {**entry.row, "recovered_at": now}
        if match is not None and match[1] not in used:
            used.add(match[1])
            row["reference"] = match[1]
        recovered.append(replace(entry, row=row))
    return recovered


def orders_in_doubt(db: Session, intake: Intake, found: Sequence[Met]) -> dict[str, str]:
    """Return our orders that were sent and whose sslId is unknown: order ids by common name.

    A record of that name may belong to such an order, which is for reconciling to decide, not for an import.
    After a restore that is so for all orders that had not been sent at the restored moment, and for one that was
    requested again meanwhile, whose reference the record has.
    """
    names = [each.details.common_name.strip().lower() for each in found]
    may_be_sent: ColumnElement[bool] = Order.sent_at.is_not(None)
    if intake.recovers_since is not None:
        comments = [ANY_REFERENCE.search(each.details.comments) for each in found]
        references = [match[1] for match in comments if match is not None]
        may_be_sent |= Order.created_at < intake.recovers_since
        may_be_sent |= Order.reference.in_(references)
    query = select(Order.common_name, Order.id).where(
        Order.account_id == intake.account_id,
        Order.common_name.in_(names),
        Order.scm_id.is_(None),
        may_be_sent,
        Order.kind != OrderKind.REISSUE,
        Order.status.in_(OPEN),
    )
    return {row.common_name: row.id for row in db.execute(query)}


def _store(db: Session, intake: Intake, entries: Sequence[Entry], now: datetime) -> None:
    add_rows(db, Order, [_order(entry, now) for entry in entries])
    add_rows(db, AuditEntry, [_logged(intake, entry) for entry in entries])
    stored = {new_id(): entry for entry in entries if entry.status is OrderStatus.STORED}
    # Orders and certificates refer to each other: orders are inserted first, and linked afterwards.
    add_rows(db, Certificate, [_certificate(entry, own) for own, entry in stored.items()])
    ids = {entry.row["id"]: own for own, entry in stored.items()}
    set_in_rows(db, Order, "certificate_id", ids)
    _put_in_place(db, intake, stored)
    mark_stored(db, list(stored))
    for status, step, after in STEPS:
        waiting = [entry.row["id"] for entry in entries if entry.status is status]
        begin_steps(
            db,
            step,
            waiting,
            requested_by=intake.requested_by,
            correlation_id=intake.correlation_id,
            after=after,
        )
    held = sum(entry.status is OrderStatus.HELD for entry in entries)
    if held:
        emit_exhausted(db, held, subject=intake.account, correlation_id=intake.correlation_id)


def _put_in_place(db: Session, intake: Intake, stored: Mapping[str, Entry]) -> None:
    """Link the certificates of lines that have several, so that only the newest of each is active."""
    # A line that was made for one of these certificates has no other.
    count = Counter(entry.line_id for entry in stored.values())
    lines = {
        entry.line_id
        for entry in stored.values()
        if not entry.makes_line or count[entry.line_id] > 1
    }
    versions: dict[str, list[Any]] = {}
    query = select(
        Certificate.id,
        Certificate.line_id,
        Certificate.order_id,
        Certificate.scm_id,
        Certificate.status,
        Certificate.created_at,
    ).where(Certificate.line_id.in_(lines))
    for row in db.execute(query) if lines else ():
        versions.setdefault(row.line_id, []).append(row)
    fresh: dict[str, list[Any]] = {}
    # Lines whose certificates are all of this import are linked in bulk; others, which need events and the
    # settings of the older certificate, one by one.
    for line_id, rows in versions.items():
        if all(row.created_at >= intake.begun for row in rows):
            fresh[line_id] = sorted(rows, key=lambda row: row.scm_id)
    _link(db, [rows for rows in fresh.values() if len(rows) > 1])
    for own, entry in sorted(stored.items(), key=lambda each: each[1].met.scm_id):
        if entry.line_id in lines and entry.line_id not in fresh:
            order, certificate = db.get_one(Order, entry.row["id"]), db.get_one(Certificate, own)
            take_its_place(db, order, certificate, news_before=intake.begun)
            db.flush()


def _link(db: Session, lines: Sequence[Sequence[Any]]) -> None:
    """Link the certificates of lines that are all of this import, for which no event is published."""
    pairs = [pair for rows in lines for pair in pairwise(rows)]
    over = {
        older.id: CertificateStatus.SUPERSEDED
        for older, _ in pairs
        if older.status is CertificateStatus.ACTIVE
    }
    set_in_rows(db, Certificate, "status", over)
    set_in_rows(db, Certificate, "supersedes_id", {newer.id: older.id for older, newer in pairs})
    set_in_rows(db, Order, "predecessor_id", {newer.order_id: older.id for older, newer in pairs})


def _order(entry: Entry, now: datetime) -> dict[str, Any]:
    waits = entry.status is OrderStatus.PENDING
    live = entry.status in (OrderStatus.STORED, OrderStatus.ISSUED, OrderStatus.HELD)
    return {
        **entry.row,
        "status": entry.status,
        "line_id": entry.line_id,
        "polls": POLLS_BEFORE if waits else 0,
        "next_poll_at": now + FIRST_POLL if waits else None,
        "issued_at": now if live else None,
        "error": _why(entry),
    }


def _why(entry: Entry) -> str | None:
    match entry.status:
        case OrderStatus.REVIEW:
            return f"its certificate cannot be stored: {entry.met.fault}"
        case OrderStatus.REJECTED | OrderStatus.CANCELLED:
            return why_over(entry.met.details)
        case OrderStatus.HELD:
            return "no licence is left"
        case _:
            return None


def _remark(entry: Entry) -> str | None:
    leaf = entry.met.leaf
    if entry.status is OrderStatus.STORED and leaf is not None and not leaf["issuers"]:
        return "its certificate is self-signed: no CA has issued it"
    return None


def _logged(intake: Intake, entry: Entry) -> dict[str, Any]:
    return log_entry(
        "order.imported",
        entry.row["id"],
        command_id=intake.command_id,
        who=intake.requested_by,
        why=_why(entry) or _remark(entry),
        scm_id=entry.met.scm_id,
        scm_status=entry.row["scm_status"],
        status=entry.status.value,
    )


def _certificate(entry: Entry, own_id: str) -> dict[str, Any]:
    row = entry.row
    return {
        **(entry.met.leaf or {}),
        "id": own_id,
        "order_id": row["id"],
        "line_id": entry.line_id,
        "account_id": row["account_id"],
        "scm_id": row["scm_id"],
        "organization_id": row["organization_id"],
        "profile_id": row["profile_id"],
        "common_name": row["common_name"],
        "key_lost": "recovered_at" in row,
        "keystore_type": row["keystore_type"],
    }


def _outcome(entry: Entry) -> Outcome:
    status = ENDINGS[entry.status]
    failed = status is RecordStatus.FAILED
    return Outcome(entry.met.scm_id, status, _why(entry) if failed else None, entry.news)

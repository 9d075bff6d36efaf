"""The recovery after a restore: step by step, each in one transaction, so that it goes on after any kill.

Noticed by whatever connects first (`models.server.identity`), it waits until the requests have arrived
that were on their way, has SCM's lists compared by an import of each account, and lets the orders go on.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased

from certline.models import (
    Account,
    AccountStatus,
    AuditEntry,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Database,
    ImportRun,
    Order,
    OrderKind,
    OrderStatus,
)
from certline.models.audit.identity import SWEEP, Identity
from certline.models.audit.log import record
from certline.models.certificates.license import license_use
from certline.models.commands.bulk import hasten_many
from certline.models.commands.command import OPEN, accept
from certline.models.commands.payloads import ImportCommand
from certline.models.database.session import clock
from certline.models.events.outbox import emit_event
from certline.models.events.recovery_data import RecoveryEnded, RecoveryStarted
from certline.models.lifecycle.moves import move
from certline.models.restore.recovery import (
    RECOVERY_SOURCE,
    Recovery,
    RecoveryPhase,
    is_compared,
    is_of_this_server,
    recovery_of,
)
from certline.models.restore.testimony import note_compared

log = structlog.get_logger()

# Makes the ids of a recovery's imports, so that two producers make one import of each account.
IMPORTS = uuid.UUID("6d1a1c0e-5b0f-5b53-9a3c-7f1c2a7d2f10")
SENDING = (CommandType.ORDER, CommandType.RENEW, CommandType.REISSUE)
# What the event about the end of a recovery has of its result.
COUNTS = ("orders_found", "renewals", "reissues", "keys_lost", "to_decide")
LOST = "was found at SCM by the recovery after the restore"


def go_on(database: Database, settle: timedelta) -> None:
    """Take the steps of a recovery that can be taken now. `settle`: until a request has surely arrived at SCM."""
    while True:
        with database.transaction() as db:
            before = recovery_of(db, lock=True)
            phase = before.phase
            if before.in_progress:
                _step(db, before, settle)
            if before.phase in (phase, RecoveryPhase.SETTLED):
                return


def begin(db: Session, *, requested_by: Identity, why: str) -> Recovery:
    """Begin a recovery by hand, or once more from its beginning, because nothing showed the restore."""
    row = recovery_of(db, lock=True)
    # Entries that were made since the restore say nothing about what is lost.
    known = row.known_until if row.in_progress else None
    row.known_until = known or surely_known(db)
    row.phase, row.number, row.why = RecoveryPhase.NOTICED, row.number + 1, why
    row.noticed_at, row.compares_at = clock(db), None
    row.settled_at, row.result = None, None
    note_compared(db)  # a witness from before has nothing to add
    record(db, "recovery.requested", "database", who=requested_by, why=why)
    return row


def accept_as_it_is(db: Session, *, requested_by: Identity, why: str) -> Recovery:
    """Let orders go on at once: end the recovery, or the wait for a relay, without comparing anything any more."""
    row = recovery_of(db, lock=True)
    was_compared = is_compared(db)
    note_compared(db)
    if row.in_progress:
        record(
            db, "recovery.accepted", "database", who=requested_by, why=why, phase=row.phase.value
        )
        _let_go_on(db, row, {"accepted": True})
    elif not was_compared:
        row.noticed_at = row.settled_at = clock(db)  # a witness from before has nothing to add
        record(db, "recovery.accepted", "database", who=requested_by, why=why, phase="not compared")
    return row


def _step(db: Session, row: Recovery, settle: timedelta) -> None:
    match row.phase:
        case RecoveryPhase.NOTICED:
            _announce(db, row, settle)
        case RecoveryPhase.WAITING if row.compares_at is None or row.compares_at <= clock(db):
            _compare(db, row)
        case RecoveryPhase.COMPARING if not _open_imports(db, row):
            row.phase = RecoveryPhase.FETCHING
        case RecoveryPhase.FETCHING if not _unfetched(db):
            _turn_away_what_is_done(db)
            _let_go_on(db, row, _found(db, row))


def _announce(db: Session, row: Recovery, settle: timedelta) -> None:
    row.known_until = row.known_until or last_known(db)
    row.compares_at = clock(db, settle)
    row.phase = RecoveryPhase.WAITING
    known = None if row.known_until is None else row.known_until.isoformat()
    record(db, "database.restored", "database", who=SWEEP, why=row.why, known_until=known)
    started = RecoveryStarted(
        reason=row.why or "-", known_until=row.known_until, compares_at=row.compares_at
    )
    emit_event(db, started, subject=None, correlation_id=None)
    log.warning("recovery.begun", why=row.why, known_until=known)


def last_known(db: Session) -> datetime | None:
    """Return the time of the last change that the audit log has."""
    return db.scalar(select(func.max(AuditEntry.at)))


def surely_known(db: Session) -> datetime | None:
    """Return the time of the last change that was there before a restore that nobody has noticed yet.

    Unless a relay has compared the data since the server was started, entries since then may be newer than the
    restore: a command that is typed makes some.
    """
    before = select(func.max(AuditEntry.at)).where(AuditEntry.at < func.pg_postmaster_start_time())
    is_known = db.scalar(select(is_of_this_server()).where(Recovery.id == 1))
    return (None if is_known else db.scalar(before)) or last_known(db)


def import_ids(db: Session, row: Recovery) -> dict[str, str]:
    """Return the ids of a recovery's imports by account; suspended accounts are waited for."""
    active = select(Account.name).where(Account.status != AccountStatus.REMOVED)
    names = db.scalars(active.order_by(Account.name))
    return {name: str(uuid.uuid5(IMPORTS, f"{_mark(row)} {name}")) for name in names}


def _mark(row: Recovery) -> str:
    return f"{row.cluster} {row.timeline} {row.database} {row.number} {row.noticed_at}"


def _compare(db: Session, row: Recovery) -> None:
    for name, command_id in import_ids(db, row).items():
        payload = ImportCommand(account=name).model_dump(mode="json", exclude_defaults=True)
        accept(
            db,
            CommandType.IMPORT,
            payload,
            requested_by=SWEEP,
            source=RECOVERY_SOURCE,
            subject=name,
            command_id=command_id,
        )
    row.phase = RecoveryPhase.COMPARING


def _open_imports(db: Session, row: Recovery) -> bool:
    """Return True while an import is open, or has failed: a person then repeats it, or accepts what there is."""
    wanted = import_ids(db, row).values()
    done = select(func.count()).where(Command.id.in_(wanted), Command.status == CommandStatus.DONE)
    return db.scalar(done) != len(wanted)


def _unfetched(db: Session) -> bool:
    """Return True while a certificate that was found is about to be collected."""
    steps = (CommandType.POLL, CommandType.FETCH)
    step = exists().where(
        Command.subject == Order.id, Command.type.in_(steps), Command.status.in_(OPEN)
    )
    found = exists().where(
        Order.recovered_at.is_not(None), Order.status == OrderStatus.ISSUED, step
    )
    return bool(db.scalar(select(found)))


def _turn_away_what_is_done(db: Session) -> None:
    """Reject renewals and reissues that wait for the recovery, and that it has found executed at SCM."""
    newer, found = aliased(Certificate), aliased(Order)
    done = exists().where(
        newer.supersedes_id == Order.predecessor_id,
        found.id == newer.order_id,
        found.recovered_at.is_not(None),
    )
    query = select(Order).where(Order.status == OrderStatus.PLACED, done).order_by(Order.id)
    for order in db.scalars(query.with_for_update(of=Order)):
        move(db, order, OrderStatus.REJECTED, why=f"its certificate's successor {LOST}")
    # Found as imports, they are what they are: a second renewal soon after is refused as any other.
    renewals = select(Order).where(
        Order.recovered_at.is_not(None),
        Order.kind == OrderKind.IMPORT,
        Order.predecessor_id.is_not(None),
        Order.status == OrderStatus.STORED,
    )
    for order in db.scalars(renewals):
        order.kind = OrderKind.RENEWAL


def _found(db: Session, row: Recovery) -> dict[str, Any]:
    """Return what the recovery has found, in numbers."""
    runs = db.scalars(
        select(ImportRun).where(ImportRun.command_id.in_(import_ids(db, row).values()))
    )
    recovered = Order.recovered_at >= row.noticed_at
    rows = db.execute(select(Order.status, func.count()).where(recovered).group_by(Order.status))
    counts: dict[OrderStatus, int] = {status: count for status, count in rows}  # noqa: C416
    use = license_use(db)
    return {
        "accepted": False,
        "orders_found": sum(counts.values()),
        "by_status": {status.value: count for status, count in sorted(counts.items())},
        "renewals": _count(db, recovered, Order.kind == OrderKind.RENEWAL),
        "reissues": _count(db, recovered, Order.kind == OrderKind.REISSUE),
        "keys_lost": keys_lost(db),
        "looked_up": _count(db, Order.status == OrderStatus.SENDING),
        "to_decide": _count(db, Order.status == OrderStatus.REVIEW),
        "licence": {"capacity": use.capacity, "used": use.used, "held": use.held},
        "accounts": [
            {"account": run.account, "listed": run.listed, "known": run.known, "failed": run.failed}
            for run in runs
        ],
    }


def keys_lost(db: Session) -> int:
    """Return how many active certificates need a reissue, because their key was lost."""
    lost = Certificate.key_lost, Certificate.status == CertificateStatus.ACTIVE
    return db.scalar(select(func.count()).select_from(Certificate).where(*lost)) or 0


def _count(db: Session, *which: ColumnElement[bool]) -> int:
    return db.scalar(select(func.count()).select_from(Order).where(*which)) or 0


def _let_go_on(db: Session, row: Recovery, result: dict[str, Any]) -> None:
    """End the recovery, and wake what has waited for it."""
    row.phase, row.settled_at, row.result = RecoveryPhase.SETTLED, clock(db), result
    record(db, "recovery.ended", "database", who=SWEEP, why=row.why, result=result)
    counts = {name: result.get(name) for name in COUNTS}
    ended = RecoveryEnded(accepted=result["accepted"], **counts)
    emit_event(db, ended, subject=None, correlation_id=None)
    log.warning("recovery.ended", found=result.get("orders_found"), keys=result.get("keys_lost"))
    # Their messages may have been consumed in the time that is lost; the others are woken by the sweep.
    waiting = Command.status == CommandStatus.QUEUED, Command.type.in_(SENDING)
    hasten_many(db, select(Command.id).where(*waiting).with_for_update(skip_locked=True))


def imports_of(db: Session, row: Recovery) -> list[dict[str, Any]]:
    """Return the imports of the recovery in progress, or of the last one: account, command and its status."""
    by_id = {command_id: name for name, command_id in import_ids(db, row).items()}
    query = select(Command.id, Command.status, Command.error).where(Command.id.in_(by_id))
    return [
        {
            "account": by_id[each.id],
            "command": each.id,
            "status": each.status.value,
            "error": each.error,
        }
        for each in db.execute(query.order_by(Command.subject))
    ]

"""Progress of an import: records are noted, put into batches, settled and counted; the last one ends the import.

The counts are the result of the import's command, whose row is locked while they change.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, String, Text, column, delete, exists, select, update, values
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from certline.models.commands.command import (
    OPEN,
    Command,
    CommandStatus,
    accept,
    finish,
)
from certline.models.commands.kinds import CommandType
from certline.models.events.data import ImportCompleted
from certline.models.events.outbox import emit_event
from certline.models.imports.record import ImportRecord, News, Outcome, RecordStatus, waiting_in
from certline.models.orders.order import Order

# Records per batch; a worker processes them one after another.
BATCH = 50
# Failures listed in the command's result; the table has all of them.
MOST_NAMED = 100


def empty_result(account: str, *, first: bool) -> dict[str, Any]:
    """Return the result of an import that has not begun.

    `waiting` counts records that were listed and are not settled; `first`: no order of the account is
    stored yet; `look` and `position`: the list and the offset in it where reading resumes.
    """
    return {
        "account": account,
        "first": first,
        "listing": True,
        "look": 0,
        "position": 0,
        "total": None,
        "listed": 0,
        "batches": 0,
        **{status.value: 0 for status in RecordStatus},
        "news": {news.value: 0 for news in News},
        "failures": [],
    }


def note_records(
    db: Session, command_id: str, records: Mapping[int, RecordStatus], total: int | None = None
) -> None:
    """Store listed records, each once, and put the waiting ones into batches with a command each.

    `total`: the number of records that SCM reports.
    """
    added: set[int] = set()
    if records:
        rows = [
            {"command_id": command_id, "scm_id": scm_id, "status": status, "tries": 0}
            for scm_id, status in records.items()
        ]
        fresh = insert(ImportRecord).values(rows).on_conflict_do_nothing()
        # RETURNING leaves out records that were stored before: they are not counted twice.
        added = set(db.scalars(fresh.returning(ImportRecord.scm_id)))
    command = locked_import(db, command_id)
    counts = Counter(status for scm_id, status in records.items() if scm_id in added)
    if total is not None:
        command.result = {**(command.result or {}), "total": total}
    _count(command, counts, news=Counter({News.NEW: counts[RecordStatus.NEW]}), listed=len(added))
    waiting = [
        scm_id
        for scm_id, status in records.items()
        if scm_id in added and status is RecordStatus.WAITING
    ]
    _make_batches(db, command, waiting)


def wake_records(db: Session, command_id: str, ids: Sequence[int]) -> None:
    """Queue records that were listed as known for a request to SCM, because another list shows drift."""
    woken = list(
        db.scalars(
            update(ImportRecord)
            .where(
                ImportRecord.command_id == command_id,
                ImportRecord.scm_id.in_(ids),
                ImportRecord.status == RecordStatus.KNOWN,
            )
            .values(status=RecordStatus.WAITING)
            .returning(ImportRecord.scm_id)
        )
    )
    if not woken:
        return
    command = locked_import(db, command_id)
    _count(command, Counter({RecordStatus.WAITING: len(woken), RecordStatus.KNOWN: -len(woken)}))
    _make_batches(db, command, sorted(woken))


def settle_records(db: Session, command_id: str, outcomes: Sequence[Outcome]) -> None:
    """Store the outcomes of records; the last outcome ends the import.

    Records that another worker has settled in the meantime are left unchanged and not counted.
    """
    settled = _settled(db, command_id, outcomes)
    command = locked_import(db, command_id)
    mine = [outcome for outcome in outcomes if outcome.scm_id in settled]
    counts = Counter(outcome.status for outcome in mine)
    counts[RecordStatus.WAITING] -= len(mine)
    _count(command, counts, news=Counter(each.news for each in mine if each.news is not None))
    _name_failures(command, mine)
    end_if_done(db, command)


def count_news(db: Session, command_id: str, news: News, count: int) -> None:
    """Count drift that was found in a list, without requesting the records."""
    if count:
        _count(locked_import(db, command_id), Counter(), news=Counter({news: count}))


def forget_auto_renewals(db: Session, command_id: str, account_id: int) -> None:
    """Clear `scm_auto_renew` of known orders that this import has not found in SCM's list of such orders.

    Call it only once that list has been read to its end.
    """
    listed = select(ImportRecord.scm_id).where(
        ImportRecord.command_id == command_id,
        ImportRecord.status == RecordStatus.KNOWN,
        ~ImportRecord.auto_renew,
    )
    ended = update(Order).where(
        Order.account_id == account_id, Order.scm_auto_renew, Order.scm_id.in_(listed)
    )
    # Safe without synchronising: the transaction uses none of these orders afterwards.
    db.execute(ended.values(scm_auto_renew=False).execution_options(synchronize_session=False))


def give_up_batch(db: Session, batch: Command, why: str) -> None:
    """Fail the remaining records of a batch that keeps crashing its worker, so that the import continues."""
    whole = db.get(Command, batch.payload["import_id"])
    if whole is not None and whole.status in OPEN:
        waiting = waiting_in(db, whole.id, batch.payload["batch"])
        settle_records(
            db, whole.id, [Outcome(scm_id, RecordStatus.FAILED, why) for scm_id in waiting]
        )


def locked_import(db: Session, command_id: str) -> Command:
    """Lock and return the import's command: until the transaction ends, no other one changes its counts."""
    return db.get_one(Command, command_id, with_for_update=True, populate_existing=True)


def end_if_done(db: Session, command: Command) -> bool:
    """End the import if all lists are read and no record is waiting. Returns True if it has ended."""
    result = command.result or {}
    if command.status not in OPEN or result.get("listing", True) or result["waiting"]:
        return command.status not in OPEN
    counts = completed(result)
    finish(db, command, CommandStatus.DONE, result=counts)
    # Failed records stay for display; the orders show the others.
    db.execute(
        delete(ImportRecord).where(
            ImportRecord.command_id == command.id, ImportRecord.status != RecordStatus.FAILED
        )
    )
    emit_event(
        db,
        ImportCompleted(**counts),  # from JSON: checked when the event is stored, not by mypy
        subject=result["account"],
        correlation_id=command.correlation_id,
    )
    return True


def completed(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the final result of an import: the counts, without the fields needed to resume it."""
    needless = {"first", "listing", "look", "position", "batches", RecordStatus.WAITING.value}
    return {name: value for name, value in result.items() if name not in needless}


def revive(db: Session, command: Command) -> None:
    """Create commands for batches with waiting records and no open command.

    Such a batch's command has ended while the import itself was stopped.
    """
    on_its_way = exists().where(
        Command.type == CommandType.IMPORT_BATCH,
        Command.subject == command.id,
        Command.status.in_(OPEN),
        Command.payload["batch"].as_integer() == ImportRecord.batch,
    )
    stray = db.scalars(
        select(ImportRecord.batch)
        .where(
            ImportRecord.command_id == command.id,
            ImportRecord.status == RecordStatus.WAITING,
            ~on_its_way,
        )
        .distinct()
    )
    for batch in stray.all():
        _send_batch(db, command, batch or 0)


def _make_batches(db: Session, command: Command, ids: Sequence[int]) -> None:
    result = dict(command.result or {})
    for start in range(0, len(ids), BATCH):
        result["batches"] += 1
        db.execute(
            update(ImportRecord)
            .where(
                ImportRecord.command_id == command.id,
                ImportRecord.scm_id.in_(ids[start : start + BATCH]),
            )
            .values(batch=result["batches"])
        )
        _send_batch(db, command, result["batches"])
    command.result = result


def _send_batch(db: Session, command: Command, batch: int) -> None:
    accept(
        db,
        CommandType.IMPORT_BATCH,
        {"account": (command.result or {})["account"], "import_id": command.id, "batch": batch},
        requested_by=command.requested_by,
        source="certline",
        subject=command.id,
        correlation_id=command.correlation_id,
    )


def _count(
    command: Command,
    counts: Counter[RecordStatus],
    *,
    listed: int = 0,
    news: Counter[News] | None = None,
) -> None:
    before = command.result or {}
    after = {status.value: before[status.value] + count for status, count in counts.items()}
    told = dict(before["news"])
    for each, count in (news or {}).items():
        told[each.value] += count
    command.result = {**before, **after, "listed": before["listed"] + listed, "news": told}


def _name_failures(command: Command, outcomes: Iterable[Outcome]) -> None:
    result = command.result or {}
    failures = [
        {"scm_id": each.scm_id, "reason": each.reason}
        for each in outcomes
        if each.status is RecordStatus.FAILED
    ]
    if failures:
        named = [*result["failures"], *failures][:MOST_NAMED]
        command.result = {**result, "failures": named}


def _settled(db: Session, command_id: str, outcomes: Sequence[Outcome]) -> set[int]:
    if not outcomes:
        return set()
    # One UPDATE for all outcomes; only rows that are still waiting change and are returned.
    became = values(
        column("scm_id", BigInteger),
        column("status", String),
        column("reason", Text),
        name="became",
    ).data([(each.scm_id, each.status.value, each.reason) for each in outcomes])
    change = (
        update(ImportRecord)
        .where(
            ImportRecord.command_id == command_id,
            ImportRecord.scm_id == became.c.scm_id,
            ImportRecord.status == RecordStatus.WAITING,
        )
        .values(status=became.c.status, reason=became.c.reason)
        .returning(ImportRecord.scm_id)
    )
    # Safe without synchronising: steps load columns of these records, never objects.
    return set(db.scalars(change.execution_options(synchronize_session=False)))

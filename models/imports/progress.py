"""Progress of an import: records are noted, put into batches, settled and counted; the last one ends the import.

The counts are in the import's row (`ImportRun`), which is locked while they change.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Integer,
    String,
    Table,
    TableValuedAlias,
    Text,
    bindparam,
    column,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from certline.models.commands.answers import Answer, answer_with
from certline.models.commands.command import OPEN, Command, accept, finish
from certline.models.events.import_data import ImportCompleted
from certline.models.imports.record import ImportRecord, News, Outcome, RecordStatus, waiting_in
from certline.models.imports.report_row import forget_report
from certline.models.imports.run import ImportRun, locked_run
from certline.models.orders.order import Order
from certline.models.states import CommandStatus, CommandType

# Records per batch; a worker processes them one after another.
BATCH = 100
# Failures listed in the result; `import_record` has all of them.
MOST_NAMED = 100


def note_records(
    db: Session,
    command_id: str,
    records: Mapping[int, RecordStatus],
    *,
    total: int | None = None,
    facts: Mapping[int, dict[str, Any]] | None = None,
) -> None:
    """Store listed records, each once, and put the waiting ones into batches with a command each.

    `total`: the number of records that SCM reports. `facts`: what stands in for the details of some of them.
    """
    added: set[int] = set()
    if records:
        rows = [
            {
                "command_id": command_id,
                "scm_id": scm_id,
                "status": status,
                "tries": 0,
                "facts": (facts or {}).get(scm_id),
            }
            for scm_id, status in records.items()
        ]
        # On the connection: the ORM would compile one long statement for each page.
        table = cast("Table", ImportRecord.__table__)
        fresh = insert(table).on_conflict_do_nothing().returning(table.c.scm_id)
        # RETURNING leaves out records that were stored before: they are not counted twice.
        added = set(db.connection().scalars(fresh, rows))
    run = locked_run(db, command_id)
    counts = Counter(status for scm_id, status in records.items() if scm_id in added)
    if total is not None:
        run.total = total
    run.listed += len(added)
    run.count(counts, news=Counter({News.NEW: counts[RecordStatus.NEW]}))
    waiting = [
        scm_id
        for scm_id, status in records.items()
        if scm_id in added and status is RecordStatus.WAITING
    ]
    _make_batches(db, run, waiting)


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
    run = locked_run(db, command_id)
    run.count({RecordStatus.WAITING: len(woken), RecordStatus.KNOWN: -len(woken)})
    _make_batches(db, run, sorted(woken))


def settle_records(db: Session, command_id: str, outcomes: Sequence[Outcome]) -> None:
    """Store the outcomes of records; the last outcome ends the import.

    Records that another worker has settled in the meantime are left unchanged and not counted.
    """
    settled = _settled(db, command_id, outcomes)
    run = locked_run(db, command_id)
    mine = [outcome for outcome in outcomes if outcome.scm_id in settled]
    counts = Counter(outcome.status for outcome in mine)
    counts[RecordStatus.WAITING] -= len(mine)
    run.count(counts, news=Counter(each.news for each in mine if each.news is not None))
    _name_failures(run, mine)
    end_if_done(db, run)


def count_news(db: Session, command_id: str, news: News, count: int) -> None:
    """Count drift that was found in a list, without requesting the records."""
    if count:
        locked_run(db, command_id).count({}, news=Counter({news: count}))


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


def end_if_done(db: Session, run: ImportRun) -> bool:
    """End the import if all lists are read and no record is waiting. Returns True if nothing is left to do.

    The caller has locked the run.
    """
    if run.listing or run.waiting:
        return False
    # key_share: records that another transaction is inserting refer to the command, and it may be waiting for
    # the run, which is locked here. A lock that excludes such references would be a deadlock.
    command = db.get_one(
        Command, run.command_id, with_for_update={"key_share": True}, populate_existing=True
    )
    if command.status not in OPEN:  # it has ended already, or was stopped
        return True
    counts = run.final_result()
    finish(db, command, CommandStatus.DONE, result=counts)
    # Failed records stay for display; the orders show the others.
    db.execute(
        delete(ImportRecord).where(
            ImportRecord.command_id == command.id, ImportRecord.status != RecordStatus.FAILED
        )
    )
    forget_report(db, command.id)
    # A dict from the row: checked when the event is stored, not by mypy.
    answer_with(db, command, Answer(ImportCompleted(**counts), run.account))
    return True


def revive(db: Session, run: ImportRun) -> None:
    """Create commands for batches with waiting records and no open command, unless the import was stopped.

    Such a batch's command has ended while the import itself was stopped. The caller has locked the run.
    """
    if db.get_one(Command, run.command_id, populate_existing=True).status not in OPEN:
        return
    on_its_way = exists().where(
        Command.type == CommandType.IMPORT_BATCH,
        Command.subject == run.command_id,
        Command.status.in_(OPEN),
        Command.payload["batch"].as_integer() == ImportRecord.batch,
    )
    stray = db.scalars(
        select(ImportRecord.batch)
        .where(
            ImportRecord.command_id == run.command_id,
            ImportRecord.status == RecordStatus.WAITING,
            ~on_its_way,
        )
        .distinct()
    )
    for batch in stray.all():
        _send_batch(db, run, batch or 0)


def _make_batches(db: Session, run: ImportRun, ids: Sequence[int]) -> None:
    if not ids:
        return
    first = run.batches + 1
    batch_of = {scm_id: first + place // BATCH for place, scm_id in enumerate(ids)}
    given = _columns(
        {
            "scm_id": (BigInteger(), list(batch_of)),
            "batch": (Integer(), list(batch_of.values())),
        }
    )
    db.execute(
        update(ImportRecord)
        .where(ImportRecord.command_id == run.command_id, ImportRecord.scm_id == given.c.scm_id)
        .values(batch=given.c.batch)
        .execution_options(synchronize_session=False)
    )
    run.batches = batch_of[ids[-1]]
    for batch in range(first, run.batches + 1):
        _send_batch(db, run, batch)


def _columns(given: Mapping[str, tuple[TypeEngine[Any], list[Any]]]) -> TableValuedAlias:
    """Return columns with these values, given as arrays: the statement is the same for any number of rows."""
    arrays = [bindparam(name, of, ARRAY(kind)) for name, (kind, of) in given.items()]
    columns = [column(name, kind) for name, (kind, _) in given.items()]
    return func.unnest(*arrays).table_valued(*columns).render_derived()


def _send_batch(db: Session, run: ImportRun, batch: int) -> None:
    whole = db.get_one(Command, run.command_id)
    accept(
        db,
        CommandType.IMPORT_BATCH,
        {"account": run.account, "import_id": whole.id, "batch": batch},
        requested_by=whole.requester,
        source="certline",
        subject=whole.id,
        correlation_id=whole.correlation_id,
    )


def _name_failures(run: ImportRun, outcomes: Iterable[Outcome]) -> None:
    failures = [
        {"scm_id": each.scm_id, "reason": each.reason}
        for each in outcomes
        if each.status is RecordStatus.FAILED
    ]
    if failures:
        run.failures = [*run.failures, *failures][:MOST_NAMED]


def _settled(db: Session, command_id: str, outcomes: Sequence[Outcome]) -> set[int]:
    if not outcomes:
        return set()
    # One UPDATE for all outcomes; only rows that are still waiting change and are returned.
    became = _columns(
        {
            "scm_id": (BigInteger(), [each.scm_id for each in outcomes]),
            "status": (String(), [each.status.value for each in outcomes]),
            "reason": (Text(), [each.reason for each in outcomes]),
        }
    )
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

"""The step `import_batch`: read one batch of an import's records at SCM and store them, group by group.

Batches run in parallel within the rate limit that all calls share. A worker keeps at most one group of
unstored records in memory.
"""

import time
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from certline.models import Account, Command, CommandType
from certline.models.certificates.license import room_left
from certline.models.commands.command import OPEN
from certline.models.commands.payloads import ImportBatchCommand, read_payload
from certline.models.database.session import blames_the_data
from certline.models.imports.progress import give_up_batch
from certline.models.imports.record import Outcome, RecordStatus, waiting_in
from certline.workers.importing.group_storage import StoredGroup, intake_of, store_group
from certline.workers.importing.known import ids_here
from certline.workers.importing.line_assignment import Intake, predecessors_to_ask
from certline.workers.importing.record_reader import ReadResult, RecordReader
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import TryLater, back_off
from certline.workers.runtime.step import plain_step

log = structlog.get_logger()

# Seconds that a batch may keep its thread before it yields to other work.
SLICE = 5.0


def import_batch(context: WorkerContext, command: Command) -> dict[str, Any]:
    """Read the records of a batch that are still waiting, and import them.

    Raises TryLater when its time slice is over or SCM cannot return some records, AccountSuspendedError.
    """
    wanted = read_payload(ImportBatchCommand, command.payload)
    began = time.monotonic()
    with context.database.transaction() as db:
        whole = db.get(Command, wanted.import_id)
        if whole is None or whole.status not in OPEN:  # the import has ended
            return {"import": wanted.import_id, "batch": wanted.batch}
        account = db.scalars(select(Account).where(Account.name == wanted.account)).one()
        require_active(account)
        intake = intake_of(db, whole, account)
        facts = waiting_in(db, wanted.import_id, wanted.batch)
        waiting = list(facts)
        here = set() if intake.all_new else ids_here(db, account.id, waiting)
        # With only_kin no certificate is collected yet: only once an order has joined a line is it needed.
        room = 0 if intake.only_kin else room_left(db)
    reader = RecordReader(context, account, command.attempts)
    in_vain = 0
    while waiting:
        asked = reader.ask(waiting, facts, here=here, room=room)
        if not intake.all_new or intake.reported:
            with context.database.transaction() as db:
                doubtful = predecessors_to_ask(db, intake, asked.met)
            # No transaction is open during calls to SCM.
            reader.details_of(sorted({*doubtful.values()}), asked)
            asked.put_off(doubtful)
        kept = _keep(context, intake, asked)
        room = 0 if kept.held else room - kept.collected
        facts |= dict.fromkeys(kept.again)
        if asked.stop is not None:
            raise asked.stop
        waiting = [*sorted(kept.again), *waiting[asked.count :]]
        in_vain += len(asked.in_vain)
        if waiting and time.monotonic() - began > SLICE:
            raise TryLater("it yields to other work", after=timedelta(0), afresh=True)
    if in_vain:
        why = f"SCM cannot return {in_vain} of its records at present"
        raise TryLater(why, after=back_off(command.attempts), costs_attempt=True)
    return {"import": wanted.import_id, "batch": wanted.batch}


def _keep(context: WorkerContext, intake: Intake, asked: ReadResult) -> StoredGroup:
    """Store a group of records.

    If Postgres rejects the data, the records are stored one by one, so that only the faulty one fails.
    """
    try:
        return context.store(partial(store_group, intake=intake, asked=asked))
    except DBAPIError as error:
        if not blames_the_data(error):
            raise
        log.warning("import.one_by_one", records=len(asked.met), why=str(error.orig).strip())
    context.store(partial(store_group, intake=intake, asked=ReadResult(failed=asked.failed)))
    again: set[int] = set()
    for met in asked.met:
        one = ReadResult(met=[met], facts=asked.facts, looked_at=asked.looked_at)
        again |= _keep_one(context, intake, one).again
    return StoredGroup(again=frozenset(again))


def _keep_one(context: WorkerContext, intake: Intake, asked: ReadResult) -> StoredGroup:
    try:
        return context.store(partial(store_group, intake=intake, asked=asked))
    except DBAPIError as error:
        if not blames_the_data(error):
            raise
        why = f"it could not be stored: {str(error.orig).strip().splitlines()[0]}"
        failed = [Outcome(met.scm_id, RecordStatus.FAILED, why) for met in asked.met]
        return context.store(partial(store_group, intake=intake, asked=ReadResult(failed=failed)))


STEP = plain_step(CommandType.IMPORT_BATCH, import_batch, on_abandoned=give_up_batch)

"""The step `import_batch`: read one batch of an import's records at SCM and store them, group by group.

Batches run in parallel within the rate limit that all calls share. A worker keeps at most one group of
unstored records in memory.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from certline.models import Account, Command, CommandType, ImportRun, Order, OrderKind
from certline.models.accounts.catalogue import organizations
from certline.models.certificates.license import room_left
from certline.models.commands.command import OPEN
from certline.models.commands.payloads import ImportBatchCommand, ImportCommand, read_payload
from certline.models.database.session import blames_the_data, clock
from certline.models.imports.progress import give_up_batch, settle_records
from certline.models.imports.record import (
    Outcome,
    RecordStatus,
    count_tries,
    drop_facts,
    waiting_in,
)
from certline.models.imports.report_row import has_report
from certline.models.restore.recovery import RECOVERY_SOURCE, noticed_at
from certline.workers.importing.doubt import doubt_what_was_placed
from certline.workers.importing.drift import catch_up, note_facts
from certline.workers.importing.given_up import leave_given_up
from certline.workers.importing.intake import orders_in_doubt, take_in, take_turns
from certline.workers.importing.known import ids_here, storable
from certline.workers.importing.line_assignment import (
    Intake,
    Relatives,
    predecessors_to_ask,
    relatives,
    renewed_since,
)
from certline.workers.importing.record_mapping import Met
from certline.workers.importing.record_reader import ReadResult, RecordReader
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import TryLater, back_off
from certline.workers.runtime.step import plain_step

log = structlog.get_logger()

# Seconds that a batch may keep its thread before it yields to other work.
SLICE = 5.0
# Tries of one record that SCM cannot return, before it counts as failed and the import goes on without it.
MOST_TRIES = 5


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
        intake = _intake(db, whole, account)
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


def _intake(db: Session, whole: Command, account: Account) -> Intake:
    wanted = read_payload(ImportCommand, whole.payload)
    recovers = whole.source == RECOVERY_SOURCE
    return Intake(
        command_id=whole.id,
        account_id=account.id,
        account=account.name,
        requested_by=whole.requester,
        correlation_id=whole.correlation_id,
        begun=whole.created_at,
        organizations={row.scm_id: row.name for row in organizations(db, account.id)},
        only_kin=wanted.known or recovers,
        recovers_since=noticed_at(db) if recovers else None,
        all_new=db.get_one(ImportRun, whole.id).first,
        reported=has_report(db, whole.id),
    )


@dataclass(frozen=True)
class StoredGroup:
    """What became of a group of records. `held`: an order is on hold, so no line is free any more.

    `collected`: the number of certificates. `again`: records that can be stored only once details have been read.
    """

    held: bool = False
    collected: int = 0
    again: frozenset[int] = frozenset()


def _keep(context: WorkerContext, intake: Intake, asked: ReadResult) -> StoredGroup:
    """Store a group of records.

    If Postgres rejects the data, the records are stored one by one, so that only the faulty one fails.
    """
    try:
        return context.store(partial(_store, intake=intake, asked=asked))
    except DBAPIError as error:
        if not blames_the_data(error):
            raise
        log.warning("import.one_by_one", records=len(asked.met), why=str(error.orig).strip())
    context.store(partial(_store, intake=intake, asked=ReadResult(failed=asked.failed)))
    again: set[int] = set()
    for met in asked.met:
        one = ReadResult(met=[met], facts=asked.facts, looked_at=asked.looked_at)
        again |= _keep_one(context, intake, one).again
    return StoredGroup(again=frozenset(again))


def _keep_one(context: WorkerContext, intake: Intake, asked: ReadResult) -> StoredGroup:
    try:
        return context.store(partial(_store, intake=intake, asked=asked))
    except DBAPIError as error:
        if not blames_the_data(error):
            raise
        why = f"it could not be stored: {str(error.orig).strip().splitlines()[0]}"
        failed = [Outcome(met.scm_id, RecordStatus.FAILED, why) for met in asked.met]
        return context.store(partial(_store, intake=intake, asked=ReadResult(failed=failed)))


def _store(db: Session, intake: Intake, asked: ReadResult) -> StoredGroup:
    """Store a group of records."""
    outcomes = list(asked.failed)
    if asked.in_vain:
        tries = count_tries(db, intake.command_id, list(asked.in_vain))
        outcomes += [
            Outcome(scm_id, RecordStatus.FAILED, asked.in_vain[scm_id])
            for scm_id, count in tries.items()
            if count >= MOST_TRIES
        ]
    # Read orders in doubt before taking the import lock, and known ids after it: an order whose sslId becomes
    # known in between is found by at least one of the two reads.
    doubtful = orders_in_doubt(db, intake, asked.met)
    if intake.recovers_since is not None:
        present = ids_here(db, intake.account_id, [met.scm_id for met in asked.met])
        theirs = (met.details for met in asked.met if met.scm_id not in present)
        new = {details.common_name.strip().lower() for details in theirs}
        rivals = [order_id for name, order_id in doubtful.items() if name in new]
        doubt_what_was_placed(db, intake.account_id, rivals, present)
    # Lock orders before the account's import lock and the licence, as all steps do, to avoid deadlocks.
    known = [*asked.met, *map(Met, asked.facts)]
    if intake.all_new:
        known = [Met(details) for details in asked.facts]
    ids = [met.scm_id for met in known]
    orders = _locked(db, intake.account_id, ids)
    for details in asked.facts:
        if details.ssl_id in orders:
            note_facts(orders[details.ssl_id], details)
    clock(db)  # read before the lock, and kept
    take_turns(db, intake.account_id)
    here = ids_here(db, intake.account_id, [met.scm_id for met in asked.met])
    for met in asked.met:
        if met.scm_id in orders and not met.reported:
            whole = db.get_one(Command, intake.command_id)
            outcomes.append(catch_up(db, whole, orders[met.scm_id], met.details))
        elif met.scm_id in here:  # another import has just stored it
            outcomes.append(Outcome(met.scm_id, RecordStatus.KNOWN))
    fresh = [met for met in asked.met if met.scm_id not in here]
    given_up = leave_given_up(db, intake.account_id, fresh)
    left = {outcome.scm_id for outcome in given_up}
    outcomes += given_up
    fresh = [met for met in fresh if met.scm_id not in left]
    kin = relatives(db, intake, fresh)
    again = _to_read_again(db, intake, fresh, kin, asked.looked_at) if intake.reported else set()
    fresh = [met for met in fresh if met.scm_id not in again]
    outcomes += take_in(db, intake, fresh, doubtful, kin)
    settle_records(db, intake.command_id, outcomes)
    stored = {outcome.scm_id for outcome in outcomes}
    return StoredGroup(
        held=any(outcome.status is RecordStatus.HELD for outcome in outcomes),
        collected=sum(met.leaf is not None for met in asked.met if met.scm_id in stored),
        again=frozenset(again),
    )


def _to_read_again(
    db: Session, intake: Intake, fresh: Sequence[Met], kin: Relatives, looked_at: Collection[int]
) -> set[int]:
    """Return those of the records that can't be stored yet: what another batch has stored since they were read may
    renew them, or be renewed by them. The import's lock has to be held.
    """
    renewed = renewed_since(fresh, kin)
    if renewed:
        drop_facts(db, intake.command_id, renewed)
    doubtful = predecessors_to_ask(db, intake, fresh, kin)
    return renewed | {newer for newer, older in doubtful.items() if older not in looked_at}


def _locked(db: Session, account_id: int, ids: Sequence[int]) -> dict[int, Order]:
    # Sorted by id, so that two batches lock shared orders in the same sequence and cannot deadlock.
    if not ids:
        return {}
    query = (
        select(Order)
        .where(
            Order.account_id == account_id,
            Order.scm_id.in_(storable(ids)),
            Order.kind != OrderKind.REISSUE,
        )
        .order_by(Order.id)
        .with_for_update(of=Order)
    )
    return {order.scm_id: order for order in db.scalars(query) if order.scm_id is not None}


STEP = plain_step(CommandType.IMPORT_BATCH, import_batch, on_abandoned=give_up_batch)

"""Storing of a group of an import's records in one transaction: new ones are taken in, known ones caught up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import Account, Command, ImportRun, Order, OrderKind
from certline.models.accounts.catalogue import organizations
from certline.models.commands.payloads import ImportCommand, read_payload
from certline.models.database.session import clock
from certline.models.imports.progress import settle_records
from certline.models.imports.record import Outcome, RecordStatus, count_tries, drop_facts
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
from certline.workers.importing.record_reader import ReadResult

# Tries of one record that SCM cannot return, before it counts as failed and the import goes on without it.
MOST_TRIES = 5


@dataclass(frozen=True)
class StoredGroup:
    """What became of a group of records. `held`: an order is on hold, so no line is free any more.

    `collected`: the number of certificates. `again`: records that can be stored only once details have been read.
    `outcomes`: of the others.
    """

    held: bool = False
    collected: int = 0
    again: frozenset[int] = frozenset()
    outcomes: tuple[Outcome, ...] = ()


def intake_of(db: Session, whole: Command, account: Account) -> Intake:
    """Return what the groups of an import have in common. `whole`: the import's command."""
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


def store_group(db: Session, intake: Intake, asked: ReadResult) -> StoredGroup:
    """Store a group of records that was read at SCM. Returns what became of them."""
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
        outcomes=tuple(outcomes),
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

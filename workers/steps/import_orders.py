"""The step `import`: read SCM's certificate lists page by page, and turn each page into batches of records.

Orders that we store and that the list shows unchanged need no further call. Changes that the main list does
not show (revoked, replaced, renewed automatically by SCM) come from separate lists with SCM's filters.
"""

import time
from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from certline.models import Account, Command, CommandType, ImportRun, Order
from certline.models.accounts.account import account_for
from certline.models.accounts.catalogue import organizations, profiles
from certline.models.commands.answers import Answer
from certline.models.commands.payloads import ImportCommand, read_payload
from certline.models.imports.progress import (
    end_if_done,
    forget_auto_renewals,
    note_records,
    revive,
)
from certline.models.imports.record import RecordStatus, listed_already
from certline.models.imports.run import locked_run, new_run
from certline.models.orders.checks import find_offered
from certline.models.validation import BadCommandError
from certline.workers.importing.dry_run import counts_of, report
from certline.workers.importing.scm_lists import (
    DRIFT,
    MAIN,
    Listing,
    ListReader,
    Look,
    Recent,
    fitting,
)
from certline.workers.importing.scm_report import ReportReader
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp, TryLater
from certline.workers.runtime.step import plain_step
from certline.workers.scm import CertificateFilter, CertificatePage
from certline.workers.scm.api.pagination import Walk

log = structlog.get_logger()

# Seconds that reading the lists may keep its thread before it yields to other work.
SLICE = 5.0


def import_orders(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Read SCM's lists and record which certificates to import; with `dry_run`, return a report instead.

    Returns None for an import, which ends with its last batch. Raises GiveUp, TryLater, AccountSuspendedError.
    """
    wanted = read_payload(ImportCommand, command.payload)
    with context.database.transaction() as db:
        account, chosen = _begin(db, command, wanted)
    if wanted.dry_run:
        return report(context, account, command, wanted, chosen)
    if wanted.order:
        named = dict.fromkeys(wanted.order, RecordStatus.WAITING)
        context.store(partial(note_records, command_id=command.id, records=named))
    else:
        _read_lists(context, command, account, wanted, chosen)
    context.store(partial(_close, command_id=command.id))
    return None


def filter_of(db: Session, account: Account, wanted: ImportCommand) -> CertificateFilter:
    """Return the filter for SCM's list. Raises BadCommandError for an unknown organisation or profile."""
    organization = profile = None
    if wanted.organization is not None:
        offered = organizations(db, account.id)
        organization = find_offered("organization", wanted.organization, offered).scm_id
    if wanted.profile is not None:
        profile = find_offered("profile", wanted.profile, profiles(db, account.id)).scm_id
    return CertificateFilter(
        status=wanted.status,
        org_id=organization,
        profile_id=profile,
        common_name=wanted.common_name,
    )


def _begin(
    db: Session, command: Command, wanted: ImportCommand
) -> tuple[Account, CertificateFilter]:
    """Load the account and SCM's filter, and set up the import's counts on its first run.

    Raises GiveUp for a command that does not fit the account, TryLater while the account is suspended.
    """
    try:
        account = account_for(db, wanted.account)
        chosen = filter_of(db, account, wanted)
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None
    require_active(account)
    # The command's lock lets one of two parallel runs create the row. A row that exists is not locked here,
    # since others lock it before the command (`locked_run`).
    row = db.get_one(Command, command.id, with_for_update=True, populate_existing=True)
    row.subject = account.name
    if db.get(ImportRun, command.id) is None and not wanted.dry_run:
        known = exists().where(Order.account_id == account.id, Order.scm_id.is_not(None))
        db.add(new_run(command.id, account.name, first=not db.scalar(select(known))))
    return account, chosen


def _read_lists(
    context: WorkerContext,
    command: Command,
    account: Account,
    wanted: ImportCommand,
    chosen: CertificateFilter,
) -> None:
    began = time.monotonic()
    reader = ListReader(context, account, command.attempts)
    report = ReportReader(context, account, command, chosen)
    listing = Listing(command.id, account.id, wanted.status, wanted.known)
    for number, look in enumerate([MAIN] if wanted.status else [MAIN, *DRIFT]):
        so_far = _so_far(context, command)
        reported = so_far.reported or wanted.known
        # Skip lists that an earlier run has finished, and drift lists if we stored none of the listed orders.
        if number < so_far.look or (look is not MAIN and not so_far.known):
            continue
        # Only the main list can be resumed at a position: all its rows are recorded, so a page can be joined
        # to them. With a name some rows are dropped (`fitting`), and drift lists record only some rows.
        goes_on = look is MAIN and wanted.common_name is None
        walk = Walk(so_far.position if goes_on else 0)
        known = partial(_listed, context, command.id) if goes_on else Recent()
        try:
            for page in reader.pages(look.narrow(chosen, account), walk, known):
                if look is MAIN and not reported:
                    # Before the first page is recorded; this page is read again if the report takes long.
                    report.read(page.total)
                    reported = True
                at = (number + 1, 0) if walk.over else (number, walk.position)
                rows = fitting(page, wanted)
                context.store(partial(note_page, look=look, listing=listing, page=rows, at=at))
                # Other lists can't be resumed, so they are read in one go.
                if goes_on and time.monotonic() - began > SLICE and not walk.over:
                    raise TryLater("it yields to other work", after=timedelta(0), afresh=True)
        except GiveUp as over:
            if not look.auto_renewed:
                raise
            # SCM's hosts use different words for this filter and may refuse ours. The import goes on: only
            # the orders that SCM renews automatically stay unmarked.
            log.warning("import.list_refused", account=account.name, why=str(over))


def _so_far(context: WorkerContext, command: Command) -> ImportRun:
    with context.database.transaction() as db:
        return db.get_one(ImportRun, command.id)


def _listed(context: WorkerContext, command_id: str, ids: Collection[int]) -> int:
    with context.database.transaction() as db:
        return len(listed_already(db, command_id, ids))


def note_page(
    db: Session, look: Look, listing: Listing, page: CertificatePage, at: tuple[int, int]
) -> None:
    """Record a page, and in the same transaction where to continue after it.

    `at`: number of the list, and row offset of its next page.
    """
    look.note(db, listing, page)
    run = locked_run(db, listing.command_id)
    run.look, run.position = at
    if look.auto_renewed and run.position == 0:  # the list has been read to its end
        forget_auto_renewals(db, listing.command_id, listing.account_id)


def _close(db: Session, command_id: str) -> None:
    """Mark the lists as read. Ends the import if its batches are done, else requeues those without a command."""
    run = locked_run(db, command_id)
    run.listing = False
    if not end_if_done(db, run):
        revive(db, run)


def _answer(_: Session, __: Command, result: dict[str, Any]) -> Answer:
    """Return the event about a dry run; that of an import is published with its last batch."""
    return Answer(counts_of(result), result["account"])


STEP = plain_step(CommandType.IMPORT, import_orders, answer=_answer)

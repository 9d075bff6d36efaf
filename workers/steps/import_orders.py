"""Take in what SCM holds already: its list is read page by page, and each page becomes batches.

What is here and unchanged, as far as the list tells, costs no further call. What the list doesn't
tell of it (revoked, replaced, renewed by SCM itself) is in lists of their own, by SCM's filters.
"""

import time
from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from certline.models import Account, Command, CommandType, Order
from certline.models.accounts.catalogue import organizations, profiles
from certline.models.commands.payloads import ImportCommand
from certline.models.imports.progress import (
    empty_result,
    end_if_done,
    forget_auto_renewals,
    locked_import,
    note_records,
    revive,
)
from certline.models.imports.record import RecordStatus, listed_already
from certline.models.orders.checks import find_offered
from certline.models.validation import BadCommandError
from certline.workers.importing.dry_run import report
from certline.workers.importing.scm_lists import (
    DRIFT,
    MAIN,
    Listing,
    ListReader,
    Look,
    Recent,
    fitting,
)
from certline.workers.ordering.placement import account_for
from certline.workers.runtime.context import Line
from certline.workers.runtime.outcomes import GiveUp, TryLater
from certline.workers.runtime.step import Step, require_active
from certline.workers.scm import CertificateFilter, CertificatePage
from certline.workers.scm.api.pagination import Walk

log = structlog.get_logger()

# Seconds that reading the lists keeps its thread.
SLICE = 5.0


def import_orders(line: Line, command: Command) -> dict[str, Any] | None:
    """Read SCM's lists and write down what is to be asked for; with `dry_run` only say what is news."""
    wanted = ImportCommand.model_validate(command.payload)
    with line.database.transaction() as db:
        account, chosen = _begin(db, command, wanted)
    if wanted.dry_run:
        return report(line, account, command, wanted, chosen)
    if wanted.order:
        named = dict.fromkeys(wanted.order, RecordStatus.WAITING)
        line.store(partial(note_records, command_id=command.id, records=named))
    else:
        _read_lists(line, command, account, wanted, chosen)
    line.store(partial(_close, command_id=command.id))
    return None


def filter_of(db: Session, account: Account, wanted: ImportCommand) -> CertificateFilter:
    """What SCM's list is asked for. Raises BadCommandError for what SCM doesn't offer."""
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
    """The account, and SCM's filter. Raises GiveUp, TryLater."""
    try:
        account = account_for(db, wanted.account)
        chosen = filter_of(db, account, wanted)
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None
    require_active(account)
    row = locked_import(db, command.id)
    row.subject = account.name
    if row.result is None and not wanted.dry_run:
        known = exists().where(Order.account_id == account.id, Order.scm_id.is_not(None))
        row.result = empty_result(account.name, first=not db.scalar(select(known)))
    return account, chosen


def _read_lists(
    line: Line, command: Command, account: Account, wanted: ImportCommand, chosen: CertificateFilter
) -> None:
    began = time.monotonic()
    reader = ListReader(line, account, command)
    listing = Listing(command.id, account.id, wanted.status, wanted.known)
    for number, look in enumerate([MAIN] if wanted.status else [MAIN, *DRIFT]):
        so_far = _so_far(line, command)
        # Where nothing was here before, there is no news of it.
        if number < so_far["look"] or (look is not MAIN and not so_far[RecordStatus.KNOWN]):
            continue
        # What a name narrows down is compared once more, so its rows are not all written down.
        goes_on = look is MAIN and wanted.common_name is None
        walk = Walk(so_far["position"] if goes_on else 0)
        known = partial(_listed, line, command.id) if goes_on else Recent()
        try:
            for page in reader.pages(look.narrow(chosen, account), walk, known):
                at = (number + 1, 0) if walk.over else (number, walk.position)
                rows = fitting(page, wanted)
                line.store(partial(note_page, look=look, listing=listing, page=rows, at=at))
                if time.monotonic() - began > SLICE and not walk.over:
                    raise TryLater("it gives way to other work", after=timedelta(0), afresh=True)
        except GiveUp as over:
            if not look.auto_renewed:
                raise
            # SCM's hosts differ in its words; without this list only this news is missing.
            log.warning("import.list_refused", account=account.name, why=str(over))


def _so_far(line: Line, command: Command) -> dict[str, Any]:
    with line.database.transaction() as db:
        return db.get_one(Command, command.id).result or {}


def _listed(line: Line, command_id: str, ids: Collection[int]) -> int:
    with line.database.transaction() as db:
        return len(listed_already(db, command_id, ids))


def note_page(
    db: Session, look: Look, listing: Listing, page: CertificatePage, at: tuple[int, int]
) -> None:
    """Write down a page, and where the next one begins: number of the list, offset in it."""
    look.note(db, listing, page)
    command = locked_import(db, listing.command_id)
    number, position = at
    command.result = {**(command.result or {}), "look": number, "position": position}
    if look.auto_renewed and position == 0:  # the whole list has been read
        forget_auto_renewals(db, listing.command_id, listing.account_id)


def _close(db: Session, command_id: str) -> None:
    """Everything is listed: the import ends with its last batch, which may be over already."""
    command = locked_import(db, command_id)
    command.result = {**(command.result or {}), "listing": False}
    if not end_if_done(db, command):
        revive(db, command)


STEP = Step(CommandType.IMPORT, import_orders)

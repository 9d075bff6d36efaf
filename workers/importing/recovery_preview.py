"""Preview of a recovery: what the comparison with SCM would find, from calls that only read.

The records are read as the recovery's imports read them, and stored in a transaction that is rolled back. One
thing differs: certificates are not collected, so one that cannot be used shows only in the recovery itself.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from certline.models import Account, Command, CommandType
from certline.models.accounts.account import accounts
from certline.models.audit.identity import SWEEP
from certline.models.commands.command import accept
from certline.models.commands.payloads import ImportCommand
from certline.models.database.session import clock
from certline.models.imports.record import Outcome, RecordStatus
from certline.models.imports.run import new_run
from certline.models.restore.recovery import RECOVERY_SOURCE
from certline.workers.importing.group_storage import intake_of, store_group
from certline.workers.importing.known import like_ours, look_here
from certline.workers.importing.line_assignment import predecessors_to_ask
from certline.workers.importing.record_reader import ReadResult, RecordReader
from certline.workers.importing.report_facts import agrees, reported
from certline.workers.importing.scm_lists import GONE, MAIN, ListReader, Look, Recent, note_gone
from certline.workers.importing.scm_report import is_worth, recent_piece
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import TryLater
from certline.workers.scm import CertificateFilter, CertificateRow, ScmError
from certline.workers.scm.api.pagination import Walk

T = TypeVar("T")

# How often a call is tried again that has to wait, and the longest wait in seconds.
TRIES, LONGEST_WAIT = 10, 60.0
# Failures of an account that are named; the count is complete.
MOST_NAMED = 100
# Rehearsals at most: after the first one, records that have turned out to be related are read again.
REHEARSALS = 3


@dataclass
class AccountAtScm:
    """What was read of an account. `waiting`: sslIds of records to read, with what the report says of them."""

    account: Account
    listed: int = 0
    known: int = 0
    waiting: dict[int, dict[str, Any] | None] = field(default_factory=dict)
    groups: list[ReadResult] = field(default_factory=list)

    def drop(self, ids: set[int]) -> None:
        """Forget records that were read, because they have to be read in more detail."""
        self.groups = [
            replace(group, met=[met for met in group.met if met.scm_id not in ids])
            for group in self.groups
        ]


@dataclass(frozen=True)
class AccountRehearsal:
    """What the recovery would do with an account. `again`: sslIds whose details are needed to know it."""

    outcomes: tuple[Outcome, ...]
    again: frozenset[int]


@dataclass(frozen=True)
class Rehearsal:
    """Result of a rehearsal: what was found by account, and a last look at all, before it was rolled back."""

    accounts: dict[str, AccountRehearsal]
    look: dict[str, Any]

    @property
    def is_final(self) -> bool:
        """True if no details are missing."""
        return not any(each.again for each in self.accounts.values())


@dataclass(frozen=True)
class RecoveryPreview:
    """Preview of a recovery. `since`: the last moment that the database surely knows of. `look`: returns, within
    the rehearsal, what matters of all accounts, given the time of its beginning. `say`: is called with progress
    in words.
    """

    context: WorkerContext
    since: datetime
    look: Callable[[Session, datetime], dict[str, Any]]
    say: Callable[[str], None]

    def document(self) -> dict[str, Any]:
        """Return what a recovery would find.

        Raises GiveUp, TryLater or AccountSuspendedError if SCM can't be read.
        """
        with self.context.database.transaction() as db:
            active = accounts(db)
        found = [self._read(account) for account in active]
        for _ in range(REHEARSALS):
            rehearsal = self.context.database.rehearse(
                partial(_rehearse, found=found, look=self.look)
            )
            if rehearsal.is_final:
                break
            for each in found:
                self._read_again(each, rehearsal.accounts[each.account.name].again)
        counted = [_counted(each, rehearsal.accounts[each.account.name]) for each in found]
        return {**rehearsal.look, "accounts": counted}

    def _read(self, account: Account) -> AccountAtScm:
        require_active(account)
        found = AccountAtScm(account)
        strangers = self._read_lists(found)
        if is_worth(len(strangers), found.listed, recent=True):
            self._read_report(found, strangers)
        self._read_records(found)
        return found

    def _read_lists(self, found: AccountAtScm) -> dict[int, CertificateRow]:
        """Read SCM's lists, and note which records are to be read. Returns the rows that are not stored."""
        strangers: dict[int, CertificateRow] = {}
        looks = [MAIN, *(Look(note_gone, status=status) for status in GONE)]
        for look in looks:
            chosen = look.narrow(CertificateFilter(), found.account)
            for rows in _patiently(partial(self._rows, found.account, chosen)):
                self._note(found, look, rows, strangers)
            self.say(f"account {found.account.name}: {found.listed} records listed")
        return strangers

    def _rows(self, account: Account, chosen: CertificateFilter) -> list[list[CertificateRow]]:
        recent = Recent()
        pages = ListReader(self.context, account, 1).pages(chosen, Walk(), recent)
        return [[row for row in page.rows if row.ssl_id not in recent.repeated] for page in pages]

    def _note(
        self,
        found: AccountAtScm,
        look: Look,
        rows: Sequence[CertificateRow],
        strangers: dict[int, CertificateRow],
    ) -> None:
        with self.context.database.transaction() as db:
            here = look_here(db, found.account.id, [row.ssl_id for row in rows])
        for row in rows:
            stored = row.ssl_id in here.orders
            if look is not MAIN:
                to_read = stored and here.is_in_use(row)
            else:
                found.listed += 1
                found.known += stored
                to_read = not stored or here.is_changed(row)
                if not stored:
                    strangers[row.ssl_id] = row
            if to_read:
                found.waiting[row.ssl_id] = None

    def _read_report(self, found: AccountAtScm, strangers: dict[int, CertificateRow]) -> None:
        """Note what the report says of records that are not stored, and that certainly renew nothing."""
        piece = recent_piece(datetime.now(UTC).date(), self.since)
        try:
            rows = self.context.scm(found.account).ssl_report(
                piece.query(CertificateFilter()), skip_odd=True
            )
        except ScmError:  # the details say the same
            return
        with self.context.database.transaction() as db:
            kin = like_ours(db, found.account.id, list(strangers.values()))
        now = datetime.now(UTC)
        for each in (reported(row, now) for row in rows):
            listed = strangers.get(each.scm_id)
            if listed is None or each.facts is None or each.scm_id in kin:
                continue
            if agrees(listed, each.facts):
                found.waiting[each.scm_id] = each.facts

    def _read_records(self, found: AccountAtScm) -> None:
        reader = RecordReader(self.context, found.account, 1)
        waiting, whole = sorted(found.waiting), len(found.waiting)
        while waiting:
            group = _patiently(partial(self._group, found, reader, waiting))
            found.groups.append(group)
            waiting = waiting[group.count :]
            self.say(
                f"account {found.account.name}: {whole - len(waiting)} of {whole} records read"
            )

    def _group(
        self, found: AccountAtScm, reader: RecordReader, waiting: Sequence[int]
    ) -> ReadResult:
        group = reader.ask(waiting, found.waiting, here=(), room=0)
        if group.stop is not None:
            raise group.stop
        older = partial(_predecessors, account=found.account, group=group)
        doubtful = self.context.database.rehearse(older)
        reader.details_of(sorted({*doubtful.values()}), group)
        if group.stop is not None:
            raise group.stop
        group.put_off(doubtful)
        return group

    def _read_again(self, found: AccountAtScm, ids: frozenset[int]) -> None:
        if ids:
            found.drop({*ids})
            found.waiting = dict.fromkeys(ids)
            self._read_records(found)


def _patiently(read: Callable[[], T]) -> T:
    """Return what `read` does; while it is too early for a call, wait for its turn and try again."""
    for _ in range(TRIES):
        try:
            return read()
        except TryLater as later:
            wait = later.after.total_seconds()
            if wait > LONGEST_WAIT:
                raise
            time.sleep(wait)
    return read()


def _import_of(db: Session, account: Account) -> Command:
    """Add the import by which a recovery compares an account."""
    payload = ImportCommand(account=account.name).model_dump(mode="json", exclude_defaults=True)
    whole, _ = accept(
        db,
        CommandType.IMPORT,
        payload,
        requested_by=SWEEP,
        source=RECOVERY_SOURCE,
        subject=account.name,
        command_id=str(uuid.uuid4()),
    )
    db.add(new_run(whole.id, account.name, first=False))
    db.flush()
    return whole


def _predecessors(db: Session, account: Account, group: ReadResult) -> dict[int, int]:
    intake = intake_of(db, _import_of(db, account), account)
    return predecessors_to_ask(db, intake, group.met)


def _rehearse(
    db: Session,
    found: Sequence[AccountAtScm],
    look: Callable[[Session, datetime], dict[str, Any]],
) -> Rehearsal:
    """Store everything that was read, and look at the result."""
    accounts = {}
    for each in found:
        intake = intake_of(db, _import_of(db, each.account), each.account)
        # The details say whether something was renewed, the report doesn't.
        intake = replace(
            intake, reported=any(met.reported for group in each.groups for met in group.met)
        )
        stored = [store_group(db, intake, group) for group in each.groups]
        accounts[each.account.name] = AccountRehearsal(
            tuple(outcome for group in stored for outcome in group.outcomes),
            frozenset(scm_id for group in stored for scm_id in group.again),
        )
    db.flush()
    return Rehearsal(accounts, look(db, clock(db)))


def _counted(found: AccountAtScm, rehearsed: AccountRehearsal) -> dict[str, Any]:
    others = sum(outcome.status is RecordStatus.NEW for outcome in rehearsed.outcomes)
    failed = [outcome for outcome in rehearsed.outcomes if outcome.status is RecordStatus.FAILED]
    unread = {scm_id: why for group in found.groups for scm_id, why in group.in_vain.items()}
    return {
        "account": found.account.name,
        "listed": found.listed,
        "known": found.known,
        "others": others,
        "failed": len(failed) + len(unread),
        "failures": [
            *({"scm_id": each.scm_id, "error": each.reason} for each in failed[:MOST_NAMED]),
            *({"scm_id": scm_id, "error": why} for scm_id, why in [*unread.items()][:MOST_NAMED]),
        ],
    }

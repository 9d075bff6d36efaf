"""Reading of SCM's report for an import: one call shows what would otherwise take a call for each record.

It is read before the main list, in pieces of some thousand records, each of which is stored before the next one
is requested. What it doesn't show, or shows otherwise than the list, is read from the details as ever; so is
everything if SCM refuses the report. A kill makes the next run read at most the list of automatic renewals again.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models import Account, Command, ImportRun, LoginKind, Order, OrderKind
from certline.models.imports.report_row import Reported, distrust, forget_report, keep_reported
from certline.models.imports.run import locked_run
from certline.models.restore.recovery import RECOVERY_SOURCE, known_until
from certline.workers.importing.known import ids_here
from certline.workers.importing.report_facts import reported
from certline.workers.importing.scm_lists import ListReader, Recent
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, TryLater, reading_scm
from certline.workers.scm import (
    CertificateFilter,
    Garbled,
    LoginRefused,
    NotSent,
    OutcomeUnknown,
    ReportDate,
    ReportQuery,
    ScmError,
    Throttled,
    TryAgain,
)
from certline.workers.scm.api.pagination import Walk

log = structlog.get_logger()

# Records that we don't store, from which on the report is read; and the share of all that they have to be.
WORTH, SHARE = 200, 0.25
# The same after a restore, when the report is read from a little before the restored moment on: it is short then.
WORTH_RECENT = 10
# Records that are asked for at once: a report is sent as a whole, and takes SCM a while.
MOST_ROWS = 5_000
# Days of the first piece, where the report is read in pieces; and how many times as many the next one may have.
FIRST_DAYS, GROWTH = 32, 8
# No record is older: SCM is younger.
BEGINNING = date(2000, 1, 1)
# Times that a report is asked for which SCM fails to make, before the import goes on without one.
TRIES = 2
# Seconds that reading may keep its thread before it yields to other work.
SLICE = 5.0
# SCM's words for orders that it renews automatically, or is about to.
RENEWALS = ("Scheduled", "Started")


class UnusableReportError(Exception):
    """SCM refuses the report, or sends none that can be read; the text says why."""


@dataclass(frozen=True)
class ReportPiece:
    """A piece of the report: the records requested in the `days` before the day `end`; if `days` is 0, all."""

    end: date
    days: int

    @property
    def start(self) -> date:
        """The day on which the piece begins."""
        return BEGINNING if self.days == 0 else max(BEGINNING, self.end - timedelta(self.days))

    def query(self, chosen: CertificateFilter) -> ReportQuery:
        """Return what SCM is asked for. Pieces overlap by two days: SCM's time zone is not documented."""
        query = ReportQuery(
            common_name=chosen.common_name,
            organization_ids=() if chosen.org_id is None else (chosen.org_id,),
        )
        if self.days == 0:
            return query
        end = self.end + timedelta(days=2)
        return replace(query, start=self.start, end=end, about=ReportDate.REQUEST)

    def after(self, rows: int) -> "ReportPiece":
        """Return the next, older piece, whose length follows from the number of rows in this one."""
        fitting = self.days * MOST_ROWS // max(1, rows)
        return ReportPiece(self.start, max(1, min(fitting, self.days * GROWTH)))

    def shorter(self) -> "ReportPiece | None":
        """Return a shorter piece with the same end, or None if there is none."""
        if self.days == 0:
            return ReportPiece(self.end, FIRST_DAYS)
        return None if self.days == 1 else ReportPiece(self.end, max(1, self.days // GROWTH))


@dataclass(frozen=True)
class ReportReader:
    """Reader of an account's report, for one import. `chosen`: the import's filter."""

    context: WorkerContext
    account: Account
    command: Command
    chosen: CertificateFilter

    def read(self, total: int | None) -> None:
        """Read the report, once for the import, if it saves calls. `total`: the records that SCM's list has.

        Raises TryLater when its time slice is over or SCM fails, AccountSuspendedError.
        """
        with self.context.database.transaction() as db:
            run = db.get_one(ImportRun, self.command.id)
            strangers = (total or 0) - count_stored(db, self.account.id)
            recovers = self.command.source == RECOVERY_SOURCE
            restored = known_until(db) if recovers else None
        if run.reported:
            return
        if self._is_whole() and is_worth(strangers, total or 0, recent=recovers):
            today = datetime.now(UTC).date()
            whole = (total or 0) <= MOST_ROWS
            piece = ReportPiece(today, 0 if whole else FIRST_DAYS)
            if restored is not None:
                piece = recent_piece(today, restored)
            if run.report_to:
                piece = ReportPiece(run.report_to, run.report_days)
            try:
                self._read_pieces(piece, strangers if recovers else None)
                self._distrust_renewed_by_scm()
            except UnusableReportError as unusable:
                log.warning("import.report_unusable", account=self.account.name, why=str(unusable))
                self.context.store(partial(forget_report, command_id=self.command.id))
        self.context.store(partial(_close, command_id=self.command.id))

    def _is_whole(self) -> bool:
        """Return True unless the import leaves out records that the report cannot leave out."""
        return self.chosen.status is None and self.chosen.profile_id is None

    def _read_pieces(self, piece: ReportPiece, strangers: int | None) -> None:
        """Read the pieces from `piece` on. `strangers`: records that are not stored, if no more than a few of them
        have to be in older pieces.
        """
        began = time.monotonic()
        while piece.end > BEGINNING:
            try:
                found = self._ask(piece)
            except _TooMuchError as much:
                shorter = piece.shorter()
                if shorter is None:
                    raise UnusableReportError(str(much)) from None
                piece = shorter
                continue
            piece = piece.after(len(found))
            log.info("import.report_read", account=self.account.name, rows=len(found))
            self.context.store(
                partial(note_piece, command_id=self.command.id, rows=found, following=piece)
            )
            if strangers is not None:
                strangers -= self._not_stored(found)
                if strangers < WORTH:
                    return
            if piece.end > BEGINNING and time.monotonic() - began > SLICE:
                raise TryLater("it yields to other work", after=timedelta(0), afresh=True)

    def _ask(self, piece: ReportPiece) -> list[Reported]:
        scm = self.context.scm(self.account)
        with reading_scm(self.account, self.command.attempts, MOST_TRIES):
            try:
                rows = scm.ssl_report(piece.query(self.chosen), skip_odd=True)
            except Garbled as garbled:
                raise _TooMuchError(str(garbled)) from None
            except ScmError as error:
                if self._passes(error):
                    raise
                raise UnusableReportError(str(error)) from None
        now = datetime.now(UTC)
        return [reported(row, now) for row in rows]

    def _not_stored(self, found: Sequence[Reported]) -> int:
        ids = {row.scm_id for row in found}
        with self.context.database.transaction() as db:
            return len(ids - ids_here(db, self.account.id, ids))

    def _passes(self, error: ScmError) -> bool:
        """Return True if the error may pass, so that the report is asked for again later."""
        if isinstance(error, LoginRefused | Throttled | NotSent) or error.widespread:
            return True
        # A 4xx that isn't SCM's own is a proxy's, which lets no reports through.
        refused = error.status is not None and 400 <= error.status < 500
        failing = isinstance(error, OutcomeUnknown | TryAgain) and not refused
        return failing and self.command.attempts < TRIES

    def _distrust_renewed_by_scm(self) -> None:
        """Drop the facts of what SCM renews automatically, which its lists name and the report doesn't."""
        reader = ListReader(self.context, self.account, self.command.attempts)
        new_host = self.account.login_kind is LoginKind.TOKEN
        for word in RENEWALS:
            wanted = replace(self.chosen, renewal_status=word if new_host else word.upper())
            try:
                for page in reader.pages(wanted, Walk(), Recent()):
                    ids = [row.ssl_id for row in page.rows]
                    self.context.store(partial(distrust, command_id=self.command.id, ids=ids))
            except GiveUp as refused:
                raise UnusableReportError(str(refused)) from None


class _TooMuchError(Exception):
    """The report could not be read, maybe because it is too large; the text says why."""


def note_piece(
    db: Session, command_id: str, rows: Sequence[Reported], following: ReportPiece
) -> None:
    """Store the rows of a piece, and in the same transaction which piece follows."""
    keep_reported(db, command_id, rows)
    run = locked_run(db, command_id)
    run.report_to, run.report_days = following.end, following.days


def _close(db: Session, command_id: str) -> None:
    locked_run(db, command_id).reported = True


def count_stored(db: Session, account_id: int) -> int:
    """Count the orders of an account that are known to SCM; reissues do not count."""
    stored = select(func.count()).where(
        Order.account_id == account_id, Order.scm_id.is_not(None), Order.kind != OrderKind.REISSUE
    )
    return db.scalar(stored) or 0


def is_worth(strangers: int, total: int, *, recent: bool = False) -> bool:
    """Return True if the report saves calls: if SCM has many records that are not stored. `total`: of all.

    `recent`: most of them are younger than a known moment, so that a short report shows them.
    """
    return strangers >= (WORTH_RECENT if recent else max(WORTH, int(total * SHARE)))


def recent_piece(today: date, moment: datetime) -> ReportPiece:
    """Return the piece with what was requested since a moment, with a margin for SCM's time zone."""
    return ReportPiece(today, max(1, (today - moment.date()).days + 2))

"""Dry run of an import: a report of certificates that are new at SCM or were changed there by others.

It reads only lists, one for each of SCM's statuses (rows carry no status), and changes nothing.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import structlog
from sqlalchemy.orm import Session

from certline.models import Account, Command
from certline.models.certificates.license import room_left
from certline.models.commands.payloads import ImportCommand
from certline.models.events.import_data import ImportCompleted, ImportNews
from certline.models.imports.record import News
from certline.models.states import SCM_WORDS
from certline.workers.importing.known import like_ours, look_here
from certline.workers.importing.record_mapping import auto_renews
from certline.workers.importing.scm_lists import (
    AUTO_RENEWED,
    GONE,
    ListReader,
    Look,
    Recent,
    fitting,
    note_all,
)
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, reading_scm
from certline.workers.scm import CertificateFilter, CertificateRow, NotFound
from certline.workers.scm.api.pagination import Walk

log = structlog.get_logger()

# What a dry run never does with a record.
NOT_DONE = ("stored", "held", "pending", "closed", "updated", "left", "failed")
# Orders that the report names for each kind of news; the counts are always complete.
MOST_NAMED = 100


class Report:
    """Findings so far. Its size is bounded, however many certificates SCM lists."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.known = 0
        self.new: Counter[str] = Counter()
        self.news: Counter[News] = Counter()
        self.named: dict[str, list[dict[str, Any]]] = {news.value: [] for news in News}

    def add(self, db: Session, status: str, rows: list[CertificateRow]) -> None:
        """Count rows that SCM lists under a status, and compare them with our database."""
        here = look_here(db, self._account.id, [row.ssl_id for row in rows])
        strangers = [row for row in rows if row.ssl_id not in here.orders]
        renewals = like_ours(db, self._account.id, strangers) if status == "Issued" else set()
        for row in rows:
            if row.ssl_id not in here.orders:
                self.new[status] += 1
                self._tell(News.NEW, row)
                if row.ssl_id in renewals:
                    self._tell(News.RENEWED, row)
                continue
            self.known += 1
            if status in GONE and here.is_in_use(row):
                self._tell(News.REVOKED if status == "Revoked" else News.REPLACED, row)
            elif here.is_changed(row):
                self._tell(News.REPLACED, row)

    def add_auto_renewed(self, db: Session, rows: list[CertificateRow]) -> None:
        """Count rows that SCM renews automatically, if we store them."""
        here = look_here(db, self._account.id, [row.ssl_id for row in rows])
        for row in rows:
            if row.ssl_id in here.orders:
                self._tell(News.AUTO_RENEW, row)

    def _tell(self, news: News, row: CertificateRow) -> None:
        self.news[news] += 1
        named = self.named[news.value]
        if len(named) < MOST_NAMED:
            named.append({"scm_id": row.ssl_id, "common_name": row.common_name})


def report(
    context: WorkerContext,
    account: Account,
    command: Command,
    wanted: ImportCommand,
    chosen: CertificateFilter,
) -> dict[str, Any]:
    """Read SCM's lists and return the dry run's report: counts by status and kind of news, free lines, and
    the first MOST_NAMED orders of each kind. Raises GiveUp, TryLater, AccountSuspendedError.
    """
    found = Report(account)
    total = None
    if wanted.order:
        _ask_for_named(context, account, command, wanted, found)
    else:
        with reading_scm(account, command.attempts, MOST_TRIES):
            total = context.scm(account).count_certificates(chosen)
        _compare_lists(ListReader(context, account, command.attempts), wanted, chosen, found)
    with context.database.transaction() as db:
        room = max(0, room_left(db))
    return {
        "account": account.name,
        "dry_run": True,
        "total": total,
        "known": found.known,
        "new": dict(found.new),
        "room": room,
        "news": {news.value: found.news[news] for news in News},
        "named": found.named,
    }


def counts_of(result: dict[str, Any]) -> ImportCompleted:
    """Return the event about a report: its counts; nothing was imported."""
    news = result["news"]
    return ImportCompleted(
        account=result["account"],
        dry_run=True,
        total=result["total"],
        listed=result["known"] + news[News.NEW],
        known=result["known"],
        new=news[News.NEW],
        **dict.fromkeys(NOT_DONE, 0),
        news=ImportNews(**news),
        failures=[],
    )


def _compare_lists(
    reader: ListReader, wanted: ImportCommand, chosen: CertificateFilter, found: Report
) -> None:
    database, account = reader.context.database, reader.account
    for status in [wanted.status] if wanted.status else SCM_WORDS:
        look = Look(note_all, status=status)
        for rows in _rows_of(reader, wanted, look.narrow(chosen, account)):
            with database.transaction() as db:
                found.add(db, status, rows)
    try:
        renewed = AUTO_RENEWED.narrow(chosen, account)
        for rows in _rows_of(reader, wanted, renewed):
            with database.transaction() as db:
                found.add_auto_renewed(db, rows)
    except GiveUp as over:
        # As in an import: SCM may refuse this filter, and the rest of the report is still of use.
        log.warning("import.list_refused", account=account.name, why=str(over))


def _rows_of(
    reader: ListReader, wanted: ImportCommand, chosen: CertificateFilter
) -> Iterator[list[CertificateRow]]:
    recent = Recent()  # consecutive pages overlap: rows that were already yielded are left out
    for page in reader.pages(chosen, Walk(), recent):
        yield [row for row in fitting(page, wanted).rows if row.ssl_id not in recent.repeated]


def _ask_for_named(
    context: WorkerContext, account: Account, command: Command, wanted: ImportCommand, found: Report
) -> None:
    for scm_id in wanted.order:
        with reading_scm(account, command.attempts, MOST_TRIES):
            try:
                details = context.scm(account).details(scm_id)
            except NotFound:
                continue
        row = CertificateRow(
            scm_id, details.common_name, details.sans, serial_number=details.serial_number
        )
        with context.database.transaction() as db:
            found.add(db, details.state.value, [row])
            if auto_renews(details):
                found.add_auto_renewed(db, [row])

"""Reading of SCM's certificate lists page by page, and what an import records of each page.

A page is recorded before the next one is requested, so no worker holds a whole list in memory.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import update
from sqlalchemy.orm import Session

from certline.models import Account, ImportRecord, LoginKind, Order, OrderKind
from certline.models.commands.payloads import ImportCommand
from certline.models.imports.progress import count_news, note_records, wake_records
from certline.models.imports.record import News, RecordStatus
from certline.models.imports.report_row import facts_reported
from certline.workers.importing.known import like_ours, look_here, storable
from certline.workers.importing.report_facts import agrees
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, reading_scm
from certline.workers.scm import CertificateFilter, CertificatePage
from certline.workers.scm.api.pagination import Walk

# Two million rows; guards against a server whose list never ends.
MOST_PAGES = 10_000
# Statuses that a certificate can get at SCM without our knowledge.
GONE = ("Revoked", "Replaced")


@dataclass(frozen=True)
class Listing:
    """Import for which a list is read. `status`: SCM's status of all rows, if the import filters by it;
    `only_known`: orders that we do not store are counted but not read, except possible renewals of ours.
    """

    command_id: str
    account_id: int
    status: str | None
    only_known: bool


@dataclass(frozen=True)
class Look:
    """One of SCM's lists: its filter, and the function that records a page of it."""

    note: Callable[[Session, Listing, CertificatePage], None]
    status: str | None = None
    auto_renewed: bool = False

    def narrow(self, chosen: CertificateFilter, account: Account) -> CertificateFilter:
        """Return `chosen` with this list's own filter added, in the words of the account's SCM host."""
        new_host = account.login_kind is LoginKind.TOKEN
        status = self.status or chosen.status
        if status == "SAApproved" and new_host:
            status = "SA Approved"
        renewal = ("Scheduled" if new_host else "SCHEDULED") if self.auto_renewed else None
        return replace(chosen, status=status, renewal_status=renewal)


class Recent:
    """Ids of the last three pages, enough to tell whether the next page joins them without a gap.

    `repeated`: ids of the newest page that an earlier page had too.
    """

    def __init__(self) -> None:
        self.repeated: set[int] = set()
        self._pages: deque[set[int]] = deque(maxlen=3)

    def __call__(self, ids: Collection[int]) -> int:
        """Add a page's ids. Returns how many of them were read before."""
        self.repeated = set(ids) & set().union(*self._pages)
        self._pages.append(set(ids))
        return len(self.repeated)


@dataclass(frozen=True)
class ListReader:
    """Reader of an account's lists. `attempts`: of the command for which they are read."""

    context: WorkerContext
    account: Account
    attempts: int

    def pages(
        self, wanted: CertificateFilter, walk: Walk, known: Callable[[Collection[int]], int]
    ) -> Iterator[CertificatePage]:
        """Yield the pages of a list, each once. `known` returns how many of some ids have been read before.

        Raises GiveUp if the list does not end, TryLater, AccountSuspendedError.
        """
        for _ in range(MOST_PAGES):
            page = self._page(wanted, walk.position)
            ids = {row.ssl_id for row in page.rows}
            if walk.judge(len(ids), known(ids), page.total):
                yield page
            if walk.over:
                return
        raise GiveUp(f"SCM's list does not end after {MOST_PAGES} pages")

    def _page(self, wanted: CertificateFilter, position: int) -> CertificatePage:
        scm = self.context.scm(self.account)
        with reading_scm(self.account, self.attempts, MOST_TRIES):
            return scm.certificate_page(wanted, position)


def fitting(page: CertificatePage, wanted: ImportCommand) -> CertificatePage:
    """Return the page with only the rows of the requested common name, since SCM may match a part of a name."""
    if wanted.common_name is None:
        return page
    rows = tuple(row for row in page.rows if row.common_name.lower() == wanted.common_name)
    return CertificatePage(rows, None)  # SCM's total counts the other rows too


def note_all(db: Session, listing: Listing, page: CertificatePage) -> None:
    """Record the main list's rows. Those that we do not store, or that have changed, wait to be read at SCM.

    Of new ones that the report shows alike, only the certificate is read.
    """
    here = look_here(db, listing.account_id, [row.ssl_id for row in page.rows])
    strangers = [row for row in page.rows if row.ssl_id not in here.orders]
    taken = {row.ssl_id for row in strangers}
    if listing.only_known:
        taken = like_ours(db, listing.account_id, strangers)
    facts = facts_reported(db, listing.command_id, sorted(taken)) if taken else {}
    records: dict[int, RecordStatus] = {}
    for row in page.rows:
        if row.ssl_id in facts and not agrees(row, facts[row.ssl_id]):
            del facts[row.ssl_id]
        if row.ssl_id not in here.orders:
            waits, rests = row.ssl_id in taken, RecordStatus.NEW
        else:
            gone = listing.status in GONE and here.is_in_use(row)
            waits, rests = here.is_changed(row) or gone, RecordStatus.KNOWN
        records[row.ssl_id] = RecordStatus.WAITING if waits else rests
    note_records(db, listing.command_id, records, total=page.total, facts=facts)


def note_gone(db: Session, listing: Listing, page: CertificatePage) -> None:
    """Have rows that SCM lists as revoked or replaced read at SCM, if the certificate is still active with us."""
    here = look_here(db, listing.account_id, [row.ssl_id for row in page.rows])
    news = [row.ssl_id for row in page.rows if here.is_in_use(row)]
    note_records(db, listing.command_id, dict.fromkeys(news, RecordStatus.WAITING))
    # note_records skips rows that the main list has recorded as known already.
    wake_records(db, listing.command_id, news)


def note_auto_renewed(db: Session, listing: Listing, page: CertificatePage) -> None:
    """Mark the orders of rows that SCM renews automatically, and count those that were not marked before."""
    ids = [row.ssl_id for row in page.rows]
    mine = update(ImportRecord).where(
        ImportRecord.command_id == listing.command_id, ImportRecord.scm_id.in_(ids)
    )
    db.execute(mine.values(auto_renew=True))
    fresh = db.scalars(
        update(Order)
        .where(
            Order.account_id == listing.account_id,
            Order.scm_id.in_(storable(ids)),
            Order.kind != OrderKind.REISSUE,
            ~Order.scm_auto_renew,
        )
        .values(scm_auto_renew=True)
        .returning(Order.id)
    )
    count_news(db, listing.command_id, News.AUTO_RENEW, len(fresh.all()))


MAIN = Look(note_all)
AUTO_RENEWED = Look(note_auto_renewed, auto_renewed=True)
DRIFT = (*(Look(note_gone, status=status) for status in GONE), AUTO_RENEWED)

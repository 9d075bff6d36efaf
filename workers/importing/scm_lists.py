"""SCM's lists of certificates, read page by page, and what is written down of each page.

A page is written down before the next one is asked for, so no worker ever holds a whole list.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import update
from sqlalchemy.orm import Session

from certline.models import Account, Command, ImportRecord, LoginKind, Order, OrderKind
from certline.models.commands.payloads import ImportCommand
from certline.models.imports.progress import count_news, note_records, wake_records
from certline.models.imports.record import News, RecordStatus
from certline.workers.importing.known import like_ours, look_here
from certline.workers.runtime.context import Line
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, reading_scm
from certline.workers.scm import CertificateFilter, CertificatePage
from certline.workers.scm.api.pagination import Walk

# Two million rows: a server that never ends its list is broken.
MOST_PAGES = 10_000
# Statuses that a certificate comes to without any word to us.
GONE = ("Revoked", "Replaced")


@dataclass(frozen=True)
class Listing:
    """For which import a list is read. `status`: SCM's word that its rows have, where it was asked
    for; `only_known`: orders that are not here are counted, and not asked for.
    """

    command_id: str
    account_id: int
    status: str | None
    only_known: bool


@dataclass(frozen=True)
class Look:
    """One of SCM's lists, and what an import writes down of its pages."""

    note: Callable[[Session, Listing, CertificatePage], None]
    status: str | None = None
    auto_renewed: bool = False

    def narrow(self, chosen: CertificateFilter, account: Account) -> CertificateFilter:
        """SCM's filter for it. SCM's two hosts differ in their words."""
        new_host = account.login_kind is LoginKind.TOKEN
        status = self.status or chosen.status
        if status == "SAApproved" and new_host:
            status = "SA Approved"
        renewal = ("Scheduled" if new_host else "SCHEDULED") if self.auto_renewed else None
        return replace(chosen, status=status, renewal_status=renewal)


class Recent:
    """The rows of the last pages: enough to tell whether the next one joins them.

    `repeated` are those rows of the last page that an earlier one had too.
    """

    def __init__(self) -> None:
        self.repeated: set[int] = set()
        self._pages: deque[set[int]] = deque(maxlen=3)

    def __call__(self, ids: Collection[int]) -> int:
        """How many of the rows are not new; they count as read from now on."""
        self.repeated = set(ids) & set().union(*self._pages)
        self._pages.append(set(ids))
        return len(self.repeated)


@dataclass(frozen=True)
class ListReader:
    """Reads lists of one account, for one command."""

    line: Line
    account: Account
    command: Command

    def pages(
        self, wanted: CertificateFilter, walk: Walk, known: Callable[[Collection[int]], int]
    ) -> Iterator[CertificatePage]:
        """The pages of a list, each once; `known` says how many of some rows have been read before.

        Raises GiveUp, TryLater, AccountSuspendedError.
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
        scm = self.line.scm(self.account)
        with reading_scm(self.account, self.command.attempts, MOST_TRIES):
            return scm.certificate_page(wanted, position)


def fitting(page: CertificatePage, wanted: ImportCommand) -> CertificatePage:
    """The rows of a page that have the name which was asked for: SCM may search for a part of it."""
    if wanted.common_name is None:
        return page
    rows = tuple(row for row in page.rows if row.common_name.lower() == wanted.common_name)
    return CertificatePage(rows, None)


def note_all(db: Session, listing: Listing, page: CertificatePage) -> None:
    """Rows of the list itself: what is not here, or has changed, is to be asked for."""
    here = look_here(db, listing.account_id, [row.ssl_id for row in page.rows])
    strangers = [row for row in page.rows if row.ssl_id not in here.orders]
    taken = {row.ssl_id for row in strangers}
    if listing.only_known:
        taken = like_ours(db, listing.account_id, strangers)
    records: dict[int, RecordStatus] = {}
    for row in page.rows:
        if row.ssl_id not in here.orders:
            waits, rests = row.ssl_id in taken, RecordStatus.NEW
        else:
            gone = listing.status in GONE and here.is_in_use(row)
            waits, rests = here.is_changed(row) or gone, RecordStatus.KNOWN
        records[row.ssl_id] = RecordStatus.WAITING if waits else rests
    note_records(db, listing.command_id, records, total=page.total)


def note_gone(db: Session, listing: Listing, page: CertificatePage) -> None:
    """Rows that SCM calls revoked or replaced: news where the certificate is in use here."""
    here = look_here(db, listing.account_id, [row.ssl_id for row in page.rows])
    news = [row.ssl_id for row in page.rows if here.is_in_use(row)]
    note_records(db, listing.command_id, dict.fromkeys(news, RecordStatus.WAITING))
    wake_records(db, listing.command_id, news)


def note_auto_renewed(db: Session, listing: Listing, page: CertificatePage) -> None:
    """Rows that SCM renews by itself; it is news where that was not known."""
    ids = [row.ssl_id for row in page.rows]
    mine = update(ImportRecord).where(
        ImportRecord.command_id == listing.command_id, ImportRecord.scm_id.in_(ids)
    )
    db.execute(mine.values(auto_renew=True))
    fresh = db.scalars(
        update(Order)
        .where(
            Order.account_id == listing.account_id,
            Order.scm_id.in_(ids),
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

"""The list of certificates."""

from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import Session

from certline.board.pages.estate import months, places
from certline.board.pages.estate.row_page import page_of
from certline.board.web import links
from certline.board.web.cells import Badge, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, same_list, typed
from certline.board.web.filters import Wanted, choice, search
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.models.certificates.certificate import Certificate
from certline.models.database.session import clock
from certline.models.documents.certificate import CertificateDocument
from certline.models.listing import Narrowing, certificates_listed, count
from certline.models.search import certificate_shown, certificates_found
from certline.models.states import CertificateStatus

SORTS = {
    "status": "Status, then end",
    "expires": "End",
    "name": "Name",
    "stored": "Newest first",
}


def question(db: Session, wanted: Wanted) -> Select[Certificate]:
    """Return the query for the certificates that an address asks for. Raises BadFilterError."""
    narrowed: dict[str, Any] = places.narrowing_of(db, wanted) | months.ends_of(wanted)
    asked = certificates_listed(Narrowing(statuses=wanted["status"] or (), **narrowed))
    text = wanted["search"]
    return asked if text is None else asked.where(certificates_found(db, text))


def read(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[CertificateDocument]:
    """Load a page of certificates."""
    found = page_of(db, question(db, wanted), wanted, after, limit=limit, find=certificate_shown)
    return Rows([CertificateDocument.of(row) for row in found], [row.id for row in found])


def choices(db: Session) -> dict[str, list[tuple[str, str]]]:
    """Return what may be chosen for the filters."""
    today = clock(db).date()
    return places.choices_of(db) | {months.ENDS_IN.name: months.month_choices(today)}


CERTIFICATES = ListPage[CertificateDocument](
    path=links.CERTIFICATES,
    title="Certificates",
    columns=[
        TableColumn(
            "Common name", lambda row: Name(row.common_name, links.certificate(row.id)), "name"
        ),
        TableColumn("Status", lambda row: Badge(row.status), "status"),
        TableColumn("Ends", lambda row: Moment(row.not_after, far=True), "expires"),
        TableColumn("Renews", lambda row: Moment(row.renews_at), minor=True),
        TableColumn("Issuer", lambda row: Name(row.issuer), minor=True),
        TableColumn("sslId", lambda row: str(row.scm_id), minor=True),
        TableColumn("Key", lambda row: f"{row.key_algorithm} {row.key_size}", minor=True),
    ],
    read=read,
    count=lambda db, wanted: count(db, question(db, wanted), most=10_000),
    filters=[
        search("search", "Search", hint="name, SAN, sslId, serial number or id; * for any text"),
        choice("status", "Status", [each.value for each in CertificateStatus], several=True),
        *places.FILTERS,
        *months.FILTERS,
    ],
    choices=choices,
    sorts=SORTS,
    empty=Empty(
        "There are no certificates yet.",
        [
            Suggestion("Import what SCM holds already", typed("import", "--wait")),
            Suggestion("Order a certificate", typed("order", "create", "--help")),
        ],
    ),
    commands=lambda wanted: [
        same_list("certificate", "list", narrowed=wanted.narrowed),
        Suggestion("Renew several at once", typed("certificate", "renew", "--help")),
    ],
)

ROUTES = [CERTIFICATES.route()]

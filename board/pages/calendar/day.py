"""The page of one day of the calendar: which certificates end and are renewed, which validations end."""

from datetime import date

from certline.board.pages.calendar.calendar_request import CalendarRequest
from certline.board.pages.estate import places
from certline.board.web import links
from certline.board.web.cells import Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.errors import UnknownThingError
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models.accounts.account import accounts_shown
from certline.models.accounts.catalogue import Domain
from certline.models.calendar.day import MOST, day_of
from certline.models.certificates.certificate import Certificate
from certline.models.documents.catalogue import DomainDocument
from certline.models.documents.certificate import CertificateDocument

CERTIFICATES: list[TableColumn[Certificate]] = [
    TableColumn("Common name", lambda row: Name(row.common_name, links.certificate(row.id))),
    TableColumn("Ends", lambda row: Moment(row.not_after, far=True)),
    TableColumn("Renewal planned", lambda row: Moment(row.renews_at)),
    TableColumn("Auto-renewed", lambda row: "yes" if row.auto_renew else "no", minor=True),
]
DOMAINS: list[TableColumn[Domain]] = [
    TableColumn("Domain", lambda row: Name(row.name, links.domain(row.account_id, row.scm_id))),
    TableColumn("Validated until", lambda row: Moment(row.validation_expires, far=True)),
    TableColumn("Method", lambda row: Name(row.validation_method), minor=True),
]


def show(asked: PageRequest) -> View:
    """Find out what a day holds. Raises UnknownThingError and BadFilterError."""
    day = _day(asked.given("day"))
    request = CalendarRequest(asked, places.FILTERS)
    found = day_of(asked.db, request.filter, day)
    names = {row.id: row.name for row in accounts_shown(asked.db)}
    parameters = {**request.wanted.texts, "ends_from": day, "ends_until": day, "status": "active"}
    return View(
        f"{day:%A} {day}",
        "calendar_day.html",
        {
            "found": found,
            "most": MOST,
            "certificate_columns": CERTIFICATES,
            "domain_columns": DOMAINS,
            "ends_url": links.narrowed(links.CERTIFICATES, **parameters),
            "year_url": links.narrowed(links.CALENDAR, **request.wanted.texts),
        },
        {
            "date": day.isoformat(),
            "ends": [CertificateDocument.of(row).as_dict() for row in found.ends],
            "renewals": [CertificateDocument.of(row).as_dict() for row in found.renewals],
            "domain_validations": [
                DomainDocument.of(row, names).as_dict() for row in found.validations
            ],
        },
    )


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UnknownThingError(
            f"{text[:100]!r} is no day; one is written as 2027-05-03."
        ) from None
    if not 2000 <= day.year <= 2200:
        raise UnknownThingError(f"{day} is not in the calendar.")
    return day


DAY = Page(f"{links.CALENDAR}/{{day}}", show)
ROUTES = [DAY.route()]

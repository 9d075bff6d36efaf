"""The audit log: who did what and when, and up to which entry its chain is verified."""

from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import Session

from certline.board.detail.sections import FactList, Grid, fields, shown, thing
from certline.board.detail.subjects import subject_cell
from certline.board.web import links
from certline.board.web.cells import GOOD, TROUBLE, WAITS, Badge, Cell, Code, Link, Moment, Name
from certline.board.web.column import Fact, TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.filters import Wanted, moment, search
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import AuditEntry
from certline.models.audit.identity import Identity
from certline.models.audit.patrol import MISSING, patrol_state
from certline.models.documents.audit import EventDocument
from certline.models.listing import SORTINGS, count, events_listed, page

VERIFY = Suggestion("Verify all of the log now", typed("audit", "verify"))
# Digits of an entry's number: it has to fit into Postgres' bigint.
LONGEST_ID = 18
MOST_COUNTED = 10_000


def question(wanted: Wanted) -> Select[AuditEntry]:
    """Return the query for the entries that an address asks for."""
    what = wanted["what"]
    return events_listed(
        since=wanted["since"],
        until=wanted["until"],
        who=wanted["who"],
        types=[] if what is None else [what],
        subject=wanted["subject"],
    )


def read(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[EventDocument]:
    """Load a page of entries, the newest first."""
    last = None if after is None else _entry(db, after)
    found = page(db, question(wanted), SORTINGS["event"]["time"], after=last, limit=limit)
    return Rows([EventDocument.of(row) for row in found], [str(row.id) for row in found])


def audit_entry(asked: PageRequest) -> View:
    """Return the page of one audit entry, with its data."""
    row = _entry(asked.db, asked.given("id"))
    if row is None:
        raise UnknownThingError("There is no such audit entry.", typed("audit", "list"))
    who = str(Identity(row.who, row.claimed))
    command = None if row.command_id is None else links.command(row.command_id)
    facts: list[tuple[str, Cell]] = [
        ("When", Moment(row.at, far=True)),
        ("Who", Name(who, links.narrowed(links.AUDIT, who=row.who))),
        ("What", Name(row.type, links.narrowed(links.AUDIT, what=row.type))),
        ("Subject", subject_cell(row.subject, row.type)),
        ("Why", shown(row.why)),
        ("Command", Code(row.command_id, command)),
        ("More", Link("All entries about the subject", links.audit_of(row.subject))),
    ]
    return thing(
        str(row.id),
        "Audit entry",
        [FactList(facts), Grid("Data", ["Field", "Value"], fields(row.data), "It has none.")],
        EventDocument.of(row).as_dict(),
        commands=[
            Suggestion(
                "All entries about the subject", typed("audit", "list", "--subject", row.subject)
            )
        ],
        above=[Link("Audit log", links.AUDIT)],
    )


def verified(asked: PageRequest, _wanted: Wanted) -> dict[str, Any]:
    """Return how far the chain of the log is verified, for the top of the list."""
    state = patrol_state(asked.db)
    if state is None:
        return {"broken": MISSING, "verified": []}
    is_new = state.rounds == 0 and state.verified < state.entries
    chain = Badge("unverified", WAITS) if is_new else Badge("intact", GOOD)
    rounds = "" if is_new else f"; before that, all that there were {state.rounds:,} times"
    up_to = f"entry {state.verified:,} of {state.entries:,} in the present round{rounds}"
    facts = [
        Fact("Chain", Badge("broken", TROUBLE) if state.broken else chain),
        Fact("Verified up to", up_to),
        Fact("Last verified", Moment(state.checked_at, far=True)),
    ]
    return {"broken": state.broken, "verified": facts}


def _entry(db: Session, text: str) -> AuditEntry | None:
    is_number = text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID
    return db.get(AuditEntry, int(text)) if is_number else None


AUDIT = ListPage[EventDocument](
    path=links.AUDIT,
    title="Audit log",
    columns=[
        TableColumn("Entry", lambda row: Code(str(row.id), links.audit_entry(row.id)), minor=True),
        TableColumn("When", lambda row: Moment(row.at)),
        TableColumn("Who", lambda row: Name(str(Identity(row.who, row.claimed)))),
        TableColumn("What", lambda row: Name(row.what)),
        TableColumn("Subject", lambda row: subject_cell(row.subject, row.what)),
        TableColumn("Why", lambda row: Name(row.why), minor=True),
    ],
    read=read,
    count=lambda db, wanted: count(db, question(wanted), most=MOST_COUNTED),
    filters=[
        search("who", "Who", hint="os:amelie, amqp:shop, certline:sweep"),
        search("what", "What", hint="order.placed, or certificate.*"),
        search("subject", "Subject", hint="Id of an order, a certificate, …"),
        moment("since", "From"),
        moment("until", "Before"),
    ],
    empty=Empty("The audit log is empty: nothing has happened yet."),
    commands=lambda _wanted: [Suggestion("The same list", typed("audit", "list")), VERIFY],
    top=verified,
    template="audit.html",
)

ROUTES = [AUDIT.route(), Page(f"{links.AUDIT}/{{id}}", audit_entry).route()]

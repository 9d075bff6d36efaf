"""Dead letters: messages that could not be accepted. Their bodies are sealed, and not shown."""

from sqlalchemy.orm import Session

from certline.board.detail.sections import FactList, Grid, Remark, fields, shown, thing
from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Link, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.filters import Wanted, choice
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import DeadLetter, DeadLetterStatus, Narrowing
from certline.models.documents.dead_letter import DeadLetterDocument
from certline.models.listing import SORTINGS, dead_letters_listed, page

WAITING = DeadLetterStatus.WAITING.value
STATES = ("all", *(status.value for status in DeadLetterStatus))


def read(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[DeadLetterDocument]:
    """Load a page of dead letters, the newest first: those that wait, unless others are asked for."""
    status = wanted["status"] or WAITING
    question = dead_letters_listed(Narrowing(statuses=() if status == "all" else (status,)))
    last = None if after is None else _letter(db, after)
    found = page(db, question, SORTINGS["dead_letter"]["came"], after=last, limit=limit)
    return Rows([DeadLetterDocument.of(row) for row in found], [row.id for row in found])


def dead_letter(asked: PageRequest) -> View:
    """Return the page of one dead letter, without its message."""
    row = _letter(asked.db, asked.given("id"))
    if row is None:
        raise UnknownThingError("There is no such dead letter.", typed("dead-letter", "list"))
    command = None if row.command_id is None else links.command(row.command_id)
    facts: list[tuple[str, Cell]] = [
        ("Status", Badge(row.status.value)),
        ("From", shown(row.source)),
        ("Sender", shown(row.sender)),
        ("Why", shown(row.reason)),
        ("Command", Code(row.command_id, command)),
        ("Message", Code(row.message_id)),
        ("Attempts", row.attempts),
        ("SHA-256 of the message", Code(row.sha256)),
        ("Received", Moment(row.received_at, far=True)),
        ("Decided", Moment(row.decided_at)),
        ("Decided by", shown(row.decided_by)),
        ("Decision", shown(row.decision)),
    ]
    commands = [
        Suggestion("See its message, passwords masked", typed("dead-letter", "show", row.id))
    ]
    if row.status is DeadLetterStatus.WAITING:
        drop = typed("dead-letter", "drop", row.id, "--reason", "TEXT")
        commands += [
            Suggestion(
                "Accept it after all, once the cause is fixed",
                typed("dead-letter", "replay", row.id),
            ),
            Suggestion("Discard it", drop),
        ]
    properties = {name.replace("_", " "): value for name, value in row.properties.items()}
    return thing(
        row.id,
        "Dead letter",
        [
            FactList(facts),
            Grid("Properties of the message", ["Property", "Value"], fields(properties), "None."),
            Remark(
                "The message itself is sealed, as it may hold a password, and the board has no key."
            ),
        ],
        DeadLetterDocument.of(row).as_dict(),
        commands=commands,
        above=[Link("Dead letters", links.DEAD_LETTERS)],
    )


def _letter(db: Session, name: str) -> DeadLetter | None:
    """Return the dead letter with that id, without its message, or None."""
    question = dead_letters_listed(Narrowing()).where(DeadLetter.id == name.upper())
    return db.scalars(question).one_or_none()


DEAD_LETTERS = ListPage[DeadLetterDocument](
    path=links.DEAD_LETTERS,
    title="Dead letters",
    columns=[
        TableColumn("Letter", lambda row: Code(row.id, links.dead_letter(row.id))),
        TableColumn("From", lambda row: Name(row.source), minor=True),
        TableColumn("Status", lambda row: Badge(row.status.value)),
        TableColumn("Received", lambda row: Moment(row.received_at)),
        TableColumn("Attempts", lambda row: row.attempts, minor=True),
        TableColumn("Why", lambda row: Name(row.reason)),
    ],
    read=read,
    filters=[choice("status", "Status", STATES)],
    empty=Empty("No dead letter waits for a decision."),
    commands=lambda _wanted: [Suggestion("The same list", typed("dead-letter", "list"))],
)

ROUTES = [DEAD_LETTERS.route(), Page(f"{links.DEAD_LETTERS}/{{id}}", dead_letter).route()]

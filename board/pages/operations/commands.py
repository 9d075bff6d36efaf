"""Commands: what was requested, and what came of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session, undefer

from certline.board.detail.sections import FactList, Grid, Remark, Section, fields, shown, thing
from certline.board.detail.subjects import subject_cell
from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Link, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.filters import Wanted, choice, search
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models.audit.identity import Identity
from certline.models.documents.command import CommandDocument
from certline.models.imports.record import failed_records
from certline.models.imports.run import show_progress
from certline.models.listing import SORTINGS, count, page
from certline.models.public.command import PublicCommand, public_commands
from certline.models.states import CommandStatus, CommandType

if TYPE_CHECKING:
    from certline.models import Command

STATUS = choice("status", "Status", [status.value for status in CommandStatus], several=True)
MOST_COUNTED = 10_000


def question(wanted: Wanted) -> Select[PublicCommand]:
    """Return the query for the commands that an address asks for."""
    return public_commands(
        statuses=wanted["status"] or (),
        types=wanted["type"] or (),
        subject=wanted["subject"],
        requested_by=wanted["by"],
    )


def read(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[CommandDocument]:
    """Load a page of commands, the newest first."""
    found = newest(db, question(wanted), after, limit)
    _show_progress(db, found)
    return Rows([CommandDocument.of(row) for row in found], [row.id for row in found])


def newest(
    db: Session, asked: Select[PublicCommand], after: str | None, limit: int
) -> list[PublicCommand]:
    """Load a page of commands, the newest first. `after`: the id of the last one before it."""
    own_id = _id_in(after)
    last = None if own_id is None else db.get(PublicCommand, own_id)
    return page(db, asked, SORTINGS["command"]["created"], after=last, limit=limit)


def command(asked: PageRequest) -> View:
    """Return the page of one command: its payload as far as it is public, and what to type next."""
    own_id = _id_in(asked.given("id"))
    whole = [undefer(PublicCommand.payload)]
    row = None if own_id is None else asked.db.get(PublicCommand, own_id, options=whole)
    if row is None:
        raise UnknownThingError("There is no such command.", typed("command", "list"))
    _show_progress(asked.db, [row])
    facts: list[tuple[str, Cell]] = [
        ("Type", row.type.value),
        ("Status", Badge(row.status.value)),
        ("Error", shown(row.error)),
        ("Subject", subject_cell(row.subject, row.type.value)),
        ("Requested by", Name(str(row.requester), _of(row.requested_by))),
        ("Source", shown(row.source)),
        ("Sender", shown(row.sender)),
        ("Attempts", row.attempts),
        ("Restarts", row.restarts or None),
        ("Not before", Moment(row.not_before if row.status is CommandStatus.QUEUED else None)),
        ("Requested", Moment(row.created_at)),
        ("Started", Moment(row.started_at)),
        ("Ended", Moment(row.finished_at)),
        ("Trace", Code(row.trace_id)),
        ("Audit log", Link("What was recorded about it", links.audit_of(row.id))),
    ]
    sections: list[Section] = [
        FactList(facts),
        Grid("Payload", ["Field", "Value"], fields(row.payload), "It has no fields."),
        Grid("Result", ["Field", "Value"], fields(row.result or {}), "There is none yet."),
    ]
    if row.type is CommandType.IMPORT:
        sections += _not_imported(asked.db, row.id)
    if row.type is CommandType.HOOK:
        text = "What the hook's program has printed may hold secrets, so it is not shown here."
        sections.append(Remark(text))
    return thing(
        row.id,
        "Command",
        sections,
        CommandDocument.of(row).as_dict(),
        commands=next_commands(row),
        above=[Link("Commands", links.COMMANDS)],
    )


def next_commands(row: PublicCommand) -> list[Suggestion]:
    """Return what to type next about a command."""
    everything = Suggestion("All of it", typed("command", "show", row.id))
    if row.status is CommandStatus.DONE:
        return [everything]
    if row.status is CommandStatus.HELD:
        decline = typed("command", "decline", row.id, "--reason", "TEXT")
        return [
            Suggestion("Approve it, as a second person", typed("command", "approve", row.id)),
            Suggestion("Decline it", decline),
            everything,
        ]
    if row.type is CommandType.WEBHOOK and row.status is CommandStatus.REVIEW:
        return [Suggestion("Post it again", typed("webhook", "retry", row.id)), everything]
    if row.type is CommandType.HOOK and row.status is CommandStatus.FAILED:
        return [Suggestion("Run it again", typed("hook", "retry", row.id)), everything]
    again = Suggestion("Run it again now", typed("command", "retry", row.id))
    if row.status in (CommandStatus.QUEUED, CommandStatus.RUNNING):
        wait = Suggestion("Wait for its end", typed("command", "wait", row.id))
        return [wait, again, everything]
    return [again, everything]


def _not_imported(db: Session, own_id: str) -> list[Section]:
    rows: list[list[Cell]] = [
        [Code(str(each.scm_id)), shown(each.reason)] for each in failed_records(db, own_id)
    ]
    return [Grid("Not imported", ["sslId", "Why"], rows, "")] if rows else []


def _show_progress(db: Session, rows: Sequence[PublicCommand]) -> None:
    show_progress(db, cast("Sequence[Command]", rows))  # which it reads the same columns of


def _of(requester: str) -> str:
    return links.narrowed(links.COMMANDS, by=requester)


def _id_in(text: str | None) -> str | None:
    try:
        return None if text is None else str(UUID(text))
    except ValueError:
        return None


COMMANDS = ListPage[CommandDocument](
    path=links.COMMANDS,
    title="Commands",
    columns=[
        TableColumn("Command", lambda row: Code(row.id, links.command(row.id))),
        TableColumn("Type", lambda row: row.type.value),
        TableColumn("Status", lambda row: Badge(row.status.value)),
        TableColumn("Subject", lambda row: subject_cell(row.subject, row.type.value), minor=True),
        TableColumn("Requested", lambda row: Moment(row.created_at)),
        TableColumn(
            "By", lambda row: Name(str(Identity(row.requested_by, row.claimed))), minor=True
        ),
        TableColumn("Attempts", lambda row: row.attempts, minor=True),
        TableColumn("Error", lambda row: Name(row.error)),
    ],
    read=read,
    count=lambda db, wanted: count(db, question(wanted), most=MOST_COUNTED),
    filters=[
        STATUS,
        choice("type", "Type", [kind.value for kind in CommandType], several=True),
        search("subject", "Subject", hint="Id of an order or certificate"),
        search("by", "Requested by", hint="os:amelie, amqp:shop, certline:sweep"),
    ],
    empty=Empty("There are no commands yet.", [Suggestion("Begin with", typed("sync", "--wait"))]),
    commands=lambda _wanted: [Suggestion("The same list", typed("command", "list"))],
)

ROUTES = [COMMANDS.route(), Page(f"{links.COMMANDS}/{{id}}", command).route()]

"""Batches of renewals with progress and pace."""

from sqlalchemy.orm import Session

from certline.board.detail.sections import FactList, Grid, shown, thing
from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Link, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import BadFilterError, UnknownThingError
from certline.board.web.filters import Wanted, choice, wanted_of
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import RenewalBatch
from certline.models.documents.renewal import BatchDocument, member_document
from certline.models.renewals.batch import BatchStatus, State, batch_page, members_of
from certline.models.renewals.batch_state import standing_of

# Members that are shown on a batch's page; and batches of a page, of which all members are counted.
MOST, MOST_BATCHES = 100, 20
START = Suggestion("Start one", typed("certificate", "renew", "--help"))
STATES = choice("status", "Status", [state.value for state in State], several=True)


def read(db: Session, _wanted: Wanted, after: str | None, limit: int) -> Rows[BatchDocument]:
    """Load a page of batches with their progress."""
    found = batch_page(db, after=after, limit=limit)
    return Rows(
        [BatchDocument.of(standing_of(db, each)) for each in found], [each.id for each in found]
    )


def batch(asked: PageRequest) -> View:
    """Return the page of one batch: its progress, its expected end, and its members."""
    row = asked.db.get(RenewalBatch, str(asked.given("id")).upper())
    if row is None:
        raise UnknownThingError("There is no such batch.", typed("renewal", "list"))
    wanted = wanted_of(asked.request.query_params, [STATES], [])
    words: list[str] = wanted["status"] or []
    after = _position(wanted.after)
    state = BatchDocument.of(standing_of(asked.db, row))
    states = [State(word) for word in words]
    members = members_of(asked.db, row.id, states, after=after, most=MOST)
    own_url = links.batch(row.id)
    facts: list[tuple[str, Cell]] = [
        ("Status", Badge(row.status.value)),
        ("Which", shown(row.selection)),
        ("Progress", progress(state)),
        ("Pace", pace(state)),
        ("Expected end", Moment(state.ends_at, far=True)),
        ("Keys", "the present ones again" if row.reuse_key else "new ones"),
        ("Requested by", shown(row.requested_by)),
        ("Started", Moment(row.created_at)),
        ("Ended", Moment(row.finished_at)),
    ]
    counts: list[list[Cell]] = [
        [
            Badge(each.value),
            Link(f"{getattr(state, each.value):,}", links.narrowed(own_url, status=each.value)),
        ]
        for each in State
        if getattr(state, each.value)
    ]
    cells: list[list[Cell]] = [
        [
            Name(each.common_name, links.certificate(each.certificate_id)),
            Badge(each.state.value),
            Code(each.order_id, each.order_id and links.order(each.order_id)),
            Code(each.successor_id, each.successor_id and links.certificate(each.successor_id)),
            shown(each.reason),
        ]
        for each in members
    ]
    more = None
    if len(members) >= MOST:
        more = links.narrowed(own_url, status=words or None, after=members[-1].position)
    empty = "There is no such member." if words else "It has no members."
    heads = ["Common name", "Status", "Order", "New certificate", "Why"]
    return thing(
        row.id,
        "Batch of renewals",
        [
            FactList(facts),
            Grid("By status", ["Status", "Count"], counts, "It has no members."),
            Grid("Members", heads, cells, empty, more, "The next members"),
        ],
        state.as_dict() | {"members": [member_document(each) for each in members]},
        commands=_commands(row),
        above=[Link("Renewals", links.RENEWALS), Link("Batches", links.BATCHES)],
    )


def progress(row: BatchDocument) -> str:
    """Return the progress, such as `412 of 2,000 renewed, 3 failed`."""
    text = f"{row.renewed:,} of {row.total:,} renewed"
    words = {"review": "in review", "running": "under way"}
    for state in ("failed", "review", "refused", "cancelled", "running"):
        count = getattr(row, state)
        text += f", {count:,} {words.get(state, state)}" if count else ""
    return text


def pace(row: BatchDocument) -> str:
    """Return the pace in words."""
    return "as fast as the limits allow" if row.per_hour is None else f"{row.per_hour:,} an hour"


def _position(after: str | None) -> int:
    if after is None:
        return -1
    if not (after.isascii() and after.isdecimal() and len(after) < 10):
        raise BadFilterError(["after should be the position of a member"])
    return int(after)


def _commands(row: RenewalBatch) -> list[Suggestion]:
    everything = Suggestion("All of it", typed("renewal", "show", row.id))
    if row.status is BatchStatus.DONE:
        return [everything]
    cancel = Suggestion("Cancel what waits for its turn", typed("renewal", "cancel", row.id))
    if row.status is BatchStatus.PAUSED:
        return [Suggestion("Go on", typed("renewal", "resume", row.id)), cancel, everything]
    return [
        Suggestion("Wait for its end", typed("renewal", "wait", row.id)),
        Suggestion("Pause it", typed("renewal", "pause", row.id)),
        Suggestion("Change its pace", typed("renewal", "resume", row.id, "--pace", "500/h")),
        cancel,
    ]


COLUMNS = [
    TableColumn[BatchDocument]("Batch", lambda row: Code(row.id, links.batch(row.id))),
    TableColumn[BatchDocument]("Status", lambda row: Badge(row.status.value)),
    TableColumn[BatchDocument]("Which", lambda row: Name(row.selection), minor=True),
    TableColumn[BatchDocument]("Progress", progress),
    TableColumn[BatchDocument]("Pace", pace, minor=True),
    TableColumn[BatchDocument]("Started", lambda row: Moment(row.created_at), minor=True),
    TableColumn[BatchDocument](
        "Ends", lambda row: Moment(row.finished_at or row.ends_at, far=True)
    ),
    TableColumn[BatchDocument]("By", lambda row: Name(row.requested_by), minor=True),
]

BATCHES = ListPage[BatchDocument](
    path=links.BATCHES,
    title="Batches of renewals",
    columns=COLUMNS,
    read=read,
    empty=Empty("There are no batches yet.", [START]),
    size=MOST_BATCHES,
    commands=lambda _wanted: [Suggestion("The same list", typed("renewal", "list")), START],
)

ROUTES = [BATCHES.route(), Page(f"{links.BATCHES}/{{id}}", batch).route()]

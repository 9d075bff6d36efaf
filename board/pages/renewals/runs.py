"""Runs of automatic renewal, with their decisions counted by kind and by reason."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from certline.board.detail.sections import FactList, Grid, shown, thing
from certline.board.pages.renewals.decisions import ENABLE, KINDS, outcome, reason_of, rows_of
from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Link, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.filters import Wanted, wanted_of
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import AutoRenewRun
from certline.models.documents.renewal import RunDocument
from certline.models.renewals.decision_list import DecisionFilter, run_page
from certline.models.renewals.runs import counts_by_reason, counts_of
from certline.models.states import Decision

# Decisions that are shown on a run's page; and runs of a page, of which all decisions are counted.
MOST, MOST_RUNS = 100, 30
NEVER = Empty("Automatic renewal has not run yet.", [ENABLE])


def read(db: Session, _wanted: Wanted, after: str | None, limit: int) -> Rows[RunDocument]:
    """Load a page of runs with their counts."""
    found = run_page(db, after=_id_in(after), limit=limit)
    return Rows(run_documents(db, found), [run.id for run in found])


def run_documents(db: Session, runs: Sequence[AutoRenewRun]) -> list[RunDocument]:
    """Return runs with their counts."""
    counts = counts_of(db, [run.id for run in runs])
    return [RunDocument.counted(run, counts[run.id]) for run in runs]


def run(asked: PageRequest) -> View:
    """Return the page of one run: its counts by reason, and its first decisions."""
    own_id = _id_in(asked.given("id"))
    row = None if own_id is None else asked.db.get(AutoRenewRun, own_id)
    if row is None:
        raise UnknownThingError("There is no such run.", typed("auto-renew", "audit"))
    wanted = wanted_of(asked.request.query_params, [KINDS], [])
    kinds = [Decision(word) for word in wanted["decision"] or ()]
    narrowed = DecisionFilter(run=row.id, decisions=kinds)
    decisions = rows_of(asked.db, narrowed, wanted.after, MOST)
    [document] = run_documents(asked.db, [row])
    facts: list[tuple[str, Cell]] = [
        ("Status", Badge("running" if row.ended_at is None else "ended")),
        ("Requested by", shown(row.requested_by)),
        ("Started", Moment(row.started_at)),
        ("Ended", Moment(row.ended_at)),
        ("Certificates looked at", row.looked_at),
        ("Due", document.due),
    ]
    reasons: list[list[Cell]] = [
        [
            Badge(decision.value),
            reason.replace("_", " "),
            Link(f"{count:,}", links.narrowed(links.run(row.id), decision=decision.value)),
        ]
        for (decision, reason), count in counts_by_reason(asked.db, row.id).items()
    ]
    cells: list[list[Cell]] = [
        [
            Name(each.common_name, links.certificate(each.certificate)),
            Moment(each.not_after),
            Moment(each.planned),
            Badge(each.decision.value),
            Name(reason_of(each)),
            outcome(each),
            Name(each.selected_by),
        ]
        for each in decisions.documents
    ]
    heads = ["Common name", "Ends", "Planned", "Decision", "Why", "New", "Selected by"]
    more = None
    if len(cells) >= MOST:
        chosen = {"decision": wanted["decision"], "after": decisions.keys[-1]}
        more = links.narrowed(links.run(row.id), **chosen)
    empty = "There is no such decision." if kinds else "No certificate was due."
    return thing(
        f"Run of {row.started_at:%Y-%m-%d %H:%M} UTC",
        "Automatic renewal",
        [
            FactList(facts),
            Grid("By reason", ["Decision", "Reason", "Count"], reasons, "No certificate was due."),
            Grid("Decisions", heads, cells, empty, more, "The next decisions"),
        ],
        document.as_dict() | {"decisions": [each.as_dict() for each in decisions.documents]},
        commands=[Suggestion("The decisions of all runs", typed("auto-renew", "audit"))],
        above=[Link("Renewals", links.RENEWALS), Link("Runs", links.RUNS)],
    )


def _id_in(text: str | None) -> str | None:
    try:
        return None if text is None else str(UUID(text))
    except ValueError:
        return None


def _count(decision: Decision) -> TableColumn[RunDocument]:
    """Return the column with the number of decisions of a kind."""

    def cell(row: RunDocument) -> Cell:
        count: int = getattr(row, decision.value)
        if not count:
            return 0
        return Link(f"{count:,}", links.narrowed(links.run(row.id), decision=decision.value))

    return TableColumn(decision.value.capitalize(), cell)


COLUMNS = [
    TableColumn[RunDocument]("Run", lambda row: Code(row.id[:8], links.run(row.id))),
    TableColumn[RunDocument]("Started", lambda row: Moment(row.started_at)),
    TableColumn[RunDocument]("Ended", lambda row: Moment(row.ended_at), minor=True),
    TableColumn[RunDocument]("By", lambda row: Name(row.requested_by), minor=True),
    TableColumn[RunDocument]("Looked at", lambda row: row.looked_at, minor=True),
    TableColumn[RunDocument]("Due", lambda row: row.due),
    *(_count(decision) for decision in Decision),
]

RUNS = ListPage[RunDocument](
    path=links.RUNS,
    title="Runs of automatic renewal",
    columns=COLUMNS,
    read=read,
    empty=NEVER,
    size=MOST_RUNS,
    commands=lambda _wanted: [
        Suggestion("The same list", typed("auto-renew", "audit")),
        Suggestion("Run automatic renewal now", typed("auto-renew", "run")),
    ],
)

ROUTES = [RUNS.route(), Page(f"{links.RUNS}/{{id}}", run).route()]

"""The audit of automatic renewal: each decision, its reason and what came of it."""

from sqlalchemy.orm import Session

from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.filters import Wanted, choice, moment, search
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.models.documents.renewal import DecisionDocument
from certline.models.renewals.decision_list import DecisionFilter, decision_page
from certline.models.states import Decision

ENABLE = Suggestion("Switch automatic renewal on", typed("auto-renew", "enable", "--days", "30"))
KINDS = choice("decision", "Decision", [each.value for each in Decision], several=True)


def read(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[DecisionDocument]:
    """Load a page of decisions."""
    certificate, name = wanted["certificate"], wanted["name"]
    narrowed = DecisionFilter(
        decisions=[Decision(word) for word in wanted["decision"] or ()],
        certificate=None if certificate is None else certificate.upper(),
        # The beginning of a name is enough.
        name=None if name is None else name if "*" in name else f"{name}*",
        since=wanted["since"],
        until=wanted["until"],
    )
    return rows_of(db, narrowed, after, limit)


def rows_of(
    db: Session, narrowed: DecisionFilter, after: str | None, limit: int
) -> Rows[DecisionDocument]:
    """Load a page of the decisions that a filter selects, as documents."""
    found = decision_page(db, narrowed, after=after, limit=limit)
    return Rows([DecisionDocument.of(each) for each in found], [each.row.id for each in found])


def reason_of(row: DecisionDocument) -> str:
    """Return why it was decided so: the sentence, or the kind of reason if there is none."""
    return row.reason or row.code.value.replace("_", " ")


def outcome(row: DecisionDocument) -> Cell:
    """Return the link to the new certificate, or to its order."""
    if row.new_certificate is not None:
        return Code(row.new_certificate, links.certificate(row.new_certificate))
    return Code(row.order, None if row.order is None else links.order(row.order))


COLUMNS = [
    TableColumn[DecisionDocument]("Decided", lambda row: Moment(row.decided_at)),
    TableColumn[DecisionDocument](
        "Common name", lambda row: Name(row.common_name, links.certificate(row.certificate))
    ),
    TableColumn[DecisionDocument]("Ends", lambda row: Moment(row.not_after), minor=True),
    TableColumn[DecisionDocument]("Planned", lambda row: Moment(row.planned), minor=True),
    TableColumn[DecisionDocument]("Decision", lambda row: Badge(row.decision.value)),
    TableColumn[DecisionDocument]("Why", lambda row: Name(reason_of(row))),
    TableColumn[DecisionDocument]("New certificate or order", outcome, minor=True),
    TableColumn[DecisionDocument]("Selected by", lambda row: Name(row.selected_by), minor=True),
    TableColumn[DecisionDocument](
        "Run", lambda row: Code(row.run_id[:8], links.run(row.run_id)), minor=True
    ),
]

DECISIONS = ListPage[DecisionDocument](
    path=links.DECISIONS,
    title="Decisions of automatic renewal",
    columns=COLUMNS,
    read=read,
    filters=[
        search("name", "Common name", hint="Its beginning, or * for any characters"),
        KINDS,
        search("certificate", "Certificate", hint="Its id"),
        moment("since", "From"),
        moment("until", "Before"),
    ],
    empty=Empty("Automatic renewal has not decided anything yet.", [ENABLE]),
    commands=lambda _wanted: [
        Suggestion("The same list", typed("auto-renew", "audit")),
        Suggestion("Run automatic renewal now", typed("auto-renew", "run")),
    ],
)

ROUTES = [DECISIONS.route()]

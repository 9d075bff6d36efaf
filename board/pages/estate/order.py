"""The page of one order: its data, what happened to it, its line, and what to type next."""

from collections.abc import Sequence

from certline.board.pages.estate.documents import entry_document, member_of_line_document
from certline.board.pages.estate.story import line_columns, steps_of
from certline.board.web import links
from certline.board.web.cells import Badge, Code, Moment, Name, Several
from certline.board.web.column import Fact
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models.documents.order import OrderDocument
from certline.models.history.line import line_of
from certline.models.history.timeline import timeline_of_order
from certline.models.orders.order import Order
from certline.models.search import order_shown
from certline.models.states import OPEN, OrderStatus

# What each status means, if the word alone does not say it.
MEANING = {
    OrderStatus.SENDING: "It is being sent, or its outcome is unknown: SCM may hold it or not. "
    "After the settle time it is looked up at SCM, and sent again only if SCM certainly has it not.",
    OrderStatus.PENDING: "SCM has accepted it. It may have to be approved there.",
    OrderStatus.HELD: "SCM has issued it. It waits for a free line of the licence.",
    OrderStatus.REVIEW: "It is unclear what became of it: a person has to decide.",
}


def show(asked: PageRequest) -> View:
    """Find out what the page of an order shows. Raises UnknownThingError."""
    order = order_shown(asked.db, asked.given("id"))
    if order is None:
        raise UnknownThingError(f"Order {asked.given('id')} is not known.", typed("order", "list"))
    found = OrderDocument.of(order)
    timeline = timeline_of_order(asked.db, order)
    line = line_of(asked.db, order.line_id)
    return View(
        f"Order for {found.common_name}",
        "order.html",
        {
            "found": found,
            "meaning": MEANING.get(found.status),
            "under_way": order.status in OPEN,
            "facts": _facts(found, order),
            "steps": steps_of(timeline, found.id, line),
            "whole": timeline.whole,
            "audit_url": links.audit_of(found.id),
            "line": line,
            "line_columns": line_columns(found.id),
            "commands": _commands(found),
        },
        found.as_dict()
        | {
            "timeline": [entry_document(each) for each in timeline.entries],
            "line": [member_of_line_document(each) for each in line],
        },
    )


def _facts(found: OrderDocument, order: Order) -> list[Fact]:
    certificate, before = found.certificate_id, found.predecessor_id
    key = None if found.key_algorithm is None else f"{found.key_algorithm} {found.key_size or ''}"
    organization = links.organization(order.account_id, found.organization_id)
    facts = [
        Fact("Order", Code(found.id)),
        Fact("Status", Badge(found.status)),
        Fact("What SCM says", Name(found.scm_status)),
        Fact("Why", Name(found.error)),
        Fact("Kind", found.kind.value),
        Fact("Common name", Name(found.common_name)),
        Fact("Further names", Several([Name(name) for name in found.sans])),
        Fact("Organisation", Name(found.organization, organization)),
        Fact("Profile", Name(found.profile, links.profile(order.account_id, found.profile_id))),
        Fact("Account", Name(found.account, links.account(found.account))),
        Fact("sslId", None if found.scm_id is None else str(found.scm_id)),
        Fact("Term", None if found.term is None else f"{found.term} days"),
        Fact("Key", key),
        Fact("Keystore", found.keystore_type),
        Fact("Comments", Name(found.comments)),
        Fact("Notified, too", Several([Name(each) for each in found.external_requesters])),
        Fact("Reason", Name(found.reason)),
        Fact("Succeeds", Code(before, None if before is None else links.certificate(before))),
        Fact(
            "Certificate",
            Code(certificate, None if certificate is None else links.certificate(certificate)),
        ),
        Fact(
            "Command",
            Code(
                found.command_id,
                None if found.command_id is None else links.command(found.command_id),
            ),
        ),
        Fact("Requested by", Name(found.requested_by)),
        Fact("Placed", Moment(found.created_at, far=True)),
        Fact("Sent", Moment(found.sent_at)),
        Fact("Changed", Moment(found.updated_at, far=True)),
    ]
    return [fact for fact in facts if _says_something(fact)]


def _says_something(fact: Fact) -> bool:
    """Return False for a fact without a value."""
    value = fact.value
    if isinstance(value, Name | Code):
        return bool(value.text)
    if isinstance(value, Several):
        return bool(value.cells)
    if isinstance(value, Moment):
        return value.at is not None
    return value is not None


def _commands(found: OrderDocument) -> Sequence[Suggestion]:
    own = found.id
    suggestions = {
        OrderStatus.REVIEW: [
            Suggestion("Compare it with SCM's records, and decide", typed("order", "resolve", own))
        ],
        OrderStatus.PENDING: [
            Suggestion("Ask SCM for its status now", typed("order", "poll", own, "--wait")),
            Suggestion("Take it back", typed("order", "cancel", own)),
        ],
        OrderStatus.PLACED: [Suggestion("Take it back", typed("order", "cancel", own))],
        OrderStatus.HELD: [
            Suggestion("See the licence", typed("license", "show")),
            Suggestion("Take it back", typed("order", "cancel", own)),
        ],
    }.get(found.status, [])
    if found.certificate_id is not None:
        shown = typed("certificate", "show", found.certificate_id)
        suggestions.append(Suggestion("Show its certificate", shown))
    return [*suggestions, Suggestion("The same in a terminal", typed("order", "show", own))]


ORDER = Page(f"{links.ORDERS}/{{id}}", show)
ROUTES = [ORDER.route()]

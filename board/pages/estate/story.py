"""What the pages of an order and of a certificate have in common: the timeline and the line."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Moment, Name
from certline.board.web.column import TableColumn
from certline.models.documents.projection import time_span
from certline.models.history.line import LineMember
from certline.models.history.timeline import Timeline, TimelineEntry
from certline.models.states import OrderKind

# What each kind of entry is in words; one that is not here is shown as it is called.
WORDS = {
    "order.placed": "Order placed",
    "order.sending": "Being sent to SCM",
    "order.pending": "Accepted by SCM",
    "order.issued": "Issued by SCM",
    "order.held": "Held: no licence line is free",
    "order.stored": "Certificate stored",
    "order.rejected": "Rejected",
    "order.cancelled": "Cancelled",
    "order.review": "In review: a person has to decide",
    "order.resolved": "Decided by a person",
    "order.unknown": "Outcome unknown: looked up at SCM",
    "order.already_placed": "Requested again while it was open",
    "certificate.exported": "Exported with its private key",
    "certificate.password_read": "Password of the keystore read",
    "certificate.superseded": "Superseded by its successor",
    "certificate.revoked": "Revoked",
    "certificate.to_be_revoked": "Will be revoked",
    "certificate.expiring": "Expires soon",
    "auto_renew.renewed": "Auto-renewal decided to renew it",
    "auto_renew.refused": "Auto-renewal refused to renew it",
    "auto_renew.held": "Auto-renewal put its renewal off",
    "auto_renew.selected": "Selected for auto-renewal",
    "auto_renew.deselected": "Deselected from auto-renewal",
}
# An order that succeeds another is placed for a reason of its own.
PLACED = {OrderKind.RENEWAL: "Renewal ordered", OrderKind.REISSUE: "Reissue ordered"}
# Times between two entries that are told.
SHORTEST = timedelta(seconds=1)


class TimelineStep(NamedTuple):
    """Entry of a timeline as it is shown. `pause`: the time since the entry before it, in words."""

    entry: TimelineEntry
    words: str
    pause: str | None
    place: str
    subject: Code


def steps_of(timeline: Timeline, own: str, line: Sequence[LineMember]) -> list[TimelineStep]:
    """Return the steps of a timeline; `own`: the id of what the page is about, which needs no link."""
    placed = {
        each.order_id: PLACED[each.kind]
        for each in line
        if each.order_id is not None and each.kind in PLACED
    }
    return [_step(entry, own, placed.get(entry.subject)) for entry in timeline.entries]


def _step(entry: TimelineEntry, own: str, placed: str | None) -> TimelineStep:
    url = links.order(entry.subject) if entry.is_order else links.certificate(entry.subject)
    pause = None if entry.since is None or entry.since < SHORTEST else time_span(entry.since)
    words = WORDS.get(entry.what, entry.what)
    return TimelineStep(
        entry,
        placed if placed is not None and entry.what == "order.placed" else words,
        pause,
        "order" if entry.is_order else "certificate",
        Code(entry.subject, None if entry.subject == own else url),
    )


def line_columns(own: str) -> list[TableColumn[LineMember]]:
    """Return the columns of the line; `own`: the id of the order or certificate that the page is about."""

    def linked(found: str | None, url: str) -> Cell:
        if found is None:
            return None
        return Name("this one") if found == own else Code(found, url)

    return [
        TableColumn("Order", lambda row: linked(row.order_id, links.order(row.order_id or ""))),
        TableColumn("Kind", lambda row: None if row.kind is None else row.kind.value),
        TableColumn("Order's status", lambda row: Badge(row.order_status), minor=True),
        TableColumn("By", lambda row: Name(row.requested_by), minor=True),
        TableColumn("Placed", lambda row: Moment(row.placed_at)),
        TableColumn(
            "Certificate",
            lambda row: linked(row.certificate_id, links.certificate(row.certificate_id or "")),
        ),
        TableColumn("Its status", lambda row: Badge(row.certificate_status)),
        TableColumn("Ends", lambda row: Moment(row.not_after)),
    ]

"""Today: is the line well, what waits for a person, what was done."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from certline.board.context import BoardContext
from certline.board.pages.today_health import ailments, matters_shown
from certline.board.snapshot import Sight
from certline.board.web import links
from certline.board.web.cells import TROUBLE, WAITS, Badge, Code, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.export import json_response
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.board.web.renderer import number
from certline.models.audit.log import AuditEntry
from certline.models.documents.overview import document_of
from certline.models.documents.projection import age, instant
from certline.models.heartbeat import Heartbeat
from certline.models.overview.activity import Activity
from certline.models.overview.snapshot import Snapshot
from certline.models.overview.work import MOST_COUNTED
from certline.models.states import OrderKind

# What counts as something done, by the name of its event or audit entry, with what to call it.
DONE = {
    "order.placed": "orders placed",
    "certificate.stored": "certificates stored",
    "certificate.renewed": "renewed",
    "certificate.reissued": "reissued",
    "certificate.revoked": "revoked",
    "order.rejected": "orders rejected",
}

FIRST_STEPS = [
    Suggestion(
        "Add an account",
        "certline account add NAME --url URL --customer-uri URI --login LOGIN",
    ),
    Suggestion("Read its organisations, domains and profiles", typed("sync", "--wait")),
]


class Figures:
    """The numbers of the page that change while people look, by the key of their element."""

    def __init__(self, sight: Sight) -> None:
        self.values = dict(_figures(sight))

    def __getitem__(self, key: str) -> str:
        """Return the number of a key, for people."""
        return self.values[key]


def _figures(sight: Sight) -> Iterator[tuple[str, str]]:
    found = sight.snapshot
    for queue in found.backlog.queues:
        more = "" if found.backlog.whole else "+"
        name = queue.queue.value.removeprefix("certline.")
        yield f"queue-{name}-due", f"{queue.due:,}{more}"
        yield f"queue-{name}-running", f"{queue.running:,}{more}"
        yield f"queue-{name}-oldest", age(queue.oldest_seconds)
    for load in found.orders:
        yield f"order-{load.status.value}", f"{load.count:,}"
        yield f"order-{load.status.value}-oldest", age(load.oldest_seconds)
    yield "outbox-due", _counted(found.outbox.due)
    yield "outbox-oldest", age(found.outbox.oldest_seconds)
    yield "outbox-parked", _counted(found.outbox.parked)
    rate, errors = found.traffic.calls_per_second, found.traffic.errors_per_second
    yield "scm-calls", "none told" if rate is None else f"{rate:.1f}"
    yield "scm-errors", "none told" if errors is None else f"{errors:.1f}"
    day = found.day.renewals
    for name in ("due", "done", "under_way", "failed", "review", "held"):
        yield f"renewals-{name}", number(getattr(day, name))
    yield "renewals-refused", number(day.refused + day.refused_in_batches)
    yield "license-used", number(found.license.used)
    yield "license-available", number(found.license.available)
    yield "license-held", number(found.license.held)
    least = "" if sight.activity.whole else "+"
    for kind, count in _done(sight.activity).items():
        yield f"done-{kind.replace('.', '-')}", f"{count:,}{least}"


def show(asked: PageRequest) -> View:
    """Return the page of a snapshot; it reads nothing of its own."""
    sight = asked.board.snapshot.look()
    return View("Today", "today.html", _values(sight), document(sight))


def document(sight: Sight) -> dict[str, Any]:
    """Return the data of `certline top --json`, and what was done."""
    activity = sight.activity
    return {
        **document_of(sight.snapshot),
        "last_renewal_run_at": instant(activity.last_run),
        "done_24h": _done(activity),
    }


def _done(activity: Activity) -> dict[str, int]:
    """Return how often each of DONE happened. The audit log has one entry for a stored order of whatever kind."""
    stored = {
        "certificate.stored": activity.by_type.get("order.stored", 0),
        "certificate.renewed": activity.stored.get(OrderKind.RENEWAL, 0),
        "certificate.reissued": activity.stored.get(OrderKind.REISSUE, 0),
    }
    return {kind: stored.get(kind, activity.by_type.get(kind, 0)) for kind in DONE}


def _values(sight: Sight) -> dict[str, Any]:
    found = sight.snapshot
    return {
        "at": found.at,
        "figures": Figures(sight),
        "ailments": ailments(found),
        "matters": matters_shown(found),
        "queues": [each.queue.value.removeprefix("certline.") for each in found.backlog.queues],
        "orders": [(load.status.value, bool(load.count)) for load in found.orders],
        "parts": [*found.running, *found.stale],
        "part_columns": _part_columns(found),
        "license": found.license,
        "license_tone": _license_tone(found),
        "last_run": sight.activity.last_run,
        "done": DONE,
        "latest": sight.activity.latest,
        "latest_columns": LATEST,
        "first_steps": FIRST_STEPS,
        "start": [Suggestion("Start the line on this machine", typed("up"))],
        "shape": shape(found),
    }


LATEST = [
    TableColumn[AuditEntry]("When", lambda row: Moment(row.at)),
    TableColumn[AuditEntry]("Who", lambda row: Name(row.who)),
    TableColumn[AuditEntry]("What", lambda row: row.type),
    TableColumn[AuditEntry](
        "About", lambda row: Code(row.subject, links.audit_of(row.subject)), minor=True
    ),
    TableColumn[AuditEntry]("Why", lambda row: Name(row.why), minor=True),
]


def _part_columns(found: Snapshot) -> list[TableColumn[Heartbeat]]:
    stale = {row.id for row in found.stale}

    def state(row: Heartbeat) -> Badge:
        if row.id in stale:
            return Badge("stale", TROUBLE)
        return Badge("unhealthy", TROUBLE) if row.fault else Badge("running")

    return [
        TableColumn[Heartbeat]("Part", lambda row: row.part),
        TableColumn[Heartbeat]("State", state),
        TableColumn[Heartbeat]("Machine", lambda row: Name(row.host)),
        TableColumn[Heartbeat]("Fault", lambda row: Name(row.fault)),
        TableColumn[Heartbeat]("Since", lambda row: Moment(row.since), minor=True),
        TableColumn[Heartbeat]("Last seen", lambda row: Moment(row.seen_at), minor=True),
        TableColumn[Heartbeat]("Version", lambda row: row.version, minor=True),
    ]


def _license_tone(found: Snapshot) -> str:
    use = found.license
    if use.held or not use.available:
        return TROUBLE
    soon = use.days_left is not None and use.days_left <= 30
    return WAITS if soon or use.available * 10 < use.capacity else ""


def live(request: Request) -> Response:
    """Return the numbers that change. `shape`: other than before, once more than numbers has changed."""
    board: BoardContext = request.app.state.board
    sight = board.snapshot.look()
    return json_response(
        {
            "at": instant(sight.snapshot.at),
            "values": Figures(sight).values,
            "shape": shape(sight.snapshot),
        }
    )


def shape(found: Snapshot) -> str:
    """Return a text that differs if other things wait, run or fail than before."""
    parts = [
        f"{matter.kind.value} {matter.count} {matter.example or ''}" for matter in found.matters
    ]
    parts += [f"{row.id} {row.fault or ''}" for row in found.running]
    parts += [f"stale {row.id}" for row in found.stale]
    parts += [f"{row.url} {_minute(row.open_until)}" for row in found.breakers]
    return "\n".join(parts)


def _minute(at: datetime | None) -> str:
    return "" if at is None else f"{at:%H:%M}"


def _counted(count: int) -> str:
    return f"{count:,}" + ("+" if count >= MOST_COUNTED else "")


ROUTES = [Page(links.TODAY, show).route(), Route("/live", live)]

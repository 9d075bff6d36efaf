"""Webhooks with their deliveries. Of a URL only scheme and host are shown: the rest may be a secret."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from certline.board.detail.sections import FactList, Grid, Remark, grid_of, shown, thing
from certline.board.pages.operations.commands import STATUS, newest
from certline.board.web import links
from certline.board.web.cells import TROUBLE, Badge, Cell, Code, Link, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.filters import UrlFilter, Wanted, wanted_of
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import CommandStatus, WebhookStatus
from certline.models.documents.webhook import DeliveryDocument, WebhookDocument
from certline.models.listing import count
from certline.models.public.command import public_deliveries
from certline.models.public.webhook import PublicWebhook, public_webhooks

# Deliveries that are shown on a webhook's page, and that are counted.
MOST, MOST_COUNTED = 100, 10_000
ADD = Suggestion("Add a webhook", typed("webhook", "add", "--help"))
HIDDEN = "Of URLs only scheme and host are shown, since the rest may be a secret."
HEADS = [
    "Webhook",
    "Status",
    "Receiver",
    "Events",
    "Failures in a row",
    "Rests until",
    "Deliveries",
]


def webhook_grid(rows: Sequence[PublicWebhook]) -> Grid:
    """Return the table of webhooks."""
    cells: list[list[Cell]] = [
        [
            Code(row.id, links.webhook(row.id)),
            state_of(row),
            Name(row.url),
            Name(", ".join(row.events)),
            row.failures,
            Moment(row.resting_until),
            Link("Deliveries", links.narrowed(links.DELIVERIES, webhook=row.id)),
        ]
        for row in rows
    ]
    empty = "There are no webhooks: events go to RabbitMQ only."
    return Grid(
        "Webhooks",
        HEADS,
        cells,
        empty,
        links.DELIVERIES if rows else None,
        "All deliveries",
        [ADD],
    )


def state_of(row: PublicWebhook) -> Badge:
    """Return the status of a webhook: an active one may fail."""
    if row.status is WebhookStatus.ACTIVE and row.failures:
        return Badge("failing", TROUBLE)
    return Badge(row.status.value)


def webhooks(asked: PageRequest) -> View:
    """Return the list of webhooks."""
    found = public_webhooks(asked.db)
    return thing(
        "Webhooks",
        "",
        [webhook_grid(found), Remark(HIDDEN)],
        [WebhookDocument.of(row).as_dict() for row in found],
        commands=[Suggestion("The same list", typed("webhook", "list")), ADD],
        above=[Link("Hooks and webhooks", links.HOOKS)],
    )


def webhook(asked: PageRequest) -> View:
    """Return the page of one webhook, with its deliveries."""
    row = asked.db.get(PublicWebhook, str(asked.given("id")).upper())
    if row is None:
        raise UnknownThingError("There is no such webhook.", typed("webhook", "list"))
    wanted = wanted_of(asked.request.query_params, [], [])
    found = newest(asked.db, public_deliveries(webhook=row.id), wanted.after, MOST)
    deliveries = [DeliveryDocument.of(each) for each in found]
    parked_only = public_deliveries(webhook=row.id, statuses=[CommandStatus.REVIEW.value])
    parked = count(asked.db, parked_only, most=MOST_COUNTED)
    listed = links.narrowed(links.DELIVERIES, webhook=row.id, status=CommandStatus.REVIEW.value)
    facts: list[tuple[str, Cell]] = [
        ("Id", Code(row.id)),
        ("Status", state_of(row)),
        ("Why", shown(row.status_reason)),
        ("Events", shown(row.events)),
        ("Private networks", "allowed" if row.allow_private else "refused"),
        ("Failures in a row", row.failures),
        ("Rests until", Moment(row.resting_until, far=True)),
        ("Parked deliveries", Link(f"{parked:,}", listed)),
        ("Added by", shown(row.created_by)),
        ("Added", Moment(row.created_at)),
    ]
    more = None
    if len(deliveries) >= MOST:
        more = links.narrowed(links.webhook(row.id), after=deliveries[-1].id)
    return thing(
        row.url,
        "Webhook",
        [
            FactList(facts),
            Remark(HIDDEN),
            grid_of(
                "Deliveries",
                DELIVERY_COLUMNS,
                deliveries,
                empty="There are none. Successful deliveries are kept for a week.",
                more_url=more,
                more="Older deliveries",
            ),
        ],
        WebhookDocument.of(row).as_dict(),
        commands=_commands(row, parked),
        above=[Link("Hooks and webhooks", links.HOOKS), Link("Webhooks", links.WEBHOOKS)],
    )


def read(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[DeliveryDocument]:
    """Load a page of deliveries, the newest first."""
    asked = public_deliveries(webhook=wanted["webhook"], statuses=wanted["status"] or ())
    found = newest(db, asked, after, limit)
    return Rows([DeliveryDocument.of(row) for row in found], [row.id for row in found])


def _choices(db: Session) -> dict[str, list[tuple[str, str]]]:
    return {"webhook": [(row.id, f"{row.url} ({row.id})") for row in public_webhooks(db)]}


def _commands(row: PublicWebhook, parked: int) -> list[Suggestion]:
    found = []
    if row.status is WebhookStatus.DISABLED:
        found.append(Suggestion("Post to it again", typed("webhook", "enable", row.id)))
    if parked:
        found.append(
            Suggestion("Post the parked deliveries again", typed("webhook", "retry", row.id))
        )
    return [
        *found,
        Suggestion("Post a test event to it", typed("webhook", "test", row.id)),
        Suggestion("Remove it", typed("webhook", "remove", row.id)),
    ]


DELIVERY_COLUMNS = [
    TableColumn[DeliveryDocument]("Delivery", lambda row: Code(row.id, links.command(row.id))),
    TableColumn[DeliveryDocument](
        "Webhook",
        lambda row: Code(row.webhook_id, row.webhook_id and links.webhook(row.webhook_id)),
        minor=True,
    ),
    TableColumn[DeliveryDocument]("Status", lambda row: Badge(row.status.value)),
    TableColumn[DeliveryDocument]("Event", lambda row: Name(row.event_type)),
    TableColumn[DeliveryDocument]("About", lambda row: Name(row.event_subject), minor=True),
    TableColumn[DeliveryDocument]("Tries", lambda row: row.attempts, minor=True),
    TableColumn[DeliveryDocument]("Requested", lambda row: Moment(row.created_at)),
    TableColumn[DeliveryDocument]("Next try", lambda row: Moment(row.next_try_at), minor=True),
    TableColumn[DeliveryDocument]("Why", lambda row: Name(row.error)),
]

DELIVERIES = ListPage[DeliveryDocument](
    path=links.DELIVERIES,
    title="Deliveries of webhooks",
    columns=DELIVERY_COLUMNS,
    read=read,
    filters=[UrlFilter("webhook", "Webhook"), STATUS],
    choices=_choices,
    empty=Empty("Nothing was posted to a webhook yet.", [ADD]),
    commands=lambda _wanted: [
        Suggestion("The same list", typed("webhook", "deliveries")),
    ],
)

ROUTES = [
    Page(links.WEBHOOKS, webhooks).route(),
    DELIVERIES.route(),
    Page(f"{links.WEBHOOKS}/{{id}}", webhook).route(),
]

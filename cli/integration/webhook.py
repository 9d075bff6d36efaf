"""`certline webhook`: the URLs that events are posted to, and the deliveries."""

from __future__ import annotations

from collections.abc import Callable
from shlex import quote
from typing import TYPE_CHECKING, TypeVar

import click

from certline.cli import context
from certline.cli.errors import NOTHING, Fault
from certline.cli.parameters.number import Seconds
from certline.cli.ui.grammar import Group
from certline.cli.ui.grid import Column, style_of
from certline.cli.ui.listing import ListView, show_pages, status_option, view_options
from certline.cli.ui.lookup import find_command, find_webhook
from certline.cli.ui.output import answer, facts, leave, say, table, whisper
from certline.cli.waiting.wait import started
from certline.models.documents.projection import minute
from certline.models.documents.webhook import DeliveryDocument, WebhookDocument
from certline.models.states import CommandStatus

if TYPE_CHECKING:
    from certline.producers.requests.webhooks import Added

T = TypeVar("T")


@click.group(cls=Group)
def webhook() -> None:
    """Webhooks: URLs that events are posted to, for systems without RabbitMQ."""


@webhook.command()
@click.argument("url", metavar="URL")
@click.option(
    "--events",
    multiple=True,
    required=True,
    metavar="TYPE",
    help="Event types, such as certificate.stored; * stands for any characters. Repeatable, or "
    "separated by commas.",
)
@click.option(
    "--allow-private",
    is_flag=True,
    help="Allow a receiver in a private network, and plain HTTP.",
)
def add(url: str, events: tuple[str, ...], *, allow_private: bool) -> None:
    """Post events to a URL from now on, and print the secret that signs them. It is shown only once.

    Exits 4 if a webhook with that URL exists.
    """
    from certline.producers.requests.webhooks import AlreadyThereError, add_webhook

    # Event types contain neither commas nor spaces, so both may separate them.
    wanted = [name for text in events for name in text.replace(",", " ").split()]
    try:
        added = add_webhook(
            context.database(),
            context.vault(),
            url,
            wanted,
            allow_private=allow_private,
            who=context.person(),
        )
    except AlreadyThereError as there:
        hint = f"To change it: certline webhook remove {quote(url)}, then add it again"
        raise Fault(str(there), code=NOTHING, hint=hint) from None
    for warning in added.warnings:
        whisper(f"warning: {warning}")
    answer(
        WebhookDocument.of(added.webhook).as_dict() | {"secret": added.secret},
        lambda: _added(added),
    )


@webhook.command("list")
def list_() -> None:
    """List webhooks, the oldest first."""
    from certline.models.webhook import webhooks

    with context.database().transaction() as db:
        found = [WebhookDocument.of(hook) for hook in webhooks(db)]
    rows = [
        (hook.id, hook.status, hook.url, ", ".join(hook.events), hook.failures) for hook in found
    ]
    answer(
        found,
        lambda: table(
            ["webhook", "status", "url", "events", "failures"],
            rows,
            empty="There are no webhooks. To add one: certline webhook add --help",
        ),
    )


@webhook.command()
@click.argument("name", metavar="WEBHOOK")
def show(name: str) -> None:
    """Show one webhook, without its secret, and the status of its deliveries."""
    from certline.producers.requests.webhooks import deliveries_by_status

    with context.database().transaction() as db:
        found = WebhookDocument.of(find_webhook(db, name))
        counts = deliveries_by_status(db, found.id)
    answer(found.as_dict() | {"deliveries": counts}, lambda: _show(found, counts))


@webhook.command()
@click.argument("name", metavar="WEBHOOK")
def remove(name: str) -> None:
    """Remove a webhook. Its pending deliveries are given up."""
    from certline.producers.requests.webhooks import remove_webhook

    with context.database().transaction() as db:
        found = find_webhook(db, name)
    count = _known(lambda: remove_webhook(context.database(), found.id, who=context.person()))
    answer(
        WebhookDocument.of(found).as_dict() | {"given_up": count},
        lambda: say(f"{found.id} is removed; {count} deliveries are given up"),
    )


@webhook.command()
@click.argument("name", metavar="WEBHOOK")
def enable(name: str) -> None:
    """Post again to a webhook that was disabled because its receiver responded 410 (Gone).

    Exits 4 if it is not disabled.
    """
    from certline.producers.requests.webhooks import enable_webhook

    with context.database().transaction() as db:
        found = find_webhook(db, name)
    changed = _known(lambda: enable_webhook(context.database(), found.id, who=context.person()))
    with context.database().transaction() as db:
        found = find_webhook(db, found.id)
    answer(
        WebhookDocument.of(found),
        lambda: say(f"{found.id} is {'enabled' if changed else 'already active'}"),
    )
    leave(0 if changed else NOTHING)


@webhook.command()
@click.argument("name", metavar="WEBHOOK")
@click.option(
    "--timeout",
    type=Seconds(),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait at most this long for a worker, then exit 5.",
)
def test(name: str, *, timeout: float) -> None:
    """Post a signed test event to a webhook once, from a worker's machine, and show the response.

    A webhook that rests after failures is tested too, and so is a disabled one. Exits 1 if it is not accepted.
    """
    from certline.producers.requests.webhooks import post_test_event

    with context.database().transaction() as db:
        found = find_webhook(db, name)
    sent = _known(lambda: post_test_event(context.database(), found.id, who=context.person()))
    started([sent], wait=True, timeout=timeout)


DELIVERIES = [
    Column[DeliveryDocument]("delivery", lambda row: row.id),
    Column[DeliveryDocument](
        "status", lambda row: row.status, style=lambda row: style_of(row.status)
    ),
    Column[DeliveryDocument]("event", lambda row: row.event_type),
    Column[DeliveryDocument]("about", lambda row: row.event_subject, rank=3),
    Column[DeliveryDocument]("webhook", lambda row: row.webhook_id, rank=4),
    Column[DeliveryDocument]("tries", lambda row: row.attempts, rank=2),
    Column[DeliveryDocument]("since (UTC)", lambda row: minute(row.created_at), rank=5),
    Column[DeliveryDocument]("why", lambda row: row.error, rank=1, may_be_cut=True),
]


@webhook.command()
@click.argument("name", metavar="[WEBHOOK]", required=False)
@status_option(status.value for status in CommandStatus if status is not CommandStatus.HELD)
@view_options("created")
def deliveries(*, name: str | None, statuses: tuple[str, ...], view: ListView) -> None:
    """List deliveries of events to webhooks, the newest first. Parked ones have status `review`.

    Successful deliveries are listed for a week.
    """
    from certline.models.webhook import deliveries_listed

    hook_id = None
    if name is not None:
        with context.database().transaction() as db:
            hook_id = find_webhook(db, name).id
    show_pages(
        deliveries_listed(statuses, hook_id),
        view,
        find=find_command,
        document=DeliveryDocument.of,
        columns=DELIVERIES,
        empty="There is no such delivery.",
    )


@webhook.command()
@click.argument("names", metavar="WEBHOOK|DELIVERY...", nargs=-1, required=True)
def retry(names: tuple[str, ...]) -> None:
    """Retry parked deliveries: the named ones, or all of a webhook. Exits 4 if none is parked."""
    from certline.producers.requests.webhooks import retry_deliveries

    count = _known(lambda: retry_deliveries(context.database(), names, who=context.person()))
    answer({"retried": count}, lambda: say(f"{count} deliveries are queued again"))
    leave(0 if count else NOTHING)


def _known(change: Callable[[], T]) -> T:
    from certline.producers.requests.webhooks import UnknownWebhookError

    try:
        return change()
    except UnknownWebhookError as unknown:
        raise Fault(str(unknown), hint="To list them: certline webhook list") from None


def _added(added: Added) -> None:
    say(f"webhook {added.webhook.id} is added: {', '.join(added.webhook.events)}")
    say(f"secret {added.secret}")
    whisper("The secret is shown only once. The receiver needs it to verify signatures.")


def _show(hook: WebhookDocument, counts: dict[str, int]) -> None:
    facts(
        {
            "webhook": hook.id,
            "status": hook.status,
            "why": hook.status_reason,
            "url": hook.url,
            "events": hook.events,
            "private networks": "allowed" if hook.allow_private else "refused",
            "failures in a row": hook.failures,
            "paused until": minute(hook.resting_until),
            "added by": hook.created_by,
            "added": minute(hook.created_at),
            "deliveries": [f"{count} {status}" for status, count in counts.items()],
        }
    )
    if counts.get(CommandStatus.REVIEW.value):
        say(f"\nWhen the receiver works again: certline webhook retry {hook.id}")

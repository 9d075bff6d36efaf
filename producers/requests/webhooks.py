"""Management of webhooks; each change writes an audit entry in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from certline.models import (
    Command,
    CommandStatus,
    CommandType,
    Database,
    Webhook,
    WebhookStatus,
)
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.command import OPEN, accept, finish
from certline.models.commands.payloads import WebhookCommand
from certline.models.events.envelope import EVENT_DATA, new_event
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.models.webhook import (
    deliveries_listed,
    parked_deliveries,
    release,
    unknown_patterns,
    webhook_known_as,
)
from certline.workers.webhooks.signature import new_secret
from certline.workers.webhooks.targets import BadTargetError, addresses_of, target_of

# The type of a test event. It is posted to one webhook only, and never published on RabbitMQ.
TEST_EVENT = "webhook.test"

# Held while adding a webhook: two with the same URL must not be added at once. Readers are not blocked.
_LOCK = text("LOCK TABLE webhook IN SHARE ROW EXCLUSIVE MODE")


class AlreadyThereError(Exception):
    """There is already a webhook with that URL."""


class UnknownWebhookError(Exception):
    """There is no webhook, or no delivery, of that name."""


@dataclass(frozen=True)
class Added:
    """A webhook that was added, with its secret in plain text, which can't be shown again (stored sealed only)."""

    webhook: Webhook
    secret: str
    warnings: list[str]

    def __repr__(self) -> str:
        # Without the secret, so that no log shows it.
        return f"Added({self.webhook!r})"


def add_webhook(
    database: Database,
    vault: Vault,
    url: str,
    events: Sequence[str],
    *,
    allow_private: bool,
    who: Identity,
) -> Added:
    """Add a webhook: events that match the patterns are posted to the URL from now on.

    A host that doesn't resolve now is only a warning, since it is resolved again for each delivery. Raises
    BadCommandError if URL or patterns are invalid, AlreadyThereError if there is a webhook with that URL.
    """
    wanted = list(dict.fromkeys(events))
    warnings = _check(url, wanted, allow_private=allow_private)
    secret = new_secret()
    with database.transaction() as db:
        db.execute(_LOCK)
        there = webhook_known_as(db, url)
        if there is not None:
            raise AlreadyThereError(
                f"webhook {there.id} has that URL already, for {', '.join(there.events)}"
            )
        hook = Webhook(
            url=url,
            events=wanted,
            secret_sealed=vault.seal(secret.encode()),
            allow_private=allow_private,
            created_by=str(who),
        )
        db.add(hook)
        db.flush()
        place = target_of(url, allow_private=allow_private).place
        record(db, "webhook.added", hook.id, who=who, place=place, events=wanted)
    return Added(hook, secret, warnings)


def post_test_event(database: Database, hook_id: str, *, who: Identity) -> Command:
    """Queue a signed test event (`webhook.test`) for a webhook, posted once by a worker. Returns the command.

    The worker posts it, and not this process: what counts is whether the worker's machine reaches the receiver.
    Raises UnknownWebhookError.
    """
    with database.transaction() as db:
        hook = _locked(db, hook_id)
        data = {"webhook": hook.id, "events": hook.events, "requested_by": str(who)}
        event = new_event(TEST_EVENT, data, subject=hook.id)
        payload = WebhookCommand(webhook=hook.id, event=event, test=True)
        command, _ = accept(
            db,
            CommandType.WEBHOOK,
            payload.model_dump(),
            requested_by=who,
            source="cli",
            subject=hook.id,
        )
        record(db, "webhook.tested", hook.id, who=who, command_id=command.id)
        return command


def remove_webhook(database: Database, hook_id: str, *, who: Identity) -> int:
    """Remove a webhook, and fail its unfinished deliveries. Returns how many. Raises UnknownWebhookError."""
    with database.transaction() as db:
        hook = _locked(db, hook_id)
        # Locked, so that a delivery in progress can't overwrite its end.
        unfinished = [*OPEN, CommandStatus.REVIEW]
        left = deliveries_listed(unfinished, hook.id).with_for_update()
        deliveries = db.scalars(left).all()
        for delivery in deliveries:
            finish(db, delivery, CommandStatus.FAILED, error=f"its webhook was removed by {who}")
        record(db, "webhook.removed", hook.id, who=who, given_up=len(deliveries))
        db.delete(hook)
        return len(deliveries)


def enable_webhook(database: Database, hook_id: str, *, who: Identity) -> bool:
    """Enable a webhook and reset its failures. Returns False if it was active. Raises UnknownWebhookError."""
    with database.transaction() as db:
        hook = _locked(db, hook_id)
        if hook.status is WebhookStatus.ACTIVE:
            return False
        hook.status, hook.status_reason = WebhookStatus.ACTIVE, None
        hook.failures, hook.resting_until = 0, None
        record(db, "webhook.enabled", hook.id, who=who)
        return True


def retry_deliveries(database: Database, names: Sequence[str], *, who: Identity) -> int:
    """Queue parked deliveries again, by delivery id or by webhook name.

    Returns how many were queued. Raises UnknownWebhookError if a name is neither.
    """
    with database.transaction() as db:
        found = {row.id: row for name in names for row in _parked(db, name)}
        return release(db, list(found.values()), who=who)


def deliveries_by_status(db: Session, hook_id: str) -> dict[str, int]:
    """Count a webhook's deliveries by status. Successful ones are deleted after a week, so not counted."""
    query = (
        select(Command.status, func.count())
        .where(Command.type == CommandType.WEBHOOK, Command.subject == hook_id)
        .group_by(Command.status)
    )
    return {status.value: count for status, count in db.execute(query)}


def _check(url: str, events: Sequence[str], *, allow_private: bool) -> list[str]:
    """Check URL and patterns. Returns the warnings. Raises BadCommandError."""
    problems, warnings = [], []
    try:
        target = target_of(url, allow_private=allow_private)
        addresses_of(target, allow_private=allow_private)
    except BadTargetError as bad:
        problems.append(f"url: {bad}")
    except (OSError, UnicodeError):
        warnings.append(f"{target.host} has no address at present")
    if not events:
        problems.append("events: is missing")
    problems += [
        f"events: {pattern!r} is not an event type; known types: {', '.join(EVENT_DATA)}"
        for pattern in unknown_patterns(events)
    ]
    if problems:
        raise BadCommandError(problems)
    return warnings


def _locked(db: Session, hook_id: str) -> Webhook:
    hook = db.get(Webhook, hook_id, with_for_update=True)
    if hook is None:
        raise UnknownWebhookError(f"webhook {hook_id!r} is not known")
    return hook


def _parked(db: Session, name: str) -> list[Command]:
    hook = webhook_known_as(db, name)
    if hook is not None:
        return parked_deliveries(db, hook.id)
    try:
        row = db.get(Command, str(UUID(name)), with_for_update=True)
    except ValueError:
        row = None
    if row is None or row.type is not CommandType.WEBHOOK:
        raise UnknownWebhookError(f"{name!r} is neither a webhook nor a delivery")
    return [row] if row.status is CommandStatus.REVIEW else []

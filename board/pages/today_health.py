"""Whether the line is well, in sentences, and what waits for a person with the command that answers it."""

from collections.abc import Iterator
from typing import NamedTuple

from certline.board.web import links
from certline.board.web.commands import Suggestion, typed
from certline.models.accounts.account import AccountStatus
from certline.models.heartbeat import Part, roles_in
from certline.models.overview.advice import command_of, text_of
from certline.models.overview.matter import MatterKind
from certline.models.overview.snapshot import Snapshot

# Parts that every installation needs; the ingress only where other systems send commands.
NEEDED = (Part.WORKER, Part.RELAY, Part.PRODUCER)
# Seconds that due work may wait before the line counts as slow.
PATIENCE = 300
# The page of each kind of matter, where there is one.
PAGE_OF = {
    MatterKind.AUDIT_BROKEN: links.AUDIT,
    MatterKind.ACCOUNT_SUSPENDED: links.ACCOUNTS,
    MatterKind.ORDER_REVIEW: links.narrowed(links.ORDERS, status="review"),
    MatterKind.ORDER_STUCK: links.narrowed(links.ORDERS, status="sending"),
    MatterKind.ORDER_HELD: links.narrowed(links.ORDERS, status="held"),
    MatterKind.RENEWAL_FAILED: links.narrowed(links.COMMANDS, type="renew", status="failed"),
    MatterKind.RENEWAL_REFUSED: links.RENEWALS,
    MatterKind.BATCH_REFUSED: links.RENEWALS,
    MatterKind.VALIDATION_WAITS: links.narrowed(links.DOMAINS, under_way="person"),
    MatterKind.COMMAND_REVIEW: links.narrowed(links.COMMANDS, status="review"),
    MatterKind.APPROVAL: links.COMMANDS,
    MatterKind.DEAD_LETTER: links.DEAD_LETTERS,
    MatterKind.HOOK_FAILED: links.HOOKS,
    MatterKind.DELIVERY_PARKED: links.HOOKS,
    MatterKind.WEBHOOK_DISABLED: links.HOOKS,
}


class Ailment(NamedTuple):
    """Something that is wrong with the line itself: what it is, and the command that says or does more."""

    text: str
    suggestion: Suggestion


class ShownMatter(NamedTuple):
    """Something that waits for a person, the page about it, and the command that answers it."""

    text: str
    url: str | None
    command: str


def ailments(found: Snapshot) -> list[Ailment]:
    """Return what is wrong with the line; nothing if it is well."""
    return [*_of_restore(found), *_of_parts(found), *_of_scm(found), *_of_work(found)]


def matters_shown(found: Snapshot) -> list[ShownMatter]:
    """Return what waits for a person, the most urgent first."""
    return [
        _shown(matter.kind, text_of(matter), command_of(matter), matter.example)
        for matter in found.matters
    ]


def _shown(kind: MatterKind, text: str, command: str, example: str | None) -> ShownMatter:
    url = PAGE_OF.get(kind)
    if kind is MatterKind.CERTIFICATE_UNATTENDED and example is not None:
        url = links.certificate(example)
    return ShownMatter(text, url, command)


def _of_restore(found: Snapshot) -> Iterator[Ailment]:
    if any(matter.kind is MatterKind.RECOVERING for matter in found.matters):
        yield Ailment(
            "The database was restored: nothing is ordered until SCM was compared with it.",
            Suggestion("How far it has come", typed("recover", "--status")),
        )


def _of_parts(found: Snapshot) -> Iterator[Ailment]:
    doctor = Suggestion("What is missing, and what to do", typed("doctor"))
    running = roles_in(found.running)
    missing = [part.value for part in NEEDED if part not in running]
    if len(missing) == len(NEEDED):
        yield Ailment(
            "No part of the line runs: nothing is ordered, renewed or sent.",
            Suggestion("Start it on this machine", typed("up")),
        )
    elif missing:
        yield Ailment(f"No {' and no '.join(missing)} runs.", doctor)
    for row in found.running:
        if row.fault:
            yield Ailment(f"{row.place} is unhealthy: {row.fault}", doctor)
    for row in found.stale:
        yield Ailment(f"{row.place} is no longer seen: it was killed, or is stuck.", doctor)


def _of_scm(found: Snapshot) -> Iterator[Ailment]:
    for row in found.breakers:
        yield Ailment(
            f"SCM at {row.url} is not called just now: {row.reason}",
            Suggestion("Since when, and until when", typed("doctor")),
        )
    for account in found.accounts:
        if account.status is AccountStatus.SUSPENDED:
            yield Ailment(
                f"Account {account.name} is suspended: {account.status_reason or 'SCM refused its login'}",
                Suggestion("Try its login", typed("account", "verify", account.name)),
            )


def _of_work(found: Snapshot) -> Iterator[Ailment]:
    for queue in found.backlog.queues:
        if (queue.oldest_seconds or 0) > PATIENCE:
            name = queue.queue.value.removeprefix("certline.")
            minutes = round((queue.oldest_seconds or 0) / 60)
            yield Ailment(
                f"Work in the queue {name} has waited for {minutes:,} minutes.",
                Suggestion("Whether workers take from it", typed("doctor")),
            )
    if found.outbox.oldest_seconds > PATIENCE:
        yield Ailment(
            f"{found.outbox.due:,} messages wait to be published, the oldest for "
            f"{round(found.outbox.oldest_seconds / 60):,} minutes.",
            Suggestion("Whether a relay runs, and RabbitMQ answers", typed("doctor")),
        )

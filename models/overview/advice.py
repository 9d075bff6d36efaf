"""Wordings of what waits for a person, with the command to type for each."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from certline.models.overview.matter import MOST, NEAR_END, MatterKind

if TYPE_CHECKING:
    from certline.models.overview.matter import Matter

DAYS = NEAR_END.days


class Wording(NamedTuple):
    """Words about one thing and about several. `command`: what to type, with the example's name or id for `{}`."""

    one: str
    many: str
    command: str


WORDINGS = {
    MatterKind.RECOVERING: Wording(
        "recovery after a restore: nothing is ordered",
        "recoveries after a restore: nothing is ordered",
        "certline recover --status",
    ),
    MatterKind.KEY_LOST: Wording(
        "certificate needs a reissue: its key was lost",
        "certificates need a reissue: their keys were lost",
        "certline certificate list --key-lost",
    ),
    MatterKind.AUDIT_BROKEN: Wording(
        "break in the audit log", "breaks in the audit log", "certline audit verify"
    ),
    MatterKind.ACCOUNT_SUSPENDED: Wording(
        "account is suspended", "accounts are suspended", "certline account verify {}"
    ),
    MatterKind.PART_STALE: Wording(
        "part is no longer seen", "parts are no longer seen", "certline doctor"
    ),
    MatterKind.SCHEDULE_LATE: Wording(
        "schedule is late: no producer?", "schedules are late: no producer?", "certline doctor"
    ),
    MatterKind.CERTIFICATE_UNATTENDED: Wording(
        f"certificate ends within {DAYS} days, nothing under way",
        f"certificates end within {DAYS} days, nothing under way",
        "certline certificate renew {}",
    ),
    MatterKind.ORDER_REVIEW: Wording(
        "order in review", "orders in review", "certline order list --status review"
    ),
    MatterKind.ORDER_STUCK: Wording(
        "order stuck in sending", "orders stuck in sending", "certline order list --status sending"
    ),
    MatterKind.ORDER_HELD: Wording(
        "order held by the licence", "orders held by the licence", "certline license show"
    ),
    MatterKind.RENEWAL_FAILED: Wording(
        "renewal failed in the last 24 h",
        "renewals failed in the last 24 h",
        "certline command list --type renew --status failed",
    ),
    MatterKind.RENEWAL_REFUSED: Wording(
        "renewal refused by auto-renewal",
        "renewals refused by auto-renewal",
        "certline auto-renew audit --decision refused",
    ),
    MatterKind.BATCH_REFUSED: Wording(
        "renewal refused in a batch", "renewals refused in batches", "certline renewal list"
    ),
    MatterKind.VALIDATION_WAITS: Wording(
        "validation waits for a person",
        "validations wait for a person",
        "certline domain show {}",
    ),
    MatterKind.COMMAND_REVIEW: Wording(
        "command in review", "commands in review", "certline command list --status review"
    ),
    MatterKind.APPROVAL: Wording(
        "request needs an approval", "requests need an approval", "certline approval show"
    ),
    MatterKind.DEAD_LETTER: Wording("dead letter", "dead letters", "certline dead-letter list"),
    MatterKind.HOOK_FAILED: Wording(
        "deploy hook failed", "deploy hooks failed", "certline hook runs --failed"
    ),
    MatterKind.DELIVERY_PARKED: Wording(
        "webhook delivery parked",
        "webhook deliveries parked",
        "certline webhook deliveries --status review",
    ),
    MatterKind.WEBHOOK_DISABLED: Wording(
        "webhook is disabled", "webhooks are disabled", "certline webhook enable {}"
    ),
    MatterKind.OUTBOX_PARKED: Wording(
        "message refused by RabbitMQ", "messages refused by RabbitMQ", "certline doctor"
    ),
    MatterKind.NOTICE_PARKED: Wording(
        "notice not sent", "notices not sent", "certline notify list"
    ),
}


def text_of(matter: Matter) -> str:
    """Return what waits, in words: `2 orders in review`."""
    wording = WORDINGS[matter.kind]
    more = " or more" if matter.count >= MOST and matter.example is not None else ""
    return f"{matter.count:,}{more} {wording.one if matter.count == 1 else wording.many}"


def command_of(matter: Matter) -> str:
    """Return the command to type next."""
    return WORDINGS[matter.kind].command.format(quote(matter.example or ""))

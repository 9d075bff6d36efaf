"""One row in full, as text for users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from certline.cli.ui.import_progress import import_progress
from certline.cli.ui.output import facts, say, table
from certline.models.audit.identity import Identity
from certline.models.documents.projection import minute, minute_and_distance, second
from certline.models.states import CommandType, OrderStatus

if TYPE_CHECKING:
    from certline.models import ImportRecord, Order
    from certline.models.documents.account import AccountDocument
    from certline.models.documents.audit import EventDocument
    from certline.models.documents.certificate import CertificateDocument
    from certline.models.documents.command import CommandDocument
    from certline.models.documents.dead_letter import DeadLetterDocument
    from certline.models.documents.order import OrderDocument
    from certline.models.renewals.hindrance import Hindrance

# Characters of a dead letter's message that are printed.
SCREENFUL = 4_000


def order(found: OrderDocument, events: Sequence[EventDocument], waits_for: str | None) -> None:
    """Print an order, what its status means, what it waits for, and its history."""
    facts(
        {
            "order": found.id,
            "kind": found.kind,
            "status": found.status,
            "error": found.error,
            "common name": found.common_name,
            "further names": found.sans,
            "account": found.account,
            "sslId at SCM": found.scm_id,
            "status at SCM": found.scm_status,
            "organisation": f"{found.organization} ({found.organization_id})",
            "profile": f"{found.profile} ({found.profile_id})",
            "term": None if found.term is None else f"{found.term} days",
            "key": _key(found.key_algorithm, found.key_size, here=found.key_id is not None),
            "keystore": found.keystore_type,
            "comments": found.comments,
            "external requesters": found.external_requesters,
            "custom fields": [f"{name}={value}" for name, value in found.custom_fields.items()],
            "succeeds": found.predecessor_id,
            "reason": found.reason,
            "waits": waits_for,
            "tries to send": found.attempts or None,
            "times asked": found.polls or None,
            "certificate": found.certificate_id,
            "command": found.command_id,
            "requested by": found.requested_by,
            "placed": minute(found.created_at),
            "changed": minute(found.updated_at),
        }
    )
    _explain_status(found)
    say("")
    rows = [
        (second(event.at), event.what, str(Identity(event.who, event.claimed)), event.why)
        for event in events
    ]
    table(["when (UTC)", "what", "who", "why"], rows, empty="Nothing has happened yet.")


def _explain_status(found: OrderDocument) -> None:
    """Print what the status means, and what can be done, if the word alone does not say it."""
    if found.status is OrderStatus.SENDING and found.error:
        say(
            "\nThe outcome is unknown: the order was sent, and SCM gave no clear response. SCM may or may "
            "not hold it.\nAfter the settle time certline looks it up at SCM, and sends it again only "
            "if SCM certainly does not have it."
        )
    elif found.status is OrderStatus.SENDING:
        say(
            f"\nSending began at {minute(found.sent_at)}. If its worker has died since, the outcome is "
            "unknown:\nafter the settle time (CERTLINE_SETTLE_SECONDS) certline looks it up at SCM."
        )
    elif found.status is OrderStatus.REVIEW:
        say(
            f"\nAn operator has to decide. To compare it with SCM: certline order resolve {found.id}"
        )
    elif found.status is OrderStatus.HELD:
        say("\nIt waits for a free line. To raise the capacity: certline license set N")


def side_by_side(found: Order) -> None:
    """Print an order in review beside the SCM records that may be it, and the possible decisions."""
    from certline.workers.ordering.reference import sent_comment

    say(f"{found.error}\n")
    ours = (
        "ours",
        found.scm_id,
        found.kind.value,
        ", ".join(found.names),
        minute(found.sent_at),
        sent_comment(found),
        f"key {(found.public_key_sha256 or '')[:16]}…",
    )
    theirs = [
        (
            "SCM",
            record["scm_id"],
            record.get("status"),
            ", ".join(dict.fromkeys([record.get("common_name") or "", *record.get("sans", [])])),
            record.get("requested"),
            record.get("comments"),
            f"{record['match']}: {record['why']}",
        )
        for record in found.found
    ]
    heads = ["", "sslId", "status", "names", "sent (UTC)", "comments", "evidence"]
    table(heads, [ours, *theirs], empty="")
    if not theirs:
        say("SCM has no record that could be this order.")
    resolve = f"certline order resolve {found.id}"
    say(f"\nIt is one of them:       {resolve} --adopt SSLID")
    say(f"SCM does not have it:    {resolve} --resend")
    say(f"It is not wanted:        {resolve} --reject")


def certificate(
    found: CertificateDocument,
    format_hint: str,
    hindrance: Hindrance | None = None,
    *,
    self_signed: bool = False,
    comments: str | None = None,
) -> None:
    """Print a certificate; `format_hint` is the file name suggested for an export.

    `hindrance`: why it was not renewed when that was last tried or due. `comments`: those of its revocation.
    """
    issuer = f"{found.issuer} (itself: self-signed, no CA has issued it)"
    not_renewed = None
    if hindrance is not None:
        not_renewed = f"{minute(hindrance.at)} UTC: {hindrance.reason}"
    facts(
        {
            "certificate": found.id,
            "status": found.status,
            "common name": found.common_name,
            "names": found.sans,
            "other names": found.other_names,
            "serial number": found.serial_number,
            "SHA-256": found.sha256_fingerprint,
            "issuer": issuer if self_signed else found.issuer,
            "valid from": minute(found.not_before),
            "valid until": minute_and_distance(found.not_after),
            "key": _key(found.key_algorithm, found.key_size, here=found.has_private_key),
            "keystore": found.keystore_type,
            "sslId at SCM": found.scm_id,
            "order": found.order_id,
            "line": found.line_id,
            "auto-renewed": found.auto_renew,
            "renews": minute_and_distance(found.renews_at),
            "not renewed": not_renewed,
            "supersedes": found.supersedes,
            "revoked": minute(found.revoked_at),
            "revocation reason": found.revocation_reason,
            "comments": comments,
        }
    )
    say(f"\nTo export it: certline certificate export {found.id} --output {format_hint}")


def command(found: CommandDocument, failed: Sequence[ImportRecord] = ()) -> None:
    """Print a command; for an import also the records that could not be imported."""
    result = dict(found.result or {})
    if found.type is CommandType.IMPORT:
        for name in ("failures", "named"):  # printed below, or by the report of --dry-run
            result.pop(name, None)
        result |= {"news": [f"{count} {news}" for news, count in result.pop("news", {}).items()]}
        if found.finished_at is None:
            result = {"progress": import_progress(found)} | result
    facts(
        {
            "command": found.id,
            "type": found.type,
            "status": found.status,
            "error": found.error,
            "subject": found.subject,
            "requested by": str(Identity(found.requested_by, found.claimed)),
            "source": found.source,
            "trace": found.trace_id,
            "attempts": found.attempts,
            "not before": minute(found.not_before),
            "requested": minute(found.created_at),
            "started": minute(found.started_at),
            "ended": minute(found.finished_at),
            **result,
        }
    )
    if failed:
        say("")
        rows = [(record.scm_id, record.reason) for record in failed]
        table(["sslId", "why it was not imported"], rows, empty="")


def dead_letter(found: DeadLetterDocument, body: str) -> None:
    """Print a dead letter, with the first SCREENFUL characters of its message."""
    from certline.models import DeadLetterStatus

    facts(
        {
            "letter": found.id,
            "status": found.status,
            "from": found.source,
            "why": found.reason,
            "command": found.command_id,
            "message": found.message_id,
            "attempts": found.attempts,
            "received": minute(found.received_at),
            "decided": minute(found.decided_at),
            "decided by": found.decided_by,
            "decision": found.decision,
            **{name.replace("_", " "): value for name, value in found.properties.items()},
        }
    )
    say(f"\n{body if len(body) <= SCREENFUL else body[:SCREENFUL] + '… (in full: --json)'}")
    if found.status is DeadLetterStatus.WAITING:
        say(
            f"\nWhen the cause is fixed: certline dead-letter replay {found.id}\n"
            f"To discard it: certline dead-letter drop {found.id} --reason TEXT"
        )


def account(found: AccountDocument) -> None:
    """Print an account."""
    facts(
        {
            "account": found.name,
            "status": found.status,
            "reason": found.status_reason,
            "SCM": found.url,
            "customer URI": found.customer_uri,
            "logs in by": found.login_kind,
            "login": found.login,
            "verified": minute(found.verified_at),
            "synced": minute(found.synced_at),
            "since": minute(found.created_at),
        }
    )


def _key(algorithm: str | None, size: str | None, *, here: bool) -> str | None:
    if algorithm is None:
        return None
    return f"{algorithm} {size}, {'stored' if here else 'not stored'}"

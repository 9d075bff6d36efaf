"""Documents of the history of an order or a certificate: its timeline, its line, its chain and its deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from certline.models.documents.projection import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from certline.models.history.chain import Issuer
    from certline.models.history.deployment import Deployment
    from certline.models.history.line import LineMember
    from certline.models.history.timeline import TimelineEntry


def entry_document(entry: TimelineEntry) -> dict[str, Any]:
    """Return an entry of a timeline."""
    return {
        "id": entry.id,
        "at": instant(entry.at),
        "seconds_since": None if entry.since is None else entry.since.total_seconds(),
        "what": entry.what,
        "who": entry.who.name,
        "claimed": entry.who.claimed,
        "why": entry.why,
        "subject": entry.subject,
        "command_id": entry.command_id,
    }


def member_of_line_document(member: LineMember) -> dict[str, Any]:
    """Return a member of a line."""
    return {
        "order": member.order_id,
        "kind": member.kind,
        "order_status": member.order_status,
        "requested_by": member.requested_by,
        "placed_at": instant(member.placed_at),
        "certificate": member.certificate_id,
        "certificate_status": member.certificate_status,
        "not_before": instant(member.not_before),
        "not_after": instant(member.not_after),
    }


def chain_document(chain: Sequence[Issuer | None]) -> list[dict[str, Any] | None]:
    """Return the issuers of a certificate, the issuing CA first; null for one that cannot be read."""
    return [
        None
        if each is None
        else {
            "subject": each.subject,
            "issuer": each.issuer,
            "serial_number": each.serial_number,
            "sha256_fingerprint": each.sha256_fingerprint,
            "not_before": instant(each.not_before),
            "not_after": instant(each.not_after),
        }
        for each in chain
    ]


def deployment_document(found: Deployment) -> dict[str, Any]:
    """Return a run of a hook for a certificate."""
    return {
        "id": found.run_id,
        "hook": found.hook,
        "directory": found.directory,
        "command": found.command,
        "status": found.status,
        "outcome": found.outcome,
        "error": found.error,
        "at": instant(found.at),
    }

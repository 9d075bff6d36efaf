"""JSON documents of rows; the keys are a fixed contract, and no document contains a secret."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from certline.models import (
    Account,
    AuditEntry,
    Certificate,
    Command,
    DeadLetter,
    Domain,
    Hook,
    Order,
    Organization,
    Profile,
    Schedule,
)
from certline.models.audit.chain import Break
from certline.models.certificates.license import LicenseUse
from certline.models.certificates.license_forecast import LicenseForecast


def instant(moment: datetime | None) -> str | None:
    """Format a time as ISO 8601 in UTC, with Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def minute(moment: datetime | date | None) -> str | None:
    """Format a time for users, in UTC: `2026-11-23 12:00`; a date as `2026-11-23`."""
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
    return None if moment is None else moment.isoformat()


def account_document(account: Account) -> dict[str, Any]:
    """Return an account, without its secret."""
    return {
        "name": account.name,
        "url": account.url,
        "login_kind": account.login_kind.value,
        "customer_uri": account.customer_uri,
        "login": account.login,
        "status": account.status.value,
        "status_reason": account.status_reason,
        "verified_at": instant(account.verified_at),
        "synced_at": instant(account.synced_at),
        "created_at": instant(account.created_at),
    }


def organization_document(organization: Organization, account: str) -> dict[str, Any]:
    """Return an organisation, or a department with its parent."""
    return {
        "id": organization.scm_id,
        "account": account,
        "name": organization.name,
        "parent_id": organization.parent_id,
        "parent_name": organization.parent_name,
        "orders": organization.orders,
        "cert_types": organization.cert_types,
        "synced_at": instant(organization.synced_at),
        "gone_at": instant(organization.gone_at),
    }


def domain_document(domain: Domain, account: str) -> dict[str, Any]:
    """Return a domain."""
    return {
        "id": domain.scm_id,
        "account": account,
        "name": domain.name,
        "state": domain.state,
        "delegation_status": domain.delegation_status,
        "validation_status": domain.validation_status,
        "validation_method": domain.validation_method,
        "validation_expires": minute(domain.validation_expires),
        "delegations": domain.delegations,
        "synced_at": instant(domain.synced_at),
        "gone_at": instant(domain.gone_at),
    }


def profile_document(profile: Profile, account: str) -> dict[str, Any]:
    """Return a certificate profile."""
    return {
        "id": profile.scm_id,
        "account": account,
        "name": profile.name,
        "description": profile.description,
        "terms": profile.terms,
        "key_types": profile.key_types,
        "synced_at": instant(profile.synced_at),
        "gone_at": instant(profile.gone_at),
    }


def order_document(order: Order) -> dict[str, Any]:
    """Return an order."""
    return {
        "id": order.id,
        "account": order.account.name,
        "scm_id": order.scm_id,
        "kind": order.kind.value,
        "status": order.status.value,
        "scm_status": order.scm_status,
        "common_name": order.common_name,
        "sans": order.sans,
        "organization": order.organization_name,
        "profile": order.profile_name,
        "term": order.term,
        "key_algorithm": order.key_algorithm,
        "key_size": order.key_size,
        "keystore_type": order.keystore_type,
        "comments": order.comments,
        "external_requesters": order.external_requesters,
        "certificate_id": order.certificate_id,
        "requested_by": order.requested_by,
        "created_at": instant(order.created_at),
        "updated_at": instant(order.updated_at),
        "error": order.error,
    }


def certificate_document(certificate: Certificate) -> dict[str, Any]:
    """Return a certificate's properties; the certificate itself is returned by `export`."""
    return {
        "id": certificate.id,
        "order_id": certificate.order_id,
        "line_id": certificate.line_id,
        "scm_id": certificate.scm_id,
        "status": certificate.status.value,
        "common_name": certificate.common_name,
        "sans": certificate.sans,
        "serial_number": certificate.serial_number,
        "sha256_fingerprint": certificate.sha256_fingerprint,
        "issuer": certificate.issuer,
        "not_before": instant(certificate.not_before),
        "not_after": instant(certificate.not_after),
        "key_algorithm": certificate.key_algorithm,
        "key_size": certificate.key_size,
        "has_private_key": certificate.key_id is not None,
        "auto_renew": certificate.auto_renew,
        "renews_at": instant(certificate.renews_at),
        "supersedes": certificate.supersedes_id,
    }


def command_document(command: Command) -> dict[str, Any]:
    """Return a command."""
    return {
        "id": command.id,
        "type": command.type.value,
        "status": command.status.value,
        "subject": command.subject,
        "requested_by": command.requested_by,
        "source": command.source,
        "attempts": command.attempts,
        "created_at": instant(command.created_at),
        "started_at": instant(command.started_at),
        "finished_at": instant(command.finished_at),
        "result": command.result,
        "error": command.error,
    }


def dead_letter_document(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter, without its message."""
    return {
        "id": letter.id,
        "source": letter.source,
        "status": letter.status.value,
        "reason": letter.reason,
        "command_id": letter.command_id,
        "message_id": letter.message_id or None,
        "attempts": letter.attempts,
        "sha256": letter.sha256,
        "received_at": instant(letter.received_at),
        "decided_at": instant(letter.decided_at),
        "decided_by": letter.decided_by,
        "decision": letter.decision,
    }


def event_document(event: AuditEntry) -> dict[str, Any]:
    """Return an audit entry."""
    return {
        "id": event.id,
        "at": instant(event.at),
        "who": event.who,
        "what": event.type,
        "subject": event.subject,
        "why": event.why,
        "command_id": event.command_id,
        "data": event.data,
    }


def break_document(found: Break) -> dict[str, Any]:
    """Return a place where the audit log was altered; `entry` is the number in the chain."""
    return {
        "kind": found.kind,
        "entry": found.seq,
        "event_id": found.event_id,
        "message": found.text,
    }


def license_document(use: LicenseUse) -> dict[str, Any]:
    """Return the licence's capacity and use."""
    return {
        "capacity": use.capacity,
        "used": use.used,
        "held": use.held,
        "available": use.available,
    }


def outlook_document(ahead: LicenseForecast) -> dict[str, Any]:
    """Return the licence's capacity and use, and when it runs out."""
    return license_document(ahead.use) | {
        "in_flight": ahead.in_flight,
        "new_orders_per_day": round(ahead.per_day, 2),
        "runs_out_at": instant(ahead.runs_out_at),
    }


def schedule_document(schedule: Schedule, last: datetime | None) -> dict[str, Any]:
    """Return a schedule; `last`: when it last fired."""
    return {
        "name": schedule.name,
        "cron": schedule.cron,
        "tz": schedule.tz,
        "enabled": schedule.enabled,
        "next_due": instant(schedule.next_due),
        "last_fired_at": instant(last),
    }


def hook_document(hook: Hook, accounts: Mapping[int, str]) -> dict[str, Any]:
    """Return a deploy hook; `accounts`: account names by id."""
    return {
        "name": hook.name,
        "events": hook.events,
        "command": hook.command,
        "directory": hook.directory,
        "common_name": hook.common_name,
        "account": None if hook.account_id is None else accounts[hook.account_id],
        "timeout": hook.timeout,
        "created_by": hook.created_by,
        "created_at": instant(hook.created_at),
    }


def run_document(run: Command) -> dict[str, Any]:
    """Return a run of a deploy hook (a command) with the result of its last try."""
    last = run.result or {}
    return {
        "id": run.id,
        "hook": run.payload["name"],
        "certificate_id": run.payload["certificate"],
        "common_name": run.payload["common_name"],
        "status": run.status.value,
        "outcome": last.get("outcome"),
        "attempts": run.attempts,
        "not_before": instant(run.not_before),
        "exit_code": last.get("exit_code"),
        "output": last.get("output"),
        "error": run.error,
        "created_at": instant(run.created_at),
        "started_at": instant(run.started_at),
        "finished_at": instant(run.finished_at),
    }

"""Publication of `certificate.expiring` when certificates reach certain days before expiry, once each.

After an outage only the lowest threshold reached is published, and a threshold that is not shorter than the
certificate's lifetime is ignored.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypedDict, get_args

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account
from certline.models.audit.identity import SWEEP
from certline.models.audit.log import AuditEntry, entry
from certline.models.certificates.backoff import Backoff, backoff_of
from certline.models.certificates.certificate import NEVER, WITHOUT_PEM, Certificate
from certline.models.commands.bulk import send_out
from certline.models.database.bulk import add_rows, set_in_rows
from certline.models.database.session import clock
from certline.models.events.data import CertificateExpiring, ExpiryThreshold, RenewalState
from certline.models.events.outbox import event_row
from certline.models.renewals.plan import Going, successions
from certline.models.renewals.runs import AutoRenewDecision, last_decisions
from certline.models.renewals.selection import auto_renew_settings
from certline.models.states import CertificateStatus, Decision

# Certificates processed in one transaction.
PIECE = 1_000
# Thresholds: days before expiry (issue: renewal).
DAYS: tuple[ExpiryThreshold, ...] = get_args(ExpiryThreshold)
# Before any certificate.
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
# One range of the index `certificate_to_tell` for each threshold and each one that may have been published before,
# so that certificates of which it was published are not read again by each sweep.
NEAR = text(
    f"""
    SELECT near.id FROM unnest(
        CAST(:told AS int[]), CAST(:days AS int[]), CAST(:after AS timestamptz[]), CAST(:until AS timestamptz[])
    ) AS look (told, days, after, until)
    CROSS JOIN LATERAL (
        SELECT id, not_after FROM certificate
        WHERE status = 'active' AND coalesce(expiring_told, {NEVER}) = look.told
            AND not_after > look.after AND not_after <= look.until
            AND not_after - not_before > make_interval(days => look.days)
        ORDER BY not_after LIMIT :most
    ) AS near
    ORDER BY near.not_after LIMIT :most
    """  # noqa: S608  # our own constant
)


class RenewalNote(TypedDict):
    """Work under way for an expiring certificate, as fields of its event."""

    renewal: RenewalState
    renews_at: datetime | None
    order_id: str | None
    reason: str | None


def day_reached(begins: datetime, ends: datetime, now: datetime) -> ExpiryThreshold | None:
    """Return the lowest of DAYS that a certificate has reached, or None."""
    reached = [
        days
        for days in DAYS
        if now >= ends - timedelta(days=days) and ends - begins > timedelta(days=days)
    ]
    return min(reached, default=None)


def emit_expiring(db: Session, most: int = PIECE) -> int:
    """Publish `certificate.expiring` for active certificates that have reached a new threshold.

    Returns how many; at most `most` per call.
    """
    now = clock(db)
    fresh = [
        (certificate, days)
        for certificate in _nearer(db, now, most)
        if (days := day_reached(certificate.not_before, certificate.not_after, now)) is not None
        # On the locked row: another sweep may have been quicker.
        and days < (certificate.expiring_told or NEVER)
    ]
    if not fresh:
        return 0
    names = {row[0]: row[1] for row in db.execute(select(Account.id, Account.name))}
    notes = renewal_notes(db, [certificate for certificate, _ in fresh])
    entries, messages = [], []
    for certificate, days in fresh:
        note = notes[certificate.id]
        account, left = names[certificate.account_id], certificate.not_after - now
        event = _event(certificate, account, days=days, left=left, note=note)
        entries.append(
            entry(
                "certificate.expiring",
                certificate.id,
                who=SWEEP,
                why=note["reason"],
                days=days,
                renewal=note["renewal"],
            )
        )
        messages.append(event_row(event, subject=certificate.id, correlation_id=None))
    set_in_rows(db, Certificate, "expiring_told", {each.id: days for each, days in fresh})
    add_rows(db, AuditEntry, entries)
    send_out(db, messages)
    return len(fresh)


def _event(
    certificate: Certificate,
    account: str,
    *,
    days: ExpiryThreshold,
    left: timedelta,
    note: RenewalNote,
) -> CertificateExpiring:
    return CertificateExpiring(
        certificate_id=certificate.id,
        account=account,
        scm_id=certificate.scm_id,
        common_name=certificate.common_name,
        sans=certificate.sans,
        serial_number=certificate.serial_number,
        not_after=certificate.not_after,
        days=days,
        days_left=left // timedelta(days=1),
        **note,
    )


def renewal_notes(db: Session, expiring: Sequence[Certificate]) -> dict[str, RenewalNote]:
    """Return what is being done about each of these certificates, by certificate id."""
    if not expiring:
        return {}
    going = successions(db, {each.id: each.line_id for each in expiring})
    decided = last_decisions(db, [each.id for each in expiring])
    backoff = backoff_of(db, [each.line_id for each in expiring])
    on = {setting.account_id for setting in auto_renew_settings(db, enabled=True)}
    return {
        certificate.id: renewal_note(
            certificate,
            enabled=certificate.account_id in on,
            going=going.get(certificate.id),
            decided=decided.get(certificate.id),
            backoff=backoff[certificate.line_id],
        )
        for certificate in expiring
    }


def renewal_note(
    certificate: Certificate,
    *,
    enabled: bool,
    going: Going | None,
    decided: AutoRenewDecision | None,
    backoff: Backoff,
) -> RenewalNote:
    """Return what is being done about an expiring certificate, and the facts that explain it."""
    is_automatic = enabled and certificate.auto_renew
    if going is not None:
        state: RenewalState = "waits_for_person" if going.waits_for_person else "open"
        return _note(state, order_id=going.order_id, reason=going.text)
    if backoff.waits_for_person:
        return _note("waits_for_person", reason=backoff.reason)
    if is_automatic and decided is not None and decided.decision is Decision.REFUSED:
        return _note("waits_for_person", reason=decided.reason)
    if is_automatic:
        return _note("planned", renews_at=certificate.renews_at)
    if certificate.auto_renew:
        return _note("nothing", reason="auto-renewal is switched off")
    return _note("nothing", reason="it is not selected for auto-renewal")


def _note(
    renewal: RenewalState,
    *,
    renews_at: datetime | None = None,
    order_id: str | None = None,
    reason: str | None = None,
) -> RenewalNote:
    return {"renewal": renewal, "renews_at": renews_at, "order_id": order_id, "reason": reason}


def _nearer(db: Session, now: datetime, most: int) -> Sequence[Certificate]:
    """Lock and return active certificates with a threshold reached and not published. Locked rows are skipped."""
    looks: list[tuple[int, int, datetime, datetime]] = []
    after = LONG_AGO
    for days in sorted(DAYS):
        until = now + timedelta(days=days)
        looks += [(told, days, after, until) for told in (NEVER, *DAYS) if told > days]
        after = until
    columns = zip(("told", "days", "after", "until"), zip(*looks, strict=True), strict=True)
    near = {name: list(values) for name, values in columns}
    ids = db.scalars(NEAR, {**near, "most": most}).all()
    if not ids:
        return []
    query = (
        select(Certificate)
        .options(*WITHOUT_PEM)
        # The status again, on the locked row: the certificate may have been revoked or replaced since.
        .where(Certificate.id.in_(ids), Certificate.status == CertificateStatus.ACTIVE)
        .order_by(Certificate.not_after)
        .with_for_update(skip_locked=True)
    )
    return db.scalars(query).all()

"""Settings of auto-renewal: switching it on and off per account, selecting certificates, and rules.

Each change writes an audit entry in the same transaction. Afterwards the caller has the days of all certificates
planned anew (`producers.renewals.day_plan`), which takes one transaction for each thousand.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from certline.models import Account, AuditEntry, Certificate, CertificateStatus, Database, Line
from certline.models.audit.identity import Identity
from certline.models.audit.log import entry, record
from certline.models.certificates.line import AutoRenewChoice
from certline.models.database.bulk import add_rows
from certline.models.database.session import clock
from certline.models.lifecycle.succession_rule import newest_here
from certline.models.renewals.plan import alive, drop_marks, note_days, selected_of
from certline.models.renewals.selection import (
    AutoRenewRule,
    AutoRenewSetting,
    auto_renew_settings,
    like_rule,
    settings_of_all,
)
from certline.models.renewals.timing import lead_of
from certline.models.validation import BadCommandError

# Choices stored or deleted in one statement.
PIECE = 1_000
# What to do with a certificate that can't be selected and has no successor here.
WAYS = {
    CertificateStatus.REVOKED: "order a new one: certline order create",
    CertificateStatus.EXPIRED: "renew it, and select its successor: certline certificate renew {}",
    CertificateStatus.SUPERSEDED: "its successor is not stored here: certline import",
}


def enable(
    db: Session, accounts: Sequence[Account], *, days: int, cap: int | None, who: Identity
) -> list[AutoRenewSetting]:
    """Switch auto-renewal on for these accounts. Returns their settings.

    `days`: days before expiry to renew; `cap`: most renewals per day, None for the default of `usual_cap`.
    """
    now = clock(db)
    settings = []
    for account in accounts:
        setting = db.get(AutoRenewSetting, account.id) or AutoRenewSetting(account_id=account.id)
        db.add(setting)
        setting.enabled, setting.days, setting.cap_per_day = True, days, cap
        setting.changed_by, setting.changed_at = str(who), now
        record(db, "auto_renew.enabled", account.name, who=who, days=days, cap_per_day=cap)
        settings.append(setting)
    return settings


def disable(db: Session, accounts: Sequence[Account], *, who: Identity) -> list[AutoRenewSetting]:
    """Switch auto-renewal off; selections are kept. Returns the settings that were on."""
    ids = {account.id: account.name for account in accounts}
    off = [each for each in auto_renew_settings(db, enabled=True) if each.account_id in ids]
    now = clock(db)
    for setting in off:
        setting.enabled = False
        setting.changed_by, setting.changed_at = str(who), now
        record(db, "auto_renew.disabled", ids[setting.account_id], who=who)
    return off


def choose(
    db: Session,
    certificates: Sequence[Certificate],
    *,
    selected: bool,
    who: Identity,
    days: int | None = None,
) -> None:
    """Select or deselect single certificates, whatever the rules say. `days`: days before expiry to renew.

    Raises BadCommandError if one that is to be selected can't be renewed automatically; none is then selected.
    """
    if selected:
        problems = _not_to_select(db, certificates)
        if problems:
            raise BadCommandError(problems)
    now, word = clock(db), "selected" if selected else "deselected"
    said = {"selected": selected, "days": days, "chosen_by": str(who), "chosen_at": now}
    # Stored by line, so that the choice also holds for the certificate's successors.
    lines = sorted({certificate.line_id for certificate in certificates})
    for begin in range(0, len(lines), PIECE):
        piece = [{"line_id": line, **said} for line in lines[begin : begin + PIECE]]
        row = insert(AutoRenewChoice).values(piece)
        db.execute(row.on_conflict_do_update(index_elements=[AutoRenewChoice.line_id], set_=said))
    add_rows(
        db,
        AuditEntry,
        [entry(f"auto_renew.{word}", each.id, who=who, days=days) for each in certificates],
    )
    _mark(db, lines, selected=selected)


def _mark(db: Session, lines: Sequence[str], *, selected: bool) -> None:
    """Mark the certificates of these lines; their day is the one they aim at until the next plan of all."""
    db.flush()
    today = clock(db).astimezone(UTC).date()
    ids = db.scalars(select(Certificate.id).where(Certificate.line_id.in_(lines), alive())).all()
    for setting in settings_of_all(db) if selected else ():
        days: dict[str, datetime | None] = {}
        for each in selected_of(db, setting, ids):
            day = max(each.span.target, today)
            days[each.id] = datetime.combine(day, time(), UTC) if setting.enabled else None
        note_days(db, setting, days)
    if not selected:
        drop_marks(db, ids)
    db.expire_all()


def _not_to_select(db: Session, certificates: Sequence[Certificate]) -> list[str]:
    """Return why certificates can't be selected: only one that is in use is renewed automatically."""
    problems = []
    renewed = newest_here(db, [certificate.id for certificate in certificates])
    for certificate in certificates:
        newest = renewed.get(certificate.id)
        if certificate.status is CertificateStatus.ACTIVE and newest is None:
            continue
        why = (
            "is superseded" if certificate.status is CertificateStatus.ACTIVE else _why(certificate)
        )
        way = newest.advice if newest is not None else WAYS.get(certificate.status, "")
        problems.append(
            f"certificate: {certificate.id} ({certificate.common_name}) {why}, so it can't be renewed "
            f"automatically; {way.format(certificate.id)}"
        )
    return problems


def _why(certificate: Certificate) -> str:
    if certificate.status is CertificateStatus.EXPIRED:
        return f"has expired on {certificate.not_after:%Y-%m-%d}"
    return f"is {certificate.status}"


def limited_days(certificates: Sequence[Certificate], days: int | None) -> dict[str, int]:
    """Return in how many days before expiry the earliest renewal is, by the id of each certificate for which it
    is less than `days` (`lead_of`).
    """
    limits = {}
    for each in certificates if days is not None else ():
        lead = lead_of(each.not_after - each.not_before, days or 0)
        if lead < timedelta(days=days or 0):
            limits[each.id] = lead // timedelta(days=1)
    return limits


def add_rule(db: Session, rule: AutoRenewRule, *, who: Identity) -> tuple[AutoRenewRule, bool]:
    """Store a rule unless an equal one exists. Returns (the stored rule, True if it is new)."""
    present = like_rule(db, rule)
    if present is not None:
        return present, False
    db.add(rule)
    db.flush()
    record(db, "auto_renew.rule_added", rule.id, who=who, **_facts(rule))
    return rule, True


def drop_rule(db: Session, like: AutoRenewRule, *, who: Identity) -> AutoRenewRule | None:
    """Delete the rule equal to `like`. Returns the deleted rule, or None if there is none."""
    present = like_rule(db, like)
    if present is None:
        return None
    record(db, "auto_renew.rule_dropped", present.id, who=who, **_facts(present))
    db.delete(present)
    db.flush()
    return present


def drop_rules(db: Session, account: Account | None, *, who: Identity) -> int:
    """Delete all rules, of one account or (None) of every account, before all choices (`drop_choices`).

    Returns how many were deleted.
    """
    rules = delete(AutoRenewRule)
    if account is not None:
        rules = rules.where(AutoRenewRule.account_id == account.id)
    gone = [*db.scalars(rules.returning(AutoRenewRule.id))]
    subject = "every account" if account is None else account.name
    record(db, "auto_renew.selection_dropped", subject, who=who, rules=gone)
    return len(gone)


def drop_choices(db: Session, account: Account | None, most: int = PIECE) -> int:
    """Delete up to `most` individual selections, of one account or (None) of every account. Returns how many."""
    lines = select(AutoRenewChoice.line_id).limit(most)
    if account is not None:
        lines = lines.join(Line, Line.id == AutoRenewChoice.line_id)
        lines = lines.where(Line.account_id == account.id)
    gone = delete(AutoRenewChoice).where(AutoRenewChoice.line_id.in_(lines))
    return len(db.scalars(gone.returning(AutoRenewChoice.line_id)).all())


def drop_everything(database: Database, account: Account | None, *, who: Identity) -> int:
    """Delete all rules and individual selections, of one account or (None) of every account, in pieces.

    Returns how many were deleted. If it is killed, the next call deletes the rest.
    """
    with database.transaction() as db:
        count = drop_rules(db, account, who=who)
    while True:
        with database.transaction() as db:
            dropped = drop_choices(db, account)
        count += dropped
        if dropped < PIECE:
            return count


def _facts(rule: AutoRenewRule) -> dict[str, Any]:
    return {
        name: getattr(rule, name)
        for name in ("account_id", "organization_id", "profile_id", "name")
    }

"""Settings of auto-renewal: switching it on and off per account, selecting certificates, and rules.

Each change writes an audit entry and updates the planned renewal days in the same transaction.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from certline.models import Account, Certificate, CertificateStatus
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.certificates.line import AutoRenewChoice
from certline.models.database.session import clock
from certline.models.lifecycle.succession_rule import newest_here
from certline.models.renewals.plan import (
    RenewalOutlook,
    lines_of,
    note_plan,
    outlook,
    selected_of,
    successions,
)
from certline.models.renewals.selection import (
    AutoRenewRule,
    AutoRenewSetting,
    auto_renew_settings,
    like_rule,
    settings_of_all,
)
from certline.models.renewals.timing import lead_of
from certline.models.validation import BadCommandError

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
    plan_anew(db)
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
    plan_anew(db)
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
    for certificate in certificates:
        said = {"selected": selected, "days": days, "chosen_by": str(who), "chosen_at": clock(db)}
        # Stored by line, so that the choice also holds for the certificate's successors.
        row = insert(AutoRenewChoice).values(line_id=certificate.line_id, **said)
        db.execute(row.on_conflict_do_update(index_elements=[AutoRenewChoice.line_id], set_=said))
        word = "selected" if selected else "deselected"
        record(db, f"auto_renew.{word}", certificate.id, who=who, days=days)
    plan_anew(db)


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
    plan_anew(db)
    return rule, True


def drop_rule(db: Session, like: AutoRenewRule, *, who: Identity) -> AutoRenewRule | None:
    """Delete the rule equal to `like`. Returns the deleted rule, or None if there is none."""
    present = like_rule(db, like)
    if present is None:
        return None
    record(db, "auto_renew.rule_dropped", present.id, who=who, **_facts(present))
    db.delete(present)
    db.flush()
    plan_anew(db)
    return present


def drop_everything(db: Session, account: Account | None, *, who: Identity) -> int:
    """Delete all rules and individual selections, of one account or (None) of every account.

    Returns how many were deleted.
    """
    rules = delete(AutoRenewRule)
    lines = select(Certificate.line_id)
    if account is not None:
        rules = rules.where(AutoRenewRule.account_id == account.id)
        lines = lines.where(Certificate.account_id == account.id)
    choices = delete(AutoRenewChoice).where(AutoRenewChoice.line_id.in_(lines))
    gone = [*db.scalars(rules.returning(AutoRenewRule.id))]
    count = len(gone) + len(db.scalars(choices.returning(AutoRenewChoice.line_id)).all())
    subject = "every account" if account is None else account.name
    record(db, "auto_renew.selection_dropped", subject, who=who, rules=gone)
    plan_anew(db)
    return count


def plan_anew(db: Session) -> None:
    """Update on each certificate whether it is selected for auto-renewal, and on which day it will be renewed."""
    db.flush()  # the plan is read past the unit of work
    for setting in settings_of_all(db):
        note_plan(db, setting, _outlook(db, setting), {})


def outlooks(db: Session) -> list[RenewalOutlook]:
    """Return the plan of each account, including those with auto-renewal switched off."""
    return [_outlook(db, setting) for setting in settings_of_all(db)]


def _outlook(db: Session, setting: AutoRenewSetting) -> RenewalOutlook:
    selected = selected_of(db, setting)
    return outlook(db, setting, selected, successions(db, lines_of(selected)))


def _facts(rule: AutoRenewRule) -> dict[str, Any]:
    return {
        name: getattr(rule, name)
        for name in ("account_id", "organization_id", "profile_id", "name")
    }

"""Changes of automatic validation: switched on and off for accounts, and chosen for domains; each is audited."""

from collections.abc import Sequence

from sqlalchemy import func
from sqlalchemy.orm import Session

from certline.models import Account
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.domains.automation import AutoValidation, choose_domain
from certline.models.domains.request import require_domain
from certline.models.validation import BadCommandError


def enable_validation(
    db: Session, account: Account, *, days: int, cap: int | None, who: Identity
) -> AutoValidation:
    """Switch automatic validation on for an account, or change its days and its cap."""
    setting = db.get(AutoValidation, account.id, with_for_update=True)
    if setting is None:
        setting = AutoValidation(account_id=account.id)
        db.add(setting)
    setting.enabled, setting.days, setting.cap_per_day = True, days, cap
    setting.changed_by, setting.changed_at = str(who), func.now()
    record(db, "auto_validation.enabled", account.name, who=who, days=days, cap_per_day=cap)
    db.flush()
    return setting


def disable_validation(db: Session, account: Account, *, who: Identity) -> bool:
    """Switch automatic validation off for an account. Returns False if it was off; validations go on."""
    setting = db.get(AutoValidation, account.id, with_for_update=True)
    if setting is None or not setting.enabled:
        return False
    setting.enabled = False
    setting.changed_by, setting.changed_at = str(who), func.now()
    record(db, "auto_validation.disabled", account.name, who=who)
    return True


def select_domains(
    db: Session,
    names: Sequence[str],
    *,
    account: str | None,
    selected: bool,
    days: int | None,
    who: Identity,
) -> list[tuple[Account, str]]:
    """Choose whether these domains are validated by themselves, and how many days before the end.

    Returns each account with the domain that is validated for the name. Raises BadCommandError with all problems.
    """
    found, problems = [], []
    for name in names:
        try:
            owner, domain, _ = require_domain(db, name, account)
            found.append((owner, domain))
        except BadCommandError as bad:
            problems += bad.problems
    if problems:
        raise BadCommandError(list(dict.fromkeys(problems)))
    for owner, domain in found:
        choose_domain(db, owner.id, domain, selected=selected, days=days, who=str(who))
        event = "auto_validation.selected" if selected else "auto_validation.deselected"
        record(db, event, domain, who=who, account=owner.name, days=days)
    return found

"""Limits of a sender: the accounts, the organisations and the names that it may use.

What is unknown is refused with the same words as what is not allowed.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from certline.models.accounts.account import Account, account_for
from certline.models.accounts.catalogue import Organization, organizations
from certline.models.names import called
from certline.models.senders.names import not_covered
from certline.models.senders.sender import Sender
from certline.models.validation import BadCommandError

# Names in one problem, at most.
MOST_NAMES = 5


def require_account(db: Session, sender: Sender, name: str | None) -> Account | None:
    """Return the account that a command is for, or None if that doesn't matter to the sender.

    Raises BadCommandError if the sender may not use it. An account that is unknown reads the same.
    """
    if not (sender.accounts or sender.organizations):
        return None
    may = f"; it may use: {', '.join(sender.accounts)}" if sender.accounts else ""
    try:
        account = account_for(db, name)
    except BadCommandError:  # unknown; or not named, and there is none or several
        account = None
    if account is None or (sender.accounts and account.name not in sender.accounts):
        if name is None:
            raise BadCommandError([f"account: the sender {sender.name!r} has to name one{may}"])
        raise BadCommandError(
            [
                f"account: {name[:100]!r} is not known, or the sender {sender.name!r} may not use it{may}"
            ]
        )
    return account


def is_allowed_organization(
    db: Session, sender: Sender, account: Account | None, name: str
) -> bool:
    """Return True if the sender may order or import for the organisation of that name or id."""
    if not sender.organizations:
        return True
    if account is None:
        return False
    rows = [row for row in organizations(db, account.id) if row.gone_at is None]
    wanted = organization_meant(rows, name)
    return wanted is not None and wanted in _meant(rows, sender)


def organizations_allowed(db: Session, sender: Sender, account_id: int) -> set[int]:
    """Return SCM's ids of the sender's organisations in an account, those that are gone included."""
    return _meant(organizations(db, account_id), sender)


def _meant(rows: Sequence[Organization], sender: Sender) -> set[int]:
    meant = (organization_meant(rows, text) for text in sender.organizations)
    return {found for found in meant if found is not None}


def organization_meant(rows: Sequence[Organization], text: str) -> int | None:
    """Return SCM's id of the one organisation or department with that id or name; an id counts before a name.

    Returns None if there is none, or several.
    """
    found = [row for row in rows if str(row.scm_id) == text]
    found = found or called(text, rows, lambda row: row.name)
    return found[0].scm_id if len(found) == 1 else None


def name_problems(sender: Sender, field_name: str, names: Sequence[str]) -> list[str]:
    """Return one problem with the names in a field that the sender may not use, or none."""
    wrong = not_covered(sender.names, names)
    if not wrong:
        return []
    few = ", ".join(wrong[:MOST_NAMES]) + (", …" if len(wrong) > MOST_NAMES else "")
    may = ", ".join(sender.names[:MOST_NAMES]) + (", …" if len(sender.names) > MOST_NAMES else "")
    return [f"{field_name}: the sender {sender.name!r} may not use {few}; its names: {may}"]

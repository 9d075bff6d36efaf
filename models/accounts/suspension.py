"""Suspension of accounts whose login SCM refused, and its text for users."""

from shlex import quote

from sqlalchemy.orm import Session

from certline.models.accounts.account import Account, AccountStatus
from certline.models.audit.identity import WORKER
from certline.models.audit.log import record
from certline.models.events.data import AccountSuspended
from certline.models.events.outbox import emit_event


def suspend(db: Session, account: Account, why: str) -> None:
    """Suspend an active account, which stops all its calls: SCM counts failed logins and would lock it."""
    if account.status is not AccountStatus.ACTIVE:
        return
    account.status = AccountStatus.SUSPENDED
    account.status_reason = why
    record(db, "account.suspended", account.name, who=WORKER, why=why)
    event = AccountSuspended(account=account.name, reason=why)
    emit_event(db, event, subject=account.name, correlation_id=None)


def suspended_text(account: Account) -> str:
    """Return the text shown to users for a suspended or removed account, with the command that helps."""
    if account.status is AccountStatus.REMOVED:
        return f"account {account.name!r} was removed; to use it again: certline account add --help"
    return (
        f"account {account.name!r} is suspended ({account.status_reason}); when its login works "
        f"again: certline account verify {quote(account.name)}"
    )

"""Gate before the calls to SCM: none is made for an account that is suspended or removed."""

from datetime import timedelta

from certline.models import Account, AccountStatus
from certline.models.accounts.suspension import suspended_text
from certline.workers.runtime.outcomes import GiveUp, TryLater

# Time after which commands of a suspended account run again; `account verify` makes them due at once.
SUSPENDED_PAUSE = timedelta(hours=1)


def require_active(account: Account) -> None:
    """Check before a call to SCM that the account is active.

    Raises TryLater if it is suspended, and GiveUp if it was removed.
    """
    if account.status is AccountStatus.REMOVED:
        raise GiveUp(suspended_text(account))
    if account.status is AccountStatus.SUSPENDED:
        raise TryLater(suspended_text(account), after=SUSPENDED_PAUSE)

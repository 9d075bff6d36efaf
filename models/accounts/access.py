"""Access to SCM before a call: whether the account is active, and its SCM's breaker, read together."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import DateTime, Select, bindparam, func, select
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account, AccountStatus
from certline.models.accounts.breaker import CLOSED, Breaker, BreakerState, state_at


@dataclass(frozen=True)
class Access:
    """Whether calls of an account may be made. `failures`: consecutive failed calls of its SCM that are recorded.

    `status` is None if there is no such account any more.
    """

    account: str | None
    status: AccountStatus | None
    status_reason: str | None
    breaker: BreakerState
    failures: int

    @property
    def admitted(self) -> bool:
        """Whether calls may be made."""
        return self.status in (AccountStatus.ACTIVE, None) and self.breaker.closed


def access_of(db: Session, account_id: int, url: str) -> Access:
    """Return the present access of an account. `url`: the key of its SCM's breaker."""
    row = db.connection().execute(_reading(), {"of_account": account_id, "at": url}).one_or_none()
    if row is None:
        return Access(None, None, None, CLOSED, 0)
    name, status, why, failures, open_until, reason, now = row
    return Access(name, status, why, state_at(now, open_until, reason), failures or 0)


@cache
def _reading() -> Select[
    str, AccountStatus, str | None, int, datetime | None, str | None, datetime
]:
    """Return the statement; it is built once, because each second of calls runs it."""
    return (
        select(
            Account.name,
            Account.status,
            Account.status_reason,
            Breaker.failures,
            Breaker.open_until,
            Breaker.reason,
            # The real time: now() is the transaction's start.
            func.clock_timestamp(type_=DateTime(timezone=True)),
        )
        .outerjoin(Breaker, Breaker.url == bindparam("at"))
        .where(Account.id == bindparam("of_account"))
    )

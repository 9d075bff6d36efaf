"""Accounts: our logins at SCM, and whether SCM accepts them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, func, select
from sqlalchemy.orm import Mapped, Session, defer, mapped_column

from certline.models.database.base import Base, stored_by_value
from certline.models.database.secret_place import BESIDE
from certline.models.validation import BadCommandError


class AccountStatus(StrEnum):
    """Status of an account: whether calls to SCM may be made with its login."""

    ACTIVE = "active"  # SCM accepts the login
    SUSPENDED = "suspended"  # SCM refused the login; a further call counts as a failed login
    REMOVED = "removed"  # secret deleted; the row stays, as orders and certificates refer to it


class LoginKind(StrEnum):
    """Kind of credentials with which an account logs in at SCM."""

    PASSWORD = "password"  # noqa: S105  # three headers on every call
    CERTIFICATE = "certificate"  # a TLS client certificate, below /private/api
    TOKEN = "token"  # noqa: S105  # OAuth2 client credentials; `login` is the client id


class Account(Base):
    """Login at one SCM instance, under which we order certificates."""

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint(
            "login_kind = 'token' OR customer_uri IS NOT NULL", name="customer_unless_token"
        ),
        CheckConstraint(
            "(login_kind = 'certificate') = (client_certificate IS NOT NULL)",
            name="certificate_of_its_kind",
        ),
        CheckConstraint(
            "(status = 'removed') = (secret_sealed IS NULL)", name="removed_without_secret"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    url: Mapped[str]
    login_kind: Mapped[LoginKind] = mapped_column(
        stored_by_value(LoginKind), default=LoginKind.PASSWORD
    )
    customer_uri: Mapped[str | None]
    login: Mapped[str]
    # Password, OAuth2 client secret, or private key (PEM) of the client certificate. It is bound to what decides
    # where it is sent: whoever changes a URL in the database does not have it sent there.
    secret_sealed: Mapped[bytes | None] = mapped_column(
        info={BESIDE: ("url", "token_url", "login_kind")}
    )
    client_certificate: Mapped[str | None]
    token_url: Mapped[str | None]
    status: Mapped[AccountStatus] = mapped_column(
        stored_by_value(AccountStatus), default=AccountStatus.ACTIVE
    )
    status_reason: Mapped[str | None]
    verified_at: Mapped[datetime | None]
    # What the login was found to have at SCM, and to lack, at `verified_at` (`workers.account_check.Examined`).
    examined: Mapped[dict[str, Any] | None]
    synced_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    def __repr__(self) -> str:
        return f"Account({self.name!r}, {self.status!s})"


def accounts(db: Session, *, removed: bool = False) -> list[Account]:
    """Return the accounts sorted by name; removed ones only if `removed` is set."""
    query = select(Account).order_by(Account.name)
    return list(
        db.scalars(query if removed else query.where(Account.status != AccountStatus.REMOVED))
    )


def account_named(db: Session, name: str, *, removed: bool = False) -> Account | None:
    """Return the account of that name, or None; a removed one only if `removed` is set."""
    query = select(Account).where(Account.name == name)
    return db.scalar(query if removed else query.where(Account.status != AccountStatus.REMOVED))


def account_for(db: Session, name: str | None) -> Account:
    """Return the account of that name or, without a name, the only account.

    Raises BadCommandError if the name is unknown, if there is no account, or if there are several.
    """
    present = accounts(db)
    if name is not None:
        account = account_named(db, name)
        if account is None:
            known = ", ".join(account.name for account in present) or "none yet"
            raise BadCommandError([f"account: {name!r} is not known; there are: {known}"])
        return account
    if not present:
        raise BadCommandError(["account: there is none yet: run `certline account add` first"])
    if len(present) > 1:
        known = ", ".join(account.name for account in present)
        raise BadCommandError([f"account: there are several ({known}); say which one"])
    return present[0]


def accounts_shown(db: Session) -> list[Account]:
    """Return all accounts sorted by name, removed ones included, without their secrets and client certificates."""
    query = select(Account).options(
        defer(Account.secret_sealed, raiseload=True),
        defer(Account.client_certificate, raiseload=True),
    )
    return list(db.scalars(query.order_by(Account.name)))

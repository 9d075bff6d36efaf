"""Accounts: who we are at SCM, and whether SCM still lets us in."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base, stored_by_value


class AccountStatus(StrEnum):
    """Whether calls may be made for an account."""

    ACTIVE = "active"  # SCM lets us in
    SUSPENDED = "suspended"  # SCM refused the login; every call would count as a failed login
    REMOVED = "removed"  # its login is forgotten; kept for what its orders and certificates say


class LoginKind(StrEnum):
    """How SCM is shown who we are."""

    PASSWORD = "password"  # noqa: S105  # three headers on every call
    CERTIFICATE = "certificate"  # a TLS client certificate, below /private/api
    TOKEN = "token"  # noqa: S105  # OAuth2 client credentials; `login` is the client id


class Account(Base):
    """One administrator's login at one SCM instance."""

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
    # The password, the client's secret, or the key (PEM) of the client certificate.
    secret_sealed: Mapped[bytes | None]
    client_certificate: Mapped[str | None]
    token_url: Mapped[str | None]
    status: Mapped[AccountStatus] = mapped_column(
        stored_by_value(AccountStatus), default=AccountStatus.ACTIVE
    )
    status_reason: Mapped[str | None]
    verified_at: Mapped[datetime | None]
    synced_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    def __repr__(self) -> str:
        return f"Account({self.name!r}, {self.status!s})"


def accounts(db: Session, *, removed: bool = False) -> list[Account]:
    """Every account, by name; with those that were removed, where that is asked for."""
    query = select(Account).order_by(Account.name)
    return list(
        db.scalars(query if removed else query.where(Account.status != AccountStatus.REMOVED))
    )


def account_named(db: Session, name: str, *, removed: bool = False) -> Account | None:
    """The account of that name; one that was removed only where that is asked for."""
    query = select(Account).where(Account.name == name)
    return db.scalar(query if removed else query.where(Account.status != AccountStatus.REMOVED))

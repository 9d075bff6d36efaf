"""Catalogue of an account as last synced from SCM: organisations, domains, profiles and custom fields.

Rows that are gone at SCM are marked (`gone_at`), never deleted, because orders refer to them.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, ForeignKey, Index, Integer, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base


class SyncedRow:
    """Common columns of the rows that mirror SCM; the primary key is (account, SCM's id)."""

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    scm_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    synced_at: Mapped[datetime] = mapped_column(server_default=func.now())
    gone_at: Mapped[datetime | None]


class Organization(SyncedRow, Base):
    """Organisation, or one of its departments: SCM accepts either id as `orgId`."""

    __tablename__ = "organization"

    parent_id: Mapped[int | None]
    parent_name: Mapped[str | None]
    # SCM's switch for ordering over the API, and the certificate types offered; None: SCM doesn't say.
    api_enabled: Mapped[bool | None]
    cert_types: Mapped[list[str] | None]

    @property
    def orders(self) -> str | None:
        """State of ordering for the organisation: "on", "off", or None if SCM does not say."""
        if self.api_enabled is False or (self.cert_types and "SSL" not in self.cert_types):
            return "off"
        return "on" if self.api_enabled else None


class Domain(SyncedRow, Base):
    """Domain (or `*.domain`) known to SCM, with its delegations and its validation.

    `validated_on`: the day on which a validation was last made, the present one or one before it; None where
    neither SCM says it nor certline made one.
    """

    __tablename__ = "domain"
    # `producers.domains.expiry`: those whose validation ends soon.
    __table_args__ = (
        Index("domain_by_end", "validation_expires", postgresql_where=text("gone_at IS NULL")),
    )

    state: Mapped[str | None]
    delegation_status: Mapped[str | None]
    validation_status: Mapped[str | None]
    validation_method: Mapped[str | None]
    validation_expires: Mapped[date | None]
    validated_on: Mapped[date | None]
    delegations: Mapped[list[dict[str, Any]]] = mapped_column(default=list)


class Profile(SyncedRow, Base):
    """Certificate profile: the terms (in days) and the key types that it allows, and to whom it is closed."""

    __tablename__ = "profile"

    description: Mapped[str | None]
    terms: Mapped[list[int]] = mapped_column(ARRAY(Integer), default=list)
    key_types: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # Organisations and departments whose own list of profiles at SCM lacks this one; others may order it.
    closed_to: Mapped[list[int]] = mapped_column(ARRAY(Integer), default=list, server_default="{}")

    @property
    def status(self) -> str:
        """`available` if SCM offered the profile at the last sync, otherwise `gone`."""
        return "available" if self.gone_at is None else "gone"


class CustomField(SyncedRow, Base):
    """Custom field of the SCM customer; each order has to fill in the mandatory ones."""

    __tablename__ = "custom_field"

    mandatory: Mapped[bool] = mapped_column(default=False)


def organizations(db: Session, account_id: int | None = None) -> list[Organization]:
    """Return organisations and departments, gone ones included; each department follows its organisation.

    `account_id`: of that account only.
    """
    query = select(Organization).order_by(
        Organization.account_id,
        func.coalesce(Organization.parent_name, Organization.name),
        # False sorts first: the organisation precedes its departments.
        Organization.parent_id.is_not(None),
        Organization.name,
    )
    return list(db.scalars(query if account_id is None else query.filter_by(account_id=account_id)))


def domains(db: Session, account_id: int | None = None) -> list[Domain]:
    """Return the domains of one account, or of all, by name; gone ones included."""
    query = select(Domain).order_by(Domain.account_id, Domain.name, Domain.scm_id)
    return list(db.scalars(query if account_id is None else query.filter_by(account_id=account_id)))


def profiles(db: Session, account_id: int | None = None) -> list[Profile]:
    """Return the profiles of one account, or of all, by name; gone ones included."""
    query = select(Profile).order_by(Profile.account_id, Profile.name, Profile.scm_id)
    return list(db.scalars(query if account_id is None else query.filter_by(account_id=account_id)))


def custom_fields(db: Session, account_id: int) -> list[CustomField]:
    """Return the custom fields of an account that still exist at SCM, by name."""
    query = select(CustomField).filter_by(account_id=account_id, gone_at=None)
    return list(db.scalars(query.order_by(CustomField.name)))

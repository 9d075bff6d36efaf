"""Certificates and their lines: a line is a certificate with all its renewals and reissues."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    UniqueConstraint,
    false,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, defer, mapped_column

from certline.models.accounts.account import Account
from certline.models.database.base import Base, DnsText, new_id, stored_by_value
from certline.models.host_names import same_host
from certline.models.orders.order import Order
from certline.models.states import CertificateStatus
from certline.models.validation import BadCommandError

# A serial number as programs print it, without what is between its bytes.
SERIAL = re.compile(r"(?:serial(?:number)?=?)?(?:0x)?([0-9a-f]+)")

# In place of a threshold: `certificate.expiring` was never published for a certificate.
NEVER = 1_000


class Certificate(Base):
    """Certificate in our database; its identity at SCM is (account, sslId, serial number)."""

    __tablename__ = "certificate"
    __table_args__ = (
        UniqueConstraint("account_id", "scm_id", "serial_number"),
        Index("certificate_serial", "serial_number"),
        # All certificates of a line: succession, deletion, imports.
        Index("certificate_by_line", "line_id"),
        # `models.key_rotation`.
        Index(
            "certificate_with_password",
            "id",
            postgresql_where=text("keystore_password_sealed IS NOT NULL"),
        ),
        # `models.restore.recovery`.
        Index("certificate_key_lost", "id", postgresql_where=text("key_lost")),
        # `certline certificate list` (`models.listing`): the filter's column, then the sort keys, so that one
        # index scan both filters and sorts.
        Index("certificate_by_expiry", "not_after", "id"),
        Index("certificate_by_status", "status", "not_after", "id"),
        Index("certificate_by_organization", "organization_id", "not_after", "id"),
        Index("certificate_by_profile", "profile_id", "not_after", "id"),
        # `models.renewals.expiry_events`: the threshold published last, then what has come nearer to its expiry.
        Index(
            "certificate_to_tell",
            text(f"coalesce(expiring_told, {NEVER})"),
            "not_after",
            postgresql_where=text("status = 'active'"),
        ),
        Index("certificate_by_name", "common_name", "id"),
        Index("certificate_by_name_end", text("reverse(common_name)"), "id"),  # see `patterns.like`
        Index("certificate_by_any_name", "sans", postgresql_using="gin"),  # `models.search`
        CheckConstraint("not_after > not_before", name="lives_forwards"),
        CheckConstraint(
            "(status = 'revoked') = (revoked_at IS NOT NULL)", name="revoked_at_some_time"
        ),
        # A plan of all renewals sets `auto_renew` and `renews_at`. As no index has them, and pages have room, it
        # touches no index.
        {"postgresql_with": {"fillfactor": "85"}},
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[str] = mapped_column(ForeignKey("order.id"))
    line_id: Mapped[str] = mapped_column(ForeignKey("line.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    key_id: Mapped[str | None] = mapped_column(ForeignKey("private_key.id"))
    scm_id: Mapped[int]
    # Copied from the order, so that lists by organisation or profile need no join.
    organization_id: Mapped[int]
    profile_id: Mapped[int]
    status: Mapped[CertificateStatus] = mapped_column(
        stored_by_value(CertificateStatus), default=CertificateStatus.ACTIVE
    )
    common_name: Mapped[DnsText]
    # DNS names; the names of other kinds are apart, as `IP:192.0.2.7`, since certline can't order those.
    sans: Mapped[list[str]]
    other_names: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    serial_number: Mapped[str]
    sha256_fingerprint: Mapped[str]
    issuer: Mapped[str]
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    key_algorithm: Mapped[str]
    key_size: Mapped[str]
    # PEM: the leaf, and its chain from the issuing CA upwards.
    leaf: Mapped[str]
    issuers: Mapped[list[str]]
    # Its key was lost with a backup (`models.restore.recovery`): it needs a reissue.
    key_lost: Mapped[bool] = mapped_column(default=False, server_default=false())
    keystore_type: Mapped[str]
    keystore_password_sealed: Mapped[bytes | None]
    auto_renew: Mapped[bool] = mapped_column(default=False)
    renews_at: Mapped[datetime | None]
    # Threshold (days before expiry) of the last `certificate.expiring` event.
    expiring_told: Mapped[int | None]
    supersedes_id: Mapped[str | None] = mapped_column(ForeignKey("certificate.id"))
    # Time and reason of the revocation; the reason in the contract's words (`key-compromise`).
    revoked_at: Mapped[datetime | None]
    revocation_reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    def __repr__(self) -> str:
        return f"Certificate({self.id}, {self.common_name!r}, {self.serial_number})"


# Query options that leave out the PEM texts, most of a row's size; reading one then raises an error.
WITHOUT_PEM = (
    defer(Certificate.leaf, raiseload=True),
    defer(Certificate.issuers, raiseload=True),
)


class SeveralCertificatesError(Exception):
    """Error for a name that matches several certificates; `candidates` describes each, beginning with its id."""

    def __init__(self, name: str, candidates: list[str]) -> None:
        super().__init__(f"{name} matches {len(candidates)} active certificates")
        self.candidates = candidates


def serial_number_in(text: str) -> str | None:
    """Return a serial number as it is stored: lower-case hexadecimal without leading zeros. None if it isn't one.

    It may be written as programs print it: with colons, blanks or hyphens between its bytes, after `0x` or
    `serial=`, in upper case.
    """
    found = SERIAL.fullmatch(re.sub(r"[\s:-]", "", text.lower()))
    return None if found is None else found[1].lstrip("0") or "0"


def certificate_known_as(db: Session, name: str, account: str | None = None) -> Certificate | None:
    """Return the certificate with that id, serial number or common name, or None.

    A common name is looked up among active certificates only. Of several matches, those of the account
    named `account` count. Raises SeveralCertificatesError if more than one remains.
    """
    name = name.strip()
    exact = db.get(Certificate, name.upper())
    if exact is not None:
        return exact
    serial = serial_number_in(name)
    named = [] if serial is None else _of(db, Certificate.serial_number == serial, account)
    named = named or _of(
        db,
        (Certificate.common_name == same_host(name))
        & (Certificate.status == CertificateStatus.ACTIVE),
        account,
    )
    if len(named) > 1:
        raise SeveralCertificatesError(name, _described(db, named))
    return named[0] if named else None


def _described(db: Session, certificates: Sequence[Certificate]) -> list[str]:
    """Return what tells certificates of one name apart, each beginning with its id; the newest first."""
    ordered = [certificate.order_id for certificate in certificates]
    query = select(Order.id, Order.profile_name).where(Order.id.in_(ordered))
    profiles = {row.id: row.profile_name for row in db.execute(query)}
    return [
        f"{each.id} ({each.status}, expires {each.not_after.astimezone(UTC):%Y-%m-%d}, "
        f"{each.key_algorithm} {each.key_size}{'' if each.key_id else ', key not stored'}, "
        f"profile {profiles.get(each.order_id, '-')})"
        for each in sorted(certificates, key=lambda one: (one.not_after, one.id), reverse=True)
    ]


def active_for(db: Session, account_id: int, common_name: str) -> list[Certificate]:
    """Return an account's active certificates with that common name, those that expire last first."""
    query = (
        select(Certificate)
        .where(
            Certificate.account_id == account_id,
            Certificate.common_name == common_name,
            Certificate.status == CertificateStatus.ACTIVE,
            Certificate.not_after > func.now(),
        )
        .options(*WITHOUT_PEM)
        .order_by(Certificate.not_after.desc(), Certificate.id)
    )
    return list(db.scalars(query))


def _of(db: Session, which: ColumnElement[bool], account: str | None) -> list[Certificate]:
    """Return the matches; of several, only those of the account, if one is named."""
    found = list(db.scalars(select(Certificate).where(which).order_by(Certificate.id)))
    if len(found) < 2 or account is None:
        return found
    owner = db.scalar(select(Account.id).where(Account.name == account))
    return [certificate for certificate in found if certificate.account_id == owner]


def certificate_meant(db: Session, name: str, account: str | None = None) -> Certificate:
    """Return the certificate that a command names.

    Raises BadCommandError if the name is unknown or ambiguous, or if the certificate belongs to another
    account than `account`.
    """
    try:
        found = certificate_known_as(db, name, account)
    except SeveralCertificatesError as several:
        those = "; ".join(several.candidates)
        raise BadCommandError([f"certificate: {several}; name it by its id: {those}"]) from None
    if found is None:
        raise BadCommandError([f"certificate: {name!r} is not known"])
    if account is None:
        return found
    owner = db.get_one(Account, found.account_id).name
    if account != owner:
        raise BadCommandError(
            [f"account: certificate {found.id} belongs to {owner!r}, not {account!r}"]
        )
    return found

"""Orders: one row for each request to SCM for a certificate, its statuses and the legal moves between them."""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Select,
    and_,
    bindparam,
    false,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, Session, mapped_column, raiseload, relationship
from sqlalchemy.orm.attributes import set_committed_value

from certline.models.accounts.account import Account
from certline.models.database.base import Base, DnsText, new_id, stored_by_value
from certline.models.database.session import NOW
from certline.models.orders.private_key import PrivateKey
from certline.models.states import MOVES, OPEN, OrderKind, OrderStatus
from certline.models.validation import BadCommandError, column_integer


class IllegalMoveError(Exception):
    """A move that the order's present status does not allow (see `MOVES`)."""


_OPEN_SQL = "status IN ({})".format(", ".join(f"'{status.value}'" for status in sorted(OPEN)))


class Order(Base):
    """One request to SCM for one certificate, or the record of a certificate imported from SCM."""

    __tablename__ = "order"
    __table_args__ = (
        # At most one open order for the same business key; another one needs the first to end.
        Index(
            "order_business_key_open", "business_key", unique=True, postgresql_where=text(_OPEN_SQL)
        ),
        # A reissue shares its predecessor's sslId; a new order, a renewal and an import do not.
        Index(
            "order_scm_id_once",
            "account_id",
            "scm_id",
            unique=True,
            postgresql_where=text("kind <> 'reissue' AND scm_id IS NOT NULL"),
        ),
        Index("order_common_name", "account_id", "common_name"),
        # `certline order list` (`models.listing`): the filter's column, then the sort keys, so that one index
        # scan both filters and sorts.
        Index("order_by_status", "status", "id"),
        Index("order_by_change", "updated_at", "id"),
        Index("order_by_organization", "organization_id", "id"),
        Index("order_by_profile", "profile_id", "id"),
        Index("order_by_name", "common_name", "id"),
        Index("order_by_name_end", text("reverse(common_name)"), "id"),  # see `patterns.like`
        # All orders of a line: succession, deletion.
        Index("order_by_line", "line_id"),
        # `models.key_rotation`.
        Index(
            "order_with_password",
            "id",
            postgresql_where=text("keystore_password_sealed IS NOT NULL"),
        ),
        # What a recovery has found (`models.restore.recovery`).
        Index(
            "order_recovered",
            "recovered_at",
            postgresql_where=text("recovered_at IS NOT NULL"),
        ),
        # Orders named by SCM's id (`scm:4711`), whatever their account.
        Index("order_by_scm_id", "scm_id"),
        CheckConstraint("char_length(comments) <= 1024", name="comments_fit_scm"),
        CheckConstraint("term IS NULL OR term > 0", name="term_is_days"),
        CheckConstraint("fence >= 0 AND attempts >= 0", name="counts_count_up"),
        CheckConstraint(
            "status NOT IN ('placed', 'sending') OR csr IS NOT NULL", name="csr_before_sending"
        ),
        CheckConstraint(
            "status NOT IN ('pending', 'issued', 'held', 'stored') OR scm_id IS NOT NULL",
            name="known_to_scm",
        ),
        CheckConstraint(
            "kind NOT IN ('renewal', 'reissue') OR predecessor_id IS NOT NULL",
            name="successor_knows_its_predecessor",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    command_id: Mapped[str | None] = mapped_column(
        UUID(as_uuid=False), ForeignKey("command.id"), unique=True
    )
    kind: Mapped[OrderKind] = mapped_column(stored_by_value(OrderKind), default=OrderKind.NEW)
    status: Mapped[OrderStatus] = mapped_column(
        stored_by_value(OrderStatus), default=OrderStatus.PLACED
    )
    scm_id: Mapped[int | None]
    scm_status: Mapped[str | None]
    # As SCM last reported: the certificate's serial number (hex), whether a successor was ordered, and
    # whether SCM renews the certificate automatically.
    scm_serial: Mapped[str | None]
    scm_renewed: Mapped[bool] = mapped_column(default=False)
    scm_auto_renew: Mapped[bool] = mapped_column(default=False)
    renew_id: Mapped[str | None]
    business_key: Mapped[str]
    reference: Mapped[str] = mapped_column(unique=True)
    common_name: Mapped[DnsText]
    sans: Mapped[list[str]] = mapped_column(default=list)
    organization_id: Mapped[int]
    organization_name: Mapped[str]
    profile_id: Mapped[int]
    profile_name: Mapped[str]
    term: Mapped[int | None]
    key_algorithm: Mapped[str | None]
    key_size: Mapped[str | None]
    key_id: Mapped[str | None] = mapped_column(ForeignKey("private_key.id"))
    csr: Mapped[str | None]
    public_key_sha256: Mapped[str | None]
    keystore_type: Mapped[str]
    keystore_password_sealed: Mapped[bytes | None]
    comments: Mapped[str] = mapped_column(default="")
    external_requesters: Mapped[list[str]] = mapped_column(default=list)
    custom_fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # Incremented by each claim: the late result of an old claim is recognised by its fence, and not stored.
    fence: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    # Reconciling: checks in a row that settled nothing, and the candidates that the last one found at SCM.
    looks: Mapped[int] = mapped_column(default=0)
    found: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    polls: Mapped[int] = mapped_column(default=0)
    next_poll_at: Mapped[datetime | None]
    issued_at: Mapped[datetime | None]
    line_id: Mapped[str | None] = mapped_column(ForeignKey("line.id"))
    certificate_id: Mapped[str | None] = mapped_column(
        ForeignKey("certificate.id", use_alter=True, name="order_certificate_id_fkey")
    )
    # The certificate that a renewal or a reissue succeeds, and the reason given for a reissue.
    predecessor_id: Mapped[str | None] = mapped_column(
        ForeignKey("certificate.id", use_alter=True, name="order_predecessor_id_fkey")
    )
    reason: Mapped[str | None]
    # True once an operator has given the order up (`order resolve --reject`): only a person changes that.
    given_up: Mapped[bool] = mapped_column(default=False, server_default=false())
    # When a recovery found it at SCM; its key, if there was one, is lost (`models.restore.recovery`).
    recovered_at: Mapped[datetime | None]
    requested_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    error: Mapped[str | None]

    account: Mapped[Account] = relationship(lazy="joined", innerjoin=True)
    key: Mapped[PrivateKey | None] = relationship(lazy="raise")

    def become(self, status: OrderStatus) -> None:
        """Set the status. Raises IllegalMoveError if `MOVES` does not allow it."""
        if status not in MOVES[self.status]:
            raise IllegalMoveError(f"order {self.id} cannot go from {self.status} to {status}")
        self.status = status

    def belongs_to(self, account: Account) -> None:
        """Attach the account to an order that was loaded without it, to save a query."""
        set_committed_value(self, "account", account)

    @property
    def names(self) -> list[str]:
        """Names of the certificate without duplicates, the common name first."""
        return list(dict.fromkeys([self.common_name, *self.sans]))

    @property
    def renewed_line(self) -> str | None:
        """Id of the line that this order renews, or None if it renews none.

        If a profile allows no renewal, a new order with a predecessor is sent instead; it counts as a renewal too.
        """
        renews = self.predecessor_id is not None and self.kind is not OrderKind.REISSUE
        return self.line_id if renews else None

    def __repr__(self) -> str:
        return f"Order({self.id}, {self.common_name!r}, {self.status!s})"


def orders(db: Session, statuses: list[OrderStatus] | None = None) -> list[Order]:
    """Load orders, the newest first; with `statuses`, only those with one of them."""
    query = select(Order).order_by(Order.created_at.desc(), Order.id.desc())
    return list(db.scalars(query.where(Order.status.in_(statuses)) if statuses else query))


def order_known_as(db: Session, name: str, account: str | None = None) -> Order | None:
    """Return the order with that id, or None; `scm:<sslId>` finds it by SCM's id, in `account` if one is given.

    Of several orders with one sslId (reissues) the newest is returned. Raises BadCommandError if orders of
    several accounts have the sslId.
    """
    if not name.startswith("scm:"):
        return db.get(Order, name.upper())
    number = column_integer(name.removeprefix("scm:"))
    if number is None:
        return None
    query = select(Order).where(Order.scm_id == number).order_by(Order.created_at.desc())
    newest: dict[str, Order] = {}
    for order in db.scalars(query):
        if account in (None, order.account.name):
            newest.setdefault(order.account.name, order)
    if len(newest) > 1:
        ids = ", ".join(f"{order.id} ({name})" for name, order in sorted(newest.items()))
        raise BadCommandError([f"order: {name} is in several accounts; use one of the ids: {ids}"])
    return next(iter(newest.values()), None)


def order_of_command(db: Session, command_id: str) -> Order | None:
    """Return the order that a command led to, or None."""
    return db.scalar(select(Order).where(Order.command_id == command_id))


def open_twin(db: Session, business_key: str, reference: str | None = None) -> Order | None:
    """Return the open order with the same business key, or the one that has this reference already, or None.

    An order that a recovery has found at SCM has the reference of the command that has led to it.

    The key stays locked until the transaction ends, so no other transaction can place an order for it meanwhile.
    """
    # An advisory lock, because there may be no row yet to lock. Without it the second of two
    # transactions would fail at the unique index `order_business_key_open`.
    db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(business_key, 0))))
    twin = and_(Order.business_key == business_key, Order.status.in_(OPEN))
    which = twin if reference is None else or_(twin, Order.reference == reference)
    return db.scalars(select(Order).where(which)).first()


def rivals(db: Session, order: Order) -> set[int]:
    """Return the sslIds of the account's other orders with the same common name: this order has none of them."""
    query = select(Order.scm_id).where(
        Order.account_id == order.account_id,
        Order.common_name == order.common_name,
        Order.id != order.id,
    )
    return {number for number in db.scalars(query) if number is not None}


def newer_orders(db: Session, order: Order) -> list[tuple[int, str]]:
    """Return (sslId, common name) of up to three orders sent after this one and accepted by SCM, newest first.

    If SCM's list shows one of them, the list is recent enough to show this order too.
    """
    query = (
        select(Order.scm_id, Order.common_name)
        .where(
            Order.account_id == order.account_id,
            Order.sent_at > order.sent_at,
            Order.kind.in_((OrderKind.NEW, OrderKind.RENEWAL)),
            Order.scm_id.is_not(None),
        )
        .order_by(Order.sent_at.desc())
        .limit(3)
    )
    return [(number, name) for number, name in db.execute(query) if number is not None]


def locked(db: Session, order_id: str, account: Account | None = None) -> Order:
    """Load the order afresh and lock its row until the transaction ends. `account`: the order's, if known."""
    statement = _locking() if account is None else _locking_alone()
    order, now = db.execute(statement, {"own_id": order_id}).one()
    db.info[NOW] = now  # saves `clock` its query
    if account is not None:
        order.belongs_to(account)
    return order


@cache
def _locking() -> Select[Order, datetime]:
    return (
        select(Order, func.now())
        .where(Order.id == bindparam("own_id"))
        # of=Order: its account is joined, and must not be locked with it.
        .with_for_update(of=Order)
        .execution_options(populate_existing=True)
    )


@cache
def _locking_alone() -> Select[Order, datetime]:
    return _locking().options(raiseload(Order.account))

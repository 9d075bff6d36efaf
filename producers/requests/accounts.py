"""Requests about accounts: a new secret, removal, reactivation, and refusal for suspended ones.

After a removal SCM is no longer called; orders and certificates stay readable.
"""

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AccountStatus,
    Certificate,
    Command,
    CommandStatus,
    CommandType,
    CustomField,
    Domain,
    Line,
    Order,
    Organization,
    Profile,
)
from certline.models.accounts.suspension import suspended_text
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.command import hasten
from certline.models.database.session import clock
from certline.models.lifecycle.moves import move
from certline.models.states import OPEN, OrderStatus


@dataclass(frozen=True)
class Removed:
    """Counts of a removal. `cancelled`: ids of orders never sent to SCM; `in_review`: ids of open orders that
    SCM has or may have; `certificates`: number of stored certificates, which stay.
    """

    account: Account
    cancelled: list[str] = field(default_factory=list)
    in_review: list[str] = field(default_factory=list)
    certificates: int = 0


class SuspendedError(Exception):
    """The account is suspended; the text says what to do."""


class OpenOrdersError(Exception):
    """The account has open orders, so it is only removed with `force`."""

    def __init__(self, name: str, counts: dict[str, int]) -> None:
        self.count = sum(counts.values())
        told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        orders = "order" if self.count == 1 else "orders"
        super().__init__(f"account {name!r} has {self.count} open {orders} ({told})")


def remove_account(db: Session, account: Account, *, who: Identity, force: bool) -> Removed:
    """Remove an account. The caller holds a lock on its row, so no order can be placed for it meanwhile.

    An account that was never used is deleted. Of any other account the stored login and SCM's synced data are
    deleted; orders and certificates stay. With `force`, open orders that were never sent are cancelled, and the
    others are put into review, since SCM may hold them. Raises OpenOrdersError if there are open orders and
    `force` is not set.
    """
    still_open = _open_orders(db, account)
    if still_open and not force:
        counts = Counter(order.status.value for order in still_open)
        raise OpenOrdersError(account.name, dict(counts))
    removed = Removed(account, certificates=_count(db, Certificate, account))
    for order in still_open:
        _settle(db, order, removed, who=who)
    for mirrored in (Organization, Domain, Profile, CustomField):
        db.execute(delete(mirrored).where(mirrored.account_id == account.id))
    # Rows of other tables refer to the account, so it can only be deleted if it has none of them.
    if any(_count(db, table, account) for table in (Order, Certificate, Line)):
        account.status, account.status_reason = AccountStatus.REMOVED, f"removed by {who}"
        account.secret_sealed = None
        account.synced_at = None
    else:
        db.delete(account)
    record(
        db,
        "account.removed",
        account.name,
        who=who,
        orders_cancelled=removed.cancelled,
        orders_in_review=removed.in_review,
    )
    return removed


def refuse_suspended(account: Account) -> None:
    """Raise SuspendedError if the account is not active, since SCM can't be called with its login."""
    if account.status is not AccountStatus.ACTIVE:
        raise SuspendedError(suspended_text(account))


def lift_suspension(db: Session, account: Account, *, who: Identity) -> int:
    """Reactivate an account whose login works again, and make its waiting commands due. Returns how many."""
    account.status = AccountStatus.ACTIVE
    account.status_reason = None
    record(db, "account.verified", account.name, who=who)
    orders = select(Order.id).where(Order.account_id == account.id)
    certificates = select(Certificate.id).where(Certificate.account_id == account.id)
    # The subject of these is neither an order nor a certificate, but their payload names the account.
    of_an_import = and_(
        Command.type.in_((CommandType.IMPORT, CommandType.IMPORT_BATCH)),
        Command.payload["account"].as_string() == account.name,
    )
    waiting = db.scalars(
        select(Command).where(
            or_(Command.subject.in_(orders.union(certificates)), of_an_import),
            Command.status == CommandStatus.QUEUED,
            # A revocation scheduled for later waits for its time, not for this account.
            or_(
                Command.type != CommandType.REVOKE,
                Command.started_at.is_not(None),
                Command.not_before <= func.now(),
            ),
        )
    ).all()
    for command in waiting:
        hasten(db, command)
    return len(waiting)


def _open_orders(db: Session, account: Account) -> list[Order]:
    # Locked in the order of their ids: two transactions that lock several orders must not deadlock.
    query = select(Order).where(Order.account_id == account.id, Order.status.in_(OPEN))
    return list(db.scalars(query.order_by(Order.id).with_for_update(of=Order)))


def _settle(db: Session, order: Order, removed: Removed, *, who: Identity) -> None:
    match order.status:
        case OrderStatus.PLACED:
            move(db, order, OrderStatus.CANCELLED, why="its account was removed", who=who)
            removed.cancelled.append(order.id)
        case OrderStatus.REVIEW:
            removed.in_review.append(order.id)
        case status:
            number = "" if order.scm_id is None else f" as {order.scm_id}"
            holds = "may hold" if status is OrderStatus.SENDING else "holds"
            why = f"its account was removed while it was {status}: SCM {holds} it{number}"
            order.next_poll_at = None
            move(db, order, OrderStatus.REVIEW, why=why, who=who)
            removed.in_review.append(order.id)


def _count(
    db: Session, table: type[Order] | type[Certificate] | type[Line], account: Account
) -> int:
    query = select(func.count()).select_from(table).where(table.account_id == account.id)
    return db.scalar(query) or 0


def record_verified(db: Session, account: Account) -> None:
    """Store that SCM has accepted the account's login now."""
    account.verified_at = clock(db)


def change_secret(
    db: Session, account: Account, secret: bytes, certificate: str | None, *, who: Identity
) -> None:
    """Store a new secret (encrypted) of an account, and the client certificate that belongs to it, if any."""
    account.secret_sealed = secret
    account.client_certificate = certificate
    record(db, "account.password_changed", account.name, who=who)

"""Requests about accounts: a new secret, removal, reactivation, and refusal for suspended ones.

After a removal SCM is no longer called; orders and certificates stay readable.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import and_, delete, exists, func, or_, select
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
from certline.models.audit.identity import SWEEP, Identity
from certline.models.audit.log import record
from certline.models.commands.bulk import hasten_many
from certline.models.database.secret_place import place_of
from certline.models.database.session import clock
from certline.models.lifecycle.moves import move
from certline.models.states import OPEN, OrderStatus
from certline.models.vault import Vault

# Open orders settled in one transaction: each has its audit entry, its event and its command.
PIECE = 200
# Open orders that a removal settles; for those in review an operator decides already.
UNSETTLED = tuple(sorted(OPEN - {OrderStatus.REVIEW}))


@dataclass(frozen=True)
class Removed:
    """Counts of a removal. `cancelled`: ids of orders never sent to SCM; `in_review`: ids of open orders that
    SCM has or may have; `certificates`: number of stored certificates, which stay. `left`: open orders that are
    still to be settled (`settle_more`).
    """

    account: Account
    cancelled: list[str] = field(default_factory=list)
    in_review: list[str] = field(default_factory=list)
    certificates: int = 0
    left: int = 0


class SuspendedError(Exception):
    """The account is suspended; the text says what to do."""


class OpenOrdersError(Exception):
    """The account has open orders, so it is only removed with `force`."""

    def __init__(self, name: str, counts: dict[str, int]) -> None:
        self.count = sum(counts.values())
        told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        orders = "order" if self.count == 1 else "orders"
        super().__init__(f"account {name!r} has {self.count} open {orders} ({told})")


def remove_account(
    db: Session, account: Account, *, who: Identity, force: bool, most: int = PIECE
) -> Removed:
    """Remove an account. The caller holds a lock on its row, so no order can be placed for it meanwhile.

    An account that was never used is deleted. Of any other account the stored login and SCM's synced data are
    deleted; orders and certificates stay. With `force`, open orders that were never sent are cancelled, and the
    others are put into review, since SCM may hold them: `most` of them in this transaction, the rest in those of
    `settle_more`, or of the sweep if this process dies. The account can't be used from now on. Raises
    OpenOrdersError if there are open orders and `force` is not set.
    """
    still_open = _count_open(db, account)
    if still_open and not force:
        raise OpenOrdersError(account.name, dict(still_open))
    certificates = _count(db, Certificate, account)
    for mirrored in (Organization, Domain, Profile, CustomField):
        db.execute(delete(mirrored).where(mirrored.account_id == account.id))
    # Rows of other tables refer to the account, so it can only be deleted if it has none of them.
    if certificates or any(_count(db, table, account) for table in (Order, Line)):
        account.status, account.status_reason = AccountStatus.REMOVED, f"removed by {who}"
        account.secret_sealed = None
        account.synced_at = None
    else:
        db.delete(account)
    removed = Removed(account, certificates=certificates)
    if still_open:
        in_review = _ids_in_review(db, account)
        removed = replace(
            _settle(db, account, removed, most=most, who=who), certificates=certificates
        )
        removed.in_review[:] = sorted([*removed.in_review, *in_review])
    record(
        db,
        "account.removed",
        account.name,
        who=who,
        orders_cancelled=removed.cancelled,
        orders_in_review=removed.in_review,
        orders_left=removed.left,
    )
    return removed


def settle_more(db: Session, account: Account, *, who: Identity, most: int = PIECE) -> Removed:
    """Settle up to `most` further open orders of a removed account: cancel those never sent, put others in review.

    Does nothing if the account was added again meanwhile.
    """
    return _settle(db, account, Removed(account), most=most, who=who)


def settle_removed(db: Session, most: int) -> int:
    """Settle up to `most` open orders of removed accounts whose removal was interrupted. Returns how many."""
    gone = db.scalars(
        select(Account).where(
            Account.status == AccountStatus.REMOVED,
            exists().where(Order.account_id == Account.id, Order.status.in_(UNSETTLED)),
        )
    )
    count = 0
    for account in gone.all():
        done = _settle(db, account, Removed(account), most=most - count, who=SWEEP)
        count += len(done.cancelled) + len(done.in_review)
    return count


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
    waiting = select(Command.id).where(
        or_(Command.subject.in_(orders.union(certificates)), of_an_import),
        Command.status == CommandStatus.QUEUED,
        # A revocation scheduled for later waits for its time, not for this account.
        or_(
            Command.type != CommandType.REVOKE,
            Command.started_at.is_not(None),
            Command.not_before <= func.now(),
        ),
    )
    return hasten_many(db, waiting.with_for_update())


def _count_open(db: Session, account: Account) -> dict[str, int]:
    query = select(Order.status, func.count()).where(
        Order.account_id == account.id, Order.status.in_(OPEN)
    )
    return {status.value: count for status, count in db.execute(query.group_by(Order.status))}


def _ids_in_review(db: Session, account: Account) -> list[str]:
    query = select(Order.id).where(
        Order.account_id == account.id, Order.status == OrderStatus.REVIEW
    )
    return list(db.scalars(query))


def _settle(
    db: Session, account: Account, removed: Removed, *, most: int, who: Identity
) -> Removed:
    """Settle up to `most` open orders of an account that is marked as removed."""
    db.flush()
    # Locked in the order of their ids: two transactions that lock several orders must not deadlock.
    query = (
        select(Order)
        .join(Account, Account.id == Order.account_id)
        .where(
            Order.account_id == account.id,
            Account.status == AccountStatus.REMOVED,
            Order.status.in_(UNSETTLED),
        )
        .order_by(Order.id)
        .limit(most)
        .with_for_update(of=Order)
    )
    for order in db.scalars(query).all():
        _settle_one(db, order, removed, who=who)
    db.flush()
    left = select(func.count()).where(Order.account_id == account.id, Order.status.in_(UNSETTLED))
    return replace(removed, left=db.scalar(left) or 0)


def _settle_one(db: Session, order: Order, removed: Removed, *, who: Identity) -> None:
    if order.status is OrderStatus.PLACED:
        move(db, order, OrderStatus.CANCELLED, why="its account was removed", who=who)
        removed.cancelled.append(order.id)
        return
    number = "" if order.scm_id is None else f" as {order.scm_id}"
    holds = "may hold" if order.status is OrderStatus.SENDING else "holds"
    why = f"its account was removed while it was {order.status}: SCM {holds} it{number}"
    order.next_poll_at = None
    move(db, order, OrderStatus.REVIEW, why=why, who=who)
    removed.in_review.append(order.id)


def _count(
    db: Session, table: type[Order] | type[Certificate] | type[Line], account: Account
) -> int:
    query = select(func.count()).select_from(table).where(table.account_id == account.id)
    return db.scalar(query) or 0


def record_verified(db: Session, account: Account, examined: dict[str, Any]) -> None:
    """Store that SCM has accepted the account's login now, and what it may do there (`Account.examined`)."""
    account.verified_at = clock(db)
    account.examined = examined


def change_secret(
    db: Session,
    vault: Vault,
    account: Account,
    secret: bytes,
    certificate: str | None,
    *,
    who: Identity,
) -> None:
    """Encrypt and store a new secret of an account, and the client certificate that belongs to it, if any."""
    account.secret_sealed = vault.seal(secret, place_of(account, "secret_sealed"))
    account.client_certificate = certificate
    record(db, "account.password_changed", account.name, who=who)

"""An operator's decisions about an order in review: adopt a record of SCM, send the order again, or reject it."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import AccountStatus, Database, Order, OrderKind, OrderStatus
from certline.models.accounts.suspension import suspended_text
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.lifecycle.moves import move
from certline.models.orders.order import locked
from certline.models.validation import BadCommandError
from certline.workers.ordering.submission import take_over
from certline.workers.scm import Enrolled
from certline.workers.steps.reconcile import resend


def adopt(
    database: Database, order_id: str, ssl_id: int, *, who: Identity, why: str | None
) -> Order:
    """Adopt a record of SCM for the order, which is then polled and fetched like any pending order.

    The match is checked when the certificate is fetched: only a certificate with the order's public key is stored.
    Raises BadCommandError if the order is not in review, its account was removed, or the record belongs to
    another order.
    """
    with database.transaction() as db:
        order = _in_review(db, order_id)
        _require_account(order)
        other = _holder(db, order, ssl_id)
        if other is not None:
            raise BadCommandError([f"sslId {ssl_id} belongs to order {other.id} ({other.status})"])
        _note(db, order, f"adopted SCM's {ssl_id}", who, why)
        take_over(db, order, Enrolled(ssl_id, None), timedelta(0))
        return order


def send_again(database: Database, order_id: str, *, who: Identity, why: str | None) -> Order:
    """Send the order again, which may create a second one at SCM (see `may_be_at_scm`).

    Raises BadCommandError if the order is not in review, its account was removed, or certline has no command or
    CSR to send.
    """
    with database.transaction() as db:
        order = _in_review(db, order_id)
        _require_account(order)
        if order.command_id is None or order.csr is None:
            raise BadCommandError([f"order {order.id} was not sent by certline: can't resend it"])
        _note(db, order, "sent again", who, why)
        # The operator's decision starts a new series of tries.
        order.attempts = 0
        resend(db, order, why="an operator had it sent again", who=who)
        return order


def reject(database: Database, order_id: str, *, who: Identity, why: str | None) -> Order:
    """Reject the order for good: no poll, import or sweep moves it again, and a record of it at SCM is left there.

    Raises BadCommandError if it is not in review.
    """
    with database.transaction() as db:
        order = _in_review(db, order_id)
        _note(db, order, "given up", who, why)
        order.given_up = True
        move(db, order, OrderStatus.REJECTED, why=why or "an operator gave it up", who=who)
        return order


def may_be_at_scm(order: Order) -> list[int]:
    """Return the sslIds, sorted, that this order may already have at SCM: a resend could duplicate it."""
    found = [found["scm_id"] for found in order.found if found.get("match") != "no"]
    return sorted({*found, *([order.scm_id] if order.scm_id is not None else [])})


def _in_review(db: Session, order_id: str) -> Order:
    order = locked(db, order_id)
    if order.status is not OrderStatus.REVIEW:
        rests = order.status is OrderStatus.SENDING
        hint = "; it is still being looked up at SCM" if rests else ""
        raise BadCommandError(
            [f"order {order.id} is {order.status}, and there is nothing to decide{hint}"]
        )
    return order


def _require_account(order: Order) -> None:
    if order.account.status is AccountStatus.REMOVED:
        raise BadCommandError([f"order {order.id}: {suspended_text(order.account)}"])


def _holder(db: Session, order: Order, ssl_id: int) -> Order | None:
    if order.kind is OrderKind.REISSUE:  # a reissue keeps the sslId of its predecessor
        return None
    query = select(Order).where(
        Order.account_id == order.account_id, Order.scm_id == ssl_id, Order.id != order.id
    )
    return db.scalars(query).first()


def _note(db: Session, order: Order, what: str, who: Identity, why: str | None) -> None:
    text = f"{what}: {why}" if why else what
    record(db, "order.resolved", order.id, who=who, why=text, command_id=order.command_id)

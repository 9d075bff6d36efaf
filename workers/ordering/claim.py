"""The claim of an order: the right to make the one call that sends it to SCM, committed before the call."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from certline.models import Account, CallKind, Certificate, Order, OrderStatus
from certline.models.audit.identity import WORKER
from certline.models.audit.log import record
from certline.models.lifecycle.moves import is_to_be_cancelled
from certline.models.orders.change import change
from certline.models.restore.recovery import clear_to_send
from certline.models.settings import Settings
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.scm.transport.connections import since_boot

# Failed attempts after which an order goes to `review`; with growing pauses they take some hours.
# Renewals have no limit: in the end they are attempted once a day.
MOST_ATTEMPTS = 20

# Seconds from the claim to the first byte of the POST; later the POST isn't sent. A third of the settle time
# at most (`send_within`), so that no POST of a frozen worker leaves after reconciling has begun.
SEND_WITHIN = 60.0


@dataclass(frozen=True)
class Claim:
    """The right to make the one call for an order.

    `fence`: its number; the response is stored only while no later claim exists. `predecessor`: the sslId of
    the certificate to renew or reissue. `send_before`: until when the POST may leave (`since_boot`).
    """

    order: Order
    account: Account
    fence: int
    attempt: int
    predecessor: int | None
    send_before: float


def is_exhausted(order: Order) -> bool:
    """Return whether SCM has refused to take the order so often that an operator decides."""
    return order.attempts >= MOST_ATTEMPTS and order.renewed_line is None


def claim_at_once(
    context: WorkerContext, db: Session, order: Order, predecessor: int | None = None
) -> Claim | None:
    """Claim an order in the transaction that begins its step, if its call may be made at once.

    Returns None if the call has to wait for its turn, or the order is not to be sent. Raises TryLater or GiveUp if
    its account is suspended or was removed, AccountSuspendedError if the login cannot be decrypted.
    """
    if order.status is not OrderStatus.PLACED or is_exhausted(order):
        return None
    require_active(order.account)
    send_before = since_boot() + send_within(context.settings)
    if not context.provide(db, order.account, CallKind.ORDER):
        return None
    return claim_to_send(db, order, send_before, predecessor)


def send_within(settings: Settings) -> float:
    """Return the seconds that may pass between a claim and the first byte of its POST."""
    return min(SEND_WITHIN, settings.settle_seconds / 3)


def claim_to_send(
    db: Session, order: Order, send_before: float, predecessor: int | None = None
) -> Claim | None:
    """Claim an order: move it from `placed` to `sending`, and increment its fence.

    Returns None if the order is no longer `placed`, is about to be cancelled, or nothing may be sent after a
    restore or a start of Postgres (`clear_to_send`). The caller has to commit before the call to SCM, and to take
    `send_before` before the claim: it may not end later than `send_within` after `sent_at`. `predecessor`: the
    sslId of the order's predecessor, if it is known.
    """
    if not change(db, order, _claiming(), {"own_id": order.id}):
        return None
    fence = order.fence
    record(db, "order.sending", order.id, who=WORKER, command_id=order.command_id, fence=fence)
    predecessor = predecessor or predecessor_at_scm(db, order)
    return Claim(order, order.account, fence, order.attempts, predecessor, send_before)


@cache
def _claiming() -> ReturningUpdate[*tuple[Any, ...]]:
    """Return the statement of the claim. It is built once, because every order runs it."""
    # One UPDATE with the status in its WHERE: of two workers at once, only one gets a row back.
    return (
        update(Order)
        .where(
            Order.id == bindparam("own_id"),
            Order.status == OrderStatus.PLACED,
            ~is_to_be_cancelled(),
            clear_to_send(),
        )
        .values(
            status=OrderStatus.SENDING,
            fence=Order.fence + 1,
            attempts=Order.attempts + 1,
            looks=0,
            sent_at=func.now(),
            updated_at=func.now(),
            error=None,
        )
        # The kind, too: a renewal that its profile refuses becomes a new order.
        .returning(
            Order.kind,
            Order.status,
            Order.fence,
            Order.attempts,
            Order.looks,
            Order.sent_at,
            Order.updated_at,
            Order.error,
        )
    )


def predecessor_at_scm(db: Session, order: Order) -> int | None:
    """Return the sslId of the certificate that an order renews or reissues, or None."""
    query = select(Certificate.scm_id).where(Certificate.id == order.predecessor_id)
    return None if order.predecessor_id is None else db.scalars(query).one()

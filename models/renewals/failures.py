"""Effects of a failed renewal on its line, and of a renewal by hand on earlier failures.

The rule itself is in `models/certificates/backoff.py`. Locks are taken in the order command, backoff.
"""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models.certificates.backoff import (
    DAILY,
    backoff_of,
    renewal_failed,
    reset_backoff,
)
from certline.models.certificates.certificate import (
    SeveralCertificatesError,
    certificate_known_as,
)
from certline.models.commands.command import Command, hasten
from certline.models.database.session import clock
from certline.models.lifecycle.succession import open_succession
from certline.models.lifecycle.succession_rule import newest_here
from certline.models.orders.order import Order, order_of_command
from certline.models.states import RENEWABLE, CommandStatus, OrderStatus

# Attempts of one renewal that follow within seconds, as for any order: a brief disturbance does not count as
# a failure of the line. After them the line rests.
QUICK_TRIES = 5


def rest_after(db: Session, order: Order, tries: int, why: str) -> timedelta:
    """Return how long a renewal rests after SCM could not accept it for the n-th time, and count the failure.

    Zero, and not counted, for the attempts before QUICK_TRIES and for an order that renews nothing. The
    renewal is retried without limit, finally once a day: its line would be left without a certificate otherwise.
    """
    if order.renewed_line is None or tries < QUICK_TRIES:
        return timedelta(0)
    failed = renewal_failed(db, order.renewed_line, permanent=False, reason=why)
    # No next try: the line waits for an operator, but an order that exists is still retried.
    return DAILY if failed.next_try_at is None else failed.next_try_at - clock(db)


def rest_of_command(db: Session, command: Command, why: str) -> timedelta:
    """Return how long a renewal rests whose command could not look up its certificate at SCM (`rest_after`)."""
    order = order_of_command(db, command.id)
    return timedelta(0) if order is None else rest_after(db, order, command.attempts, why)


def note_refusal(db: Session, command: Command, why: str) -> None:
    """Record that a renewal was refused before an order was placed: its line waits for an operator.

    Nothing is recorded if the line has a newer certificate or an open successor.
    """
    try:
        certificate = certificate_known_as(db, str(command.payload.get("certificate", "")))
    except SeveralCertificatesError:
        return
    if certificate is None or certificate.status not in RENEWABLE:
        return
    going = open_succession(db, certificate.line_id)
    if going is None and not newest_here(db, [certificate.id]):
        renewal_failed(db, certificate.line_id, permanent=True, reason=why)


def begin_anew(db: Session, line_ids: Collection[str]) -> None:
    """Clear the failures of lines that a user renews by hand, and make their resting renewals due now."""
    resting = [line_id for line_id, held in backoff_of(db, line_ids).items() if held.failures]
    if not resting:
        return
    waiting = db.scalars(
        select(Command)
        .join(Order, Order.command_id == Command.id)
        .where(
            Order.line_id.in_(resting),
            Order.status == OrderStatus.PLACED,
            Command.status == CommandStatus.QUEUED,
        )
        .order_by(Command.id)
        .with_for_update(of=Command)
    )
    for command in waiting.all():
        hasten(db, command)
    for line_id in sorted(resting):
        reset_backoff(db, line_id)

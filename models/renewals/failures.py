"""What a failed renewal means for its line, and what a person's own renewal means for what failed.

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
from certline.models.commands.command import Command, CommandStatus, hasten
from certline.models.database.session import clock
from certline.models.lifecycle.succession import open_succession
from certline.models.orders.order import Order, order_of_command
from certline.models.states import RENEWABLE, OrderStatus

# Tries of one renewal that follow each other within seconds, as those of any order: a hiccup is no
# failure. After them the line rests.
QUICK_TRIES = 5


def rest_after(db: Session, order: Order, tries: int, why: str) -> timedelta:
    """How long a renewal rests that SCM could not take for the n-th time; zero while that is a
    hiccup, and for what is no renewal. Counts the failure.

    It is tried for as long as that lasts, once a day in the end: its line would be without a
    certificate otherwise.
    """
    if order.renewed_line is None or tries < QUICK_TRIES:
        return timedelta(0)
    failed = renewal_failed(db, order.renewed_line, permanent=False, reason=why)
    return DAILY if failed.next_try_at is None else failed.next_try_at - clock(db)


def rest_of_command(db: Session, command: Command, why: str) -> timedelta:
    """The same for a renewal's command that could not ask SCM about its certificate."""
    order = order_of_command(db, command.id)
    return timedelta(0) if order is None else rest_after(db, order, command.attempts, why)


def note_refusal(db: Session, command: Command, why: str) -> None:
    """A renewal was refused before there was an order: its line waits for a person.

    Not where the line has a newer certificate, or another successor on its way: it lacks nothing.
    """
    try:
        certificate = certificate_known_as(db, str(command.payload.get("certificate", "")))
    except SeveralCertificatesError:
        return
    if certificate is None or certificate.status not in RENEWABLE:
        return
    if open_succession(db, certificate.line_id) is None:
        renewal_failed(db, certificate.line_id, permanent=True, reason=why)


def begin_anew(db: Session, line_ids: Collection[str]) -> None:
    """A person renews these lines by hand: what failed counts no more, and what rests goes on now."""
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

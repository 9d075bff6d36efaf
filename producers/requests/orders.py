"""Requests for orders: check one, place one, poll those that are pending."""

from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Database, Order
from certline.models.accounts.account import account_for
from certline.models.accounts.catalogue import profiles
from certline.models.commands.payloads import OrderCommand, PollCommand
from certline.models.orders.checks import find_offered, usual_key
from certline.models.states import OrderStatus
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.producers.requests.acceptance import Accepted, UserRequest
from certline.producers.requests.accounts import refuse_suspended
from certline.workers.ordering.new_order import NewOrder, check


def check_order(database: Database, wanted: OrderCommand) -> list[str]:
    """Check an order against the last sync without placing it. Returns the warnings. Raises BadCommandError."""
    with database.transaction() as db:
        return check(db, account_for(db, wanted.account), wanted).warnings


def key_of(
    database: Database,
    *,
    account: str | None,
    profile: str,
    algorithm: str | None,
    size: str | None,
) -> tuple[str, str]:
    """Return algorithm and size of an order's key; those not given are chosen by its profile as last synced."""
    known = None
    if algorithm is None or size is None:
        # An unknown account or profile is reported by the check of the order, with its other problems.
        with database.transaction() as db, suppress(BadCommandError):
            offered = profiles(db, account_for(db, account).id)
            known = find_offered("profile", profile, offered)
    return usual_key(known, algorithm, size)


def request_order(
    database: Database,
    vault: Vault,
    wanted: OrderCommand,
    *,
    requested_by: str,
    command_id: str | None = None,
) -> Accepted:
    """Place an order: command, order, key, CSR, reference and wake-up in one transaction.

    The same command id again returns the first command; the same intent under another id returns the open order
    in `Accepted.already`. Raises BadCommandError if the order is invalid, SuspendedError if the account is
    suspended, OtherCommandError if the id was used for something else.
    """
    request = UserRequest(CommandType.ORDER, wanted, requested_by, command_id)

    def draft(db: Session) -> NewOrder:
        account = account_for(db, wanted.account)
        refuse_suspended(account)
        return NewOrder(account, wanted, check(db, account, wanted))

    return request.place(database, vault, draft)


def request_polls(database: Database, orders: list[str], *, requested_by: str) -> list[Command]:
    """Record a command for each of these orders that polls it at SCM; orders that are not pending are left out."""
    with database.transaction() as db:
        named = db.scalars(select(Order).where(Order.id.in_(orders)).order_by(Order.id))
        return [
            UserRequest(CommandType.POLL, PollCommand(order=order.id), requested_by)
            .accept(db)
            .command
            for order in named
            if order.status is OrderStatus.PENDING
        ]

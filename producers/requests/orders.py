"""Requests for orders: check one, place one, poll those that are pending."""

from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Database, Order
from certline.models.accounts.account import account_for
from certline.models.accounts.catalogue import custom_fields
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import OrderCommand, PollCommand
from certline.models.orders.custom_fields import read_pair
from certline.models.states import OrderStatus
from certline.models.validation import BadCommandError
from certline.models.vault import Vault
from certline.producers.requests.acceptance import Accepted, UserRequest
from certline.producers.requests.accounts import refuse_suspended
from certline.workers.ordering.new_order import NewOrder, draft_of


def check_order(database: Database, vault: Vault, wanted: OrderCommand) -> list[str]:
    """Check an order as `request_order` does, without placing it. Returns the warnings. Raises BadCommandError."""
    with database.transaction() as db:
        return draft_of(db, account_for(db, wanted.account), wanted, vault).warnings


def fields_of(database: Database, account: str | None, pairs: Iterable[str]) -> dict[str, str]:
    """Return the custom fields that texts `NAME=VALUE` set. Raises ValueError for a text of another form.

    A name may have a `=` itself if SCM has a field of that name, as last synced.
    """
    pairs = list(pairs)
    known: list[str] = []
    if pairs:
        # An unknown account is reported by the check of the order, with its other problems.
        with database.transaction() as db, suppress(BadCommandError):
            known = [row.name for row in custom_fields(db, account_for(db, account).id)]
    return dict(read_pair(text, known) for text in pairs)


def request_order(
    database: Database,
    vault: Vault,
    wanted: OrderCommand,
    *,
    requested_by: Identity,
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
        return draft_of(db, account, wanted, vault)

    return request.place(database, vault, draft)


def request_polls(
    database: Database, orders: list[str], *, requested_by: Identity
) -> list[Command]:
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

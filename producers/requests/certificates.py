"""Requests about stored orders and certificates: renew, reissue, revoke, cancel, delete."""

from sqlalchemy.orm import Session

from certline.models import Account, CommandType, Database, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import (
    CancelCommand,
    DeleteCommand,
    ReissueCommand,
    RenewCommand,
    RevokeCommand,
)
from certline.models.lifecycle.deletion import require_deletable
from certline.models.renewals.failures import begin_anew
from certline.models.vault import Vault
from certline.producers.requests.acceptance import Accepted, UserRequest
from certline.producers.requests.accounts import refuse_suspended
from certline.workers.ordering.succession import Plan, plan
from certline.workers.steps.cancel import order_to_cancel, require_cancellable
from certline.workers.steps.delete import to_delete
from certline.workers.steps.revoke import to_revoke


def request_successor(
    database: Database,
    vault: Vault,
    wanted: RenewCommand | ReissueCommand,
    *,
    requested_by: Identity,
    command_id: str | None = None,
) -> Accepted:
    """Place the order of a certificate's successor: command, order, key, CSR and wake-up in one transaction.

    The same command id again returns the first command; the same intent under another id returns the open order
    in `Accepted.already`. Raises BadCommandError if it can't be ordered, SuspendedError if the account is
    suspended, OtherCommandError if the id was used for something else.
    """
    kind = CommandType.RENEW if isinstance(wanted, RenewCommand) else CommandType.REISSUE
    request = UserRequest(kind, wanted, requested_by, command_id)

    def draft(db: Session) -> Plan:
        planned = plan(db, wanted)
        refuse_suspended(planned.account)
        return planned

    def begin(db: Session, planned: Plan) -> None:
        if kind is CommandType.RENEW:
            # A renewal by hand resets the back-off of earlier failures.
            begin_anew(db, [planned.predecessor.line_id])

    return request.place(database, vault, draft, begin)


def request_revocation(
    database: Database,
    wanted: RevokeCommand,
    *,
    requested_by: Identity,
    command_id: str | None = None,
) -> Accepted:
    """Record a command that revokes a certificate at SCM.

    Raises BadCommandError if it can't be revoked, SuspendedError if the account is suspended, OtherCommandError if
    the id was used for something else.
    """
    request = UserRequest(CommandType.REVOKE, wanted, requested_by, command_id)
    with database.transaction() as db:
        first = request.earlier(db)
        if first is not None:
            return first
        found = to_revoke(db, wanted)
        refuse_suspended(db.get_one(Account, found.account_id))
        return request.accept(db, subject=found.id)


def request_cancelling(
    database: Database,
    wanted: CancelCommand,
    *,
    requested_by: Identity,
    command_id: str | None = None,
) -> Accepted:
    """Record a command that cancels an order; from now on an order that was never sent is not sent any more.

    Raises BadCommandError if it can't be cancelled, SuspendedError if it takes a call to SCM and the account is
    suspended, OtherCommandError if the id was used for something else.
    """
    request = UserRequest(CommandType.CANCEL, wanted, requested_by, command_id)
    with database.transaction() as db:
        first = request.earlier(db)
        if first is not None:
            return first
        order = order_to_cancel(db, wanted)
        require_cancellable(order)
        if order.status is OrderStatus.PENDING:  # for all others SCM is not called
            refuse_suspended(order.account)
        return request.accept(db, subject=order.id)


def request_deletion(
    database: Database,
    wanted: DeleteCommand,
    *,
    requested_by: Identity,
    command_id: str | None = None,
) -> Accepted:
    """Record a command that deletes an order or certificate from our database; nothing changes at SCM.

    Raises BadCommandError if it is not known, StillOpenError if orders are open and the command doesn't say
    `yes`, OtherCommandError if the id was used for something else.
    """
    request = UserRequest(CommandType.DELETE, wanted, requested_by, command_id)
    with database.transaction() as db:
        first = request.earlier(db)
        if first is not None:
            return first
        found = to_delete(db, wanted)
        require_deletable(db, found, insist=wanted.yes)
        return request.accept(db, subject=found.id)

"""Requests about stored orders and certificates: renew, reissue, revoke, cancel, delete."""

from certline.models import Account, Command, CommandStatus, CommandType, Database, Order
from certline.models.commands.command import accept, finish, known_id, require_same
from certline.models.commands.payloads import (
    CancelCommand,
    DeleteCommand,
    ReissueCommand,
    RenewCommand,
    RevokeCommand,
)
from certline.models.renewals.failures import begin_anew
from certline.models.vault import Vault
from certline.producers.requests.orders import Accepted, refuse_suspended
from certline.workers.ordering.succession import material_for, place_successor, plan
from certline.workers.steps.cancel import CancelResult, cancel_unsent, order_to_cancel
from certline.workers.steps.delete import deleted
from certline.workers.steps.revoke import certificate_to_revoke


def check_successor(database: Database, wanted: RenewCommand | ReissueCommand) -> list[str]:
    """Check a renewal or reissue without placing it. Returns the warnings. Raises BadCommandError."""
    with database.transaction() as db:
        return plan(db, wanted).checked.warnings


def request_successor(
    database: Database,
    vault: Vault,
    wanted: RenewCommand | ReissueCommand,
    *,
    requested_by: str,
    command_id: str | None = None,
) -> Accepted:
    """Place the order of a certificate's successor: command, order, key, CSR and wake-up in one transaction.

    The same command id again returns the first command; the same intent under another id returns the open order
    in `Accepted.already`. Raises BadCommandError if it can't be ordered, SuspendedError if the account is
    suspended, OtherCommandError if the id was used for something else.
    """
    kind = CommandType.RENEW if isinstance(wanted, RenewCommand) else CommandType.REISSUE
    payload = wanted.model_dump(mode="json", exclude_defaults=True)
    command_id = None if command_id is None else known_id(command_id)
    with database.transaction() as db:
        first = None if command_id is None else db.get(Command, command_id)
        if first is not None:
            require_same(first, kind, payload)
            return Accepted(first, False, [])
        planned = plan(db, wanted)
        refuse_suspended(planned.account)
    # Generating a key takes time: outside of the transactions, so that no lock is held meanwhile.
    material = material_for(planned, vault)
    with database.transaction() as db:
        if kind is CommandType.RENEW:
            # A renewal by hand resets the back-off of earlier failures.
            begin_anew(db, [planned.predecessor.line_id])
        command, new = accept(
            db, kind, payload, requested_by=requested_by, source="cli", command_id=command_id
        )
        if not new:  # accepted by a concurrent request meanwhile: the new key is discarded
            return Accepted(command, False, [])
        placed = place_successor(db, command, planned, material, vault)
        already = db.get(Order, command.subject) if placed is None else None
    return Accepted(command, True, planned.checked.warnings, already)


def request_revocation(
    database: Database, wanted: RevokeCommand, *, requested_by: str, command_id: str | None = None
) -> Accepted:
    """Record a command that revokes a certificate at SCM.

    Raises BadCommandError if it can't be revoked, SuspendedError if the account is suspended, OtherCommandError if
    the id was used for something else.
    """
    payload = wanted.model_dump(mode="json", exclude_defaults=True)
    with database.transaction() as db:
        certificate = certificate_to_revoke(db, wanted)
        refuse_suspended(db.get_one(Account, certificate.account_id))
        command, new = accept(
            db,
            CommandType.REVOKE,
            payload,
            requested_by=requested_by,
            source="cli",
            command_id=command_id,
            subject=certificate.id,
        )
        return Accepted(command, new, [])


def request_cancelling(
    database: Database, wanted: CancelCommand, *, requested_by: str, command_id: str | None = None
) -> Accepted:
    """Record a command that cancels an order. An order that was never sent is cancelled at once, without SCM.

    Raises BadCommandError if it can't be cancelled, SuspendedError if it takes a call to SCM and the account is
    suspended, OtherCommandError if the id was used for something else.
    """
    payload = wanted.model_dump(mode="json", exclude_defaults=True)
    with database.transaction() as db:
        order = order_to_cancel(db, wanted)
        command, new = accept(
            db,
            CommandType.CANCEL,
            payload,
            requested_by=requested_by,
            source="cli",
            command_id=command_id,
            subject=order.id,
        )
        if not new:
            return Accepted(command, False, [])
        # An order that was never sent can be cancelled although its account is suspended.
        if cancel_unsent(db, command, order.id, wanted.comments):
            result = CancelResult.of(order, declined=False)
            finish(db, command, CommandStatus.DONE, result=result.document())
        else:
            refuse_suspended(order.account)
        return Accepted(command, True, [])


def request_deletion(
    database: Database, wanted: DeleteCommand, *, requested_by: str, command_id: str | None = None
) -> Accepted:
    """Delete an order or certificate from our database, at once; nothing changes at SCM.

    Raises BadCommandError if it is not known, StillOpenError if orders are open and the command doesn't say
    `yes`, OtherCommandError if the id was used for something else.
    """
    payload = wanted.model_dump(mode="json", exclude_defaults=True)
    with database.transaction() as db:
        command, new = accept(
            db,
            CommandType.DELETE,
            payload,
            requested_by=requested_by,
            source="cli",
            command_id=command_id,
        )
        if new:
            finish(db, command, CommandStatus.DONE, result=deleted(db, command))
        return Accepted(command, new, [])

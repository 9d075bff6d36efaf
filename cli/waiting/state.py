"""The progress of a command that is waited for, and whether the wait is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from certline.cli.errors import DONE, FAILED, WAITS
from certline.cli.ui.import_progress import import_ending, import_progress
from certline.cli.waiting.approval import needs_approval
from certline.cli.waiting.outlook import next_step, outlook, trouble_of
from certline.models.states import CommandStatus, CommandType, OrderKind, OrderStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Account, Command, Order, Validation

# After this many polls with SCM's status still `requested`, the order is not merely slow but waits for
# an approval.
POLLS_FOR_APPROVAL = 2


@dataclass(frozen=True)
class WaitView:
    """A command, with the order and the account that it concerns, and the command that carries the order on.

    `held`: of an import that has ended, the orders it was asked for that wait for a free line now.
    `validation`: the one that the command has begun.
    """

    command: Command
    order: Order | None
    account: Account | None
    step: Command | None = None
    held: int = 0
    validation: Validation | None = None


@dataclass(frozen=True)
class WaitResult:
    """The end of a wait: the exit code and the reason."""

    code: int
    text: str


def look(db: Session, command_id: str) -> WaitView:
    """Load a command with its order and account."""
    from certline.models import Account, Certificate, Command, Order
    from certline.models.accounts.account import account_named
    from certline.models.domains.validation import validation_of_command
    from certline.models.imports.run import show_progress, still_held
    from certline.models.orders.order import order_of_command

    command = db.get_one(Command, command_id)
    show_progress(db, [command])
    order = order_of_command(db, command.id)
    if order is None and command.type in (CommandType.POLL, CommandType.FETCH):
        # A poll that was requested has a subject only once it has ended.
        order = db.get(Order, command.subject or command.payload.get("order", ""))
    if order is not None:
        return WaitView(command, order, order.account, next_step(db, order))
    # The certificate or the order may have been deleted since.
    certificate = db.get(Certificate, command.subject or "")
    if command.type is CommandType.REVOKE and certificate is not None:
        return WaitView(command, None, db.get_one(Account, certificate.account_id))
    cancelled = db.get(Order, command.subject or "")
    if command.type in (CommandType.CANCEL, CommandType.REVOKE) and cancelled is not None:
        return WaitView(command, None, cancelled.account)
    named = command.payload.get("account")
    over = command.type is CommandType.IMPORT and command.status is CommandStatus.DONE
    held = still_held(db, command) if over else 0
    row = validation_of_command(db, command.id) if command.type is CommandType.VALIDATE else None
    account = account_named(db, named) if named else None
    return WaitView(command, None, account, held=held, validation=row)


def judge(view: WaitView) -> WaitResult | None:
    """Return how the wait ends, or None if it goes on."""
    command, order = view.command, view.order
    of_order = f"certline order show {order.id}" if order else f"certline command show {command.id}"
    match command.status:
        case CommandStatus.DONE if not _goes_on_at_scm(view):
            return _done(view)
        case CommandStatus.FAILED:
            return WaitResult(FAILED, f"failed: {command.error or 'no reason was given'}")
        case CommandStatus.HELD if needs_approval(command):
            return WaitResult(WAITS, f"held: {command.error}")
        case CommandStatus.HELD:
            text = "held: no licence is left; to raise the capacity: certline license set N"
            return WaitResult(WAITS, text)
        case CommandStatus.REVIEW:
            return WaitResult(
                WAITS, f"in review, an operator has to decide: {command.error} ({of_order})"
            )
        case _:
            return _still_open(view, of_order)


def _still_open(view: WaitView, of_order: str) -> WaitResult | None:
    """Return how the wait for a command ends that has not ended itself, or None if the wait goes on."""
    from certline.models import AccountStatus
    from certline.models.accounts.suspension import suspended_text

    command, order = view.command, view.order
    # A failed hook ends the wait although it is retried: the next try may be much later than a user
    # wants to wait.
    if command.type is CommandType.HOOK and command.attempts and _waits(command):
        when = f"{command.not_before.astimezone(UTC):%H:%M:%S}"
        return WaitResult(
            FAILED, f"failed: {command.error}; it is retried automatically at {when} UTC"
        )
    if view.account is not None and view.account.status is not AccountStatus.ACTIVE:
        return WaitResult(WAITS, suspended_text(view.account))
    if order is None:
        return None
    # A poll that is due has not called SCM yet, so the order's status is older than the poll; one that is done
    # has.
    asked = (
        command.type is not CommandType.POLL
        or command.status is CommandStatus.DONE
        or command.not_before > datetime.now(UTC)
    )
    if order.status is OrderStatus.PENDING and order.polls >= POLLS_FOR_APPROVAL and asked:
        return _approval(order)
    if command.type is CommandType.POLL and order.status is OrderStatus.REVIEW:
        return WaitResult(WAITS, f"the order is in review, an operator has to decide ({of_order})")
    return None


def _goes_on_at_scm(view: WaitView) -> bool:
    """Return True if a requested poll has found its order still open at SCM."""
    order = view.order if view.command.type is CommandType.POLL else None
    return order is not None and order.status is OrderStatus.PENDING


def _waits(command: Command) -> bool:
    """Return True if a command waits to be retried after a failed try."""
    queued = command.status is CommandStatus.QUEUED and command.error is not None
    return queued and command.not_before > datetime.now(UTC)


def _done(view: WaitView) -> WaitResult:
    command, order = view.command, view.order
    result = command.result or {}
    if order is not None and order.kind is OrderKind.NEW and order.predecessor_id is not None:
        return WaitResult(DONE, "done: the profile allows no renewal, so a new order was placed")
    if command.type is CommandType.VALIDATE and result.get("expires"):
        what = "validated" if result.get("renewed") else "nothing was to be done, it is validated"
        return WaitResult(DONE, f"done: {what} until {result['expires']}")
    if command.type is not CommandType.IMPORT or result.get("dry_run"):
        return WaitResult(DONE, str(result.get("said") or "done"))
    text = import_ending(result)
    if result["held"] or view.held:
        if view.held > result["held"]:
            text += f"; {view.held:,} orders are held"
        text += "; no licence is left for those held; to raise the capacity: certline license set N"
        return WaitResult(WAITS, text)
    if result["failed"]:
        return WaitResult(FAILED, f"{text}; for the reasons: certline command show {command.id}")
    return WaitResult(DONE, f"done: {text}")


def _approval(order: Order) -> WaitResult | None:
    if (order.scm_status or "").lower() != "requested":
        return None
    text = (
        f"waits for an approval in SCM: an RAO administrator has to approve {order.scm_id} there; "
        "certline then goes on automatically"
    )
    return WaitResult(WAITS, text)


def describe(view: WaitView) -> str:
    """Return the progress of a command in a few words."""
    command, order = view.command, view.order
    if command.type is CommandType.IMPORT:
        return import_progress(command)
    if view.validation is not None:
        return _stage(command, view.validation)
    if command.type is CommandType.DNS_TEST and command.error:
        return f"tried, and tried again: {command.error}"
    if order is None:
        return command.status.value
    match order.status:
        case OrderStatus.PLACED:
            return f"placed, waiting to be sent ({order.error})" if order.error else "placed"
        case OrderStatus.SENDING:
            return f"sending: {order.error}" if order.error else "sending"
        case OrderStatus.PENDING:
            said = f"SCM says {order.scm_status}" if order.scm_status else "SCM has it"
            return f"pending, {said} ({order.scm_id})"
        case OrderStatus.ISSUED:
            return f"issued ({order.scm_id}), the certificate is being fetched"
        case status:
            return status.value


def _stage(command: Command, row: Validation) -> str:
    """Return the stage of a validation, what it waits for, and what was found last."""
    found = row.said if row.tries else None
    if found is None and command.status is CommandStatus.QUEUED:
        found = command.error
    waits = row.to_do or (f"waits for {row.waits_for}" if row.waits_for else "ends")
    return f"{row.stage}: {waits}" + (f" (last: {found})" if found else "")


def comes_next(view: WaitView, now: datetime) -> str:
    """Return when the order is carried on, to follow its progress: `; asked next in 24 s`. Empty if at once."""
    if view.order is None or view.step is None:
        return ""
    told, trouble = outlook(view.step, now), trouble_of(view.step)
    if trouble is not None and trouble != view.order.error:
        return f"; {told} ({trouble})"
    # A step that is due, or at work, is about to change what is said before.
    sleeps = view.step.status is CommandStatus.QUEUED and view.step.not_before > now
    return f"; {told}" if sleeps else ""

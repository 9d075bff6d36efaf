"""Run a step: claim its command, do the work, store how it ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AccountStatus,
    Command,
    CommandStatus,
    CommandType,
    OrderStatus,
)
from certline.models.accounts.suspension import suspend, suspended_text
from certline.models.commands.command import (
    MOST_RESTARTS,
    claim,
    finish,
    postpone,
)
from certline.models.commands.kinds import KINDS
from certline.models.database.session import can_never_be_stored
from certline.models.events.data import CommandFailed
from certline.models.events.outbox import Queue, caused_by, emit_event
from certline.models.lifecycle.moves import send_to_review
from certline.models.orders.order import order_of_command
from certline.models.validation import BadCommandError
from certline.workers.runtime.account_gate import SUSPENDED_PAUSE
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.log_fields import step_in_logs
from certline.workers.runtime.messages import require_its_own
from certline.workers.runtime.outcomes import AccountSuspendedError, GiveUp, TryLater

log = structlog.get_logger()

# The function of a step. It returns the command's result, or None if the command's order ends it later.
Work = Callable[[WorkerContext, Command], dict[str, Any] | None]
# A hook of a step: it is given the command, in the transaction that stores how the run ended, and why it did.
EndHook = Callable[[Session, Command, str], None]


@dataclass(frozen=True)
class Step:
    """A step: the function `work` carries out commands of one type, in the actor of that name.

    `on_abandoned`: hook for a command that kept crashing its worker. `on_failed`: hook for one that failed.
    `rest`: returns the least wait after a failed attempt. `fails_if_suspended`: a suspended account ends the
    command instead of delaying it.
    """

    type: CommandType
    work: Work
    on_abandoned: EndHook | None = None
    on_failed: EndHook | None = None
    rest: Callable[[Session, Command, str], timedelta] | None = None
    fails_if_suspended: bool = False

    @property
    def queue(self) -> Queue:
        """Queue in which the step's messages wait."""
        return KINDS[self.type].queue


def run(context: WorkerContext, step: Step, command_id: str) -> None:
    """Run one step for one command. Safe to run 0, 1 or N times.

    Outcomes are stored. Data that Postgres can't store, and a payload that can't be read, end the command too:
    they would fail again. Any other exception propagates: the message is retried, and the command stays
    `running`. Raises RefusedMessageError if the id is unknown, or its command belongs to another step.
    """
    with context.database.transaction() as db:
        require_its_own(db, step.type, command_id)
        command = claim(db, command_id)
        if command is not None and command.restarts > MOST_RESTARTS:
            _stop(step, db, command)
            command = None
    if command is None:  # ended, not due yet, or just stopped: the message is done
        return

    begun = time.monotonic()
    with step_in_logs(command), caused_by(command.id):
        try:
            result = step.work(context, command)
        except TryLater as later:
            pause = round(later.after.total_seconds(), 1)
            log.info("step.later", why=str(later), pause_seconds=pause, seconds=_since(begun))
            _end(context, command, partial(_postpone, step, later=later))
        except AccountSuspendedError as suspended:
            log.warning("step.suspended", why=str(suspended), seconds=_since(begun))
            _end(context, command, partial(_suspend, step, suspended=suspended))
        except (GiveUp, BadCommandError) as over:
            log.warning("step.failed", why=str(over), seconds=_since(begun))
            _end(context, command, partial(_fail, step, why=str(over)))
        except DBAPIError as error:
            if not can_never_be_stored(error):
                raise
            log.warning("step.unstorable", why=str(error.orig).strip(), seconds=_since(begun))
            _end(context, command, partial(_refuse, step, error=error))
        else:
            log.info("step.done", seconds=_since(begun))
            if result is not None:
                _end(context, command, partial(finish, status=CommandStatus.DONE, result=result))


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)


def review_subject(db: Session, command: Command, why: str) -> None:
    """Set the order that an abandoned command is about to `review`: the hook of polls, fetches and lookups."""
    if command.subject is not None:
        send_to_review(db, command.subject, why)


def _stop(step: Step, db: Session, command: Command) -> None:
    """Stop a command that keeps crashing its worker: set it, and its order, to `review`."""
    reason = f"started {MOST_RESTARTS} times without finishing; see the workers' log"
    finish(db, command, CommandStatus.REVIEW, error=reason)
    _abandon(step, db, command, reason)


def _refuse(step: Step, db: Session, command: Command, error: DBAPIError) -> None:
    """End a command whose data can't be stored: it fails, or is for an operator if it has an order."""
    reason = f"what was read cannot be stored: {str(error.orig).strip().splitlines()[0]}"
    if order_of_command(db, command.id) is None:
        _fail(step, db, command, reason)
    else:
        finish(db, command, CommandStatus.REVIEW, error=reason)
    _abandon(step, db, command, reason)


def _abandon(step: Step, db: Session, command: Command, why: str) -> None:
    """Tell the step's subject that its command has ended without a result."""
    if step.on_abandoned is not None:
        step.on_abandoned(db, command, why)
    order = order_of_command(db, command.id)
    # An order in `sending` is left to reconciling, which needs no command of the order's own.
    if order is not None and order.status is OrderStatus.PLACED:
        send_to_review(db, order.id, why)


def _end(
    context: WorkerContext, command: Command, write: Callable[[Session, Command], None]
) -> None:
    def work(db: Session) -> None:
        row = db.get_one(Command, command.id, with_for_update=True)
        # A parallel run or an operator may have ended the command meanwhile; the first end is kept.
        if row.status is CommandStatus.RUNNING:
            write(db, row)

    context.store(work)


def _postpone(step: Step, db: Session, command: Command, later: TryLater) -> None:
    after = later.after
    if step.rest is not None and later.costs_attempt:
        after = max(after, step.rest(db, command, str(later)))
    postpone(
        db,
        command,
        after=after,
        why=str(later),
        costs_attempt=later.costs_attempt,
        afresh=later.afresh,
    )


def _fail(step: Step, db: Session, command: Command, why: str) -> None:
    finish(db, command, CommandStatus.FAILED, error=why)
    if step.on_failed is not None:
        step.on_failed(db, command, why)
    emit_event(
        db,
        CommandFailed(command_id=command.id, type=command.type.value, error=why),
        subject=command.subject,
        correlation_id=command.correlation_id,
    )


def _suspend(step: Step, db: Session, command: Command, suspended: AccountSuspendedError) -> None:
    account = db.get_one(Account, suspended.account_id, with_for_update=True)
    # Without a new refusal, the account's status decides: it may have been verified since the check.
    if suspended.is_news:
        suspend(db, account, str(suspended))
    elif account.status is AccountStatus.ACTIVE:
        why = f"account {account.name!r} has been verified meanwhile"
        postpone(db, command, after=timedelta(0), why=why, costs_attempt=False)
        return
    why = suspended_text(account)
    if step.fails_if_suspended:
        _fail(step, db, command, why)
    else:
        postpone(db, command, after=SUSPENDED_PAUSE, why=why, costs_attempt=False)

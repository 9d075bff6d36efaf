"""Run a step: claim its command, do the work, store how it ended."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
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
from certline.models.events.data import CommandFailed
from certline.models.events.outbox import Queue, caused_by, emit_event
from certline.models.lifecycle.moves import send_to_review
from certline.models.orders.order import order_of_command
from certline.models.vault import WithdrawnVaultError, WrongSecretKeyError
from certline.workers.runtime.account_gate import SUSPENDED_PAUSE
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.messages import require_its_own
from certline.workers.runtime.outcomes import AccountSuspendedError, GiveUp, TryLater

log = structlog.get_logger()

# Wait of a command that met a process with outdated secret keys: another process may have the right ones.
OUTDATED_PAUSE = timedelta(seconds=30)

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

    Outcomes are stored, and so is what is wrong with this process's secret keys. Any other exception propagates:
    the message is retried, and the command stays `running`. Raises RefusedMessageError if the id is unknown, or
    its command belongs to another step.
    """
    with context.database.transaction() as db:
        require_its_own(db, step.type, command_id)
        command = claim(db, command_id)
        if command is not None and command.restarts > MOST_RESTARTS:
            crashes = f"started {MOST_RESTARTS} times without finishing; see the workers' log"
            _stop(step, db, command, reason=crashes)
            command = None
    if command is None:  # ended, not due yet, or just stopped: the message is done
        return

    with (
        structlog.contextvars.bound_contextvars(command=command.id, step=step.type.value),
        caused_by(command.id),
    ):
        try:
            result = step.work(context, command)
        except TryLater as later:
            log.info("step.later", why=str(later), seconds=round(later.after.total_seconds(), 1))
            _end(context, command, partial(_postpone, step, later=later))
        except AccountSuspendedError as suspended:
            log.warning("step.suspended", why=str(suspended))
            _end(context, command, partial(_suspend, step, suspended=suspended))
        except WithdrawnVaultError as outdated:
            log.error("step.outdated_key", why=str(outdated))  # noqa: TRY400  # no fault of the step
            _end(context, command, partial(_wait_for_key, why=str(outdated)))
        except WrongSecretKeyError as lost:
            log.error("step.unreadable_secret", why=str(lost))  # noqa: TRY400  # no fault of the step
            _end(context, command, partial(_stop, step, reason=str(lost)))
        except GiveUp as over:
            log.warning("step.failed", why=str(over))
            _end(context, command, partial(_fail, step, why=str(over)))
        else:
            log.info("step.done")
            if result is not None:
                _end(context, command, partial(finish, status=CommandStatus.DONE, result=result))


def review_subject(db: Session, command: Command, why: str) -> None:
    """Set the order that an abandoned command is about to `review`: the hook of polls, fetches and lookups."""
    if command.subject is not None:
        send_to_review(db, command.subject, why)


def _stop(step: Step, db: Session, command: Command, *, reason: str) -> None:
    """Stop a command that crashes its worker, or whose secret is lost: set it, and its order, to `review`."""
    finish(db, command, CommandStatus.REVIEW, error=reason)
    if step.on_abandoned is not None:
        step.on_abandoned(db, command, reason)
    order = order_of_command(db, command.id)
    # An order in `sending` is left to reconciling, which needs no command of the order's own.
    if order is not None and order.status is OrderStatus.PLACED:
        send_to_review(db, order.id, reason)


def _end(
    context: WorkerContext, command: Command, write: Callable[[Session, Command], None]
) -> None:
    def work(db: Session) -> None:
        row = db.get_one(Command, command.id, with_for_update=True)
        # A parallel run or an operator may have ended the command meanwhile; the first end is kept.
        if row.status is CommandStatus.RUNNING:
            write(db, row)

    context.store(work)


def _wait_for_key(db: Session, command: Command, why: str) -> None:
    """Put a command back that a worker with outdated secret keys cannot run, and name that worker."""
    where = f"worker on {socket.gethostname()} (pid {os.getpid()})"
    why = f"the {where} has to be restarted with the right secret keys: {why}"
    postpone(db, command, after=OUTDATED_PAUSE, why=why)


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

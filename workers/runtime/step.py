"""Run a step: claim its command, do the work, store how it ended."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial, wraps
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AccountStatus,
    Command,
    CommandStatus,
    CommandType,
    Order,
    OrderStatus,
)
from certline.models.accounts.suspension import suspend, suspended_text
from certline.models.commands.answers import Answer, answer_with, fail, is_public
from certline.models.commands.command import MOST_RESTARTS, claim, finish, postpone
from certline.models.commands.kinds import KINDS
from certline.models.database.session import can_never_be_stored
from certline.models.events.outbox import caused_by
from certline.models.lifecycle.moves import send_to_review
from certline.models.orders.order import order_of_command
from certline.models.states import Queue
from certline.models.validation import BadCommandError
from certline.models.vault import WithdrawnVaultError, WrongSecretKeyError
from certline.workers.runtime.account_gate import SUSPENDED_PAUSE
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.log_fields import name_command, step_in_logs
from certline.workers.runtime.messages import require_its_own
from certline.workers.runtime.outcomes import AccountSuspendedError, GiveUp, TryLater
from certline.workers.runtime.step_measure import StepMeasure, measured

log = structlog.get_logger()

# What a step may raise to end its command, or to put it off; DBAPIError only for data that can't be stored.
OUTCOMES = (
    TryLater,
    AccountSuspendedError,
    GiveUp,
    BadCommandError,
    WithdrawnVaultError,
    WrongSecretKeyError,
    DBAPIError,
)

# Wait of a command that met a process with outdated secret keys: another process may have the right ones.
OUTDATED_PAUSE = timedelta(seconds=30)

CRASHES = f"started {MOST_RESTARTS} times without finishing; see the workers' log"
# What a step has loaded.
L = TypeVar("L")
# Result of a command; None if the step has stored it already, or the command's order ends it later.
Result = dict[str, Any] | None
# A hook of a step: it is given the command, in the transaction that stores how the run ended, and why it did.
EndHook = Callable[[Session, Command, str], None]
# Returns the event that answers a command that is done with this result, or None if it was published before.
AnswerOf = Callable[[Session, Command, dict[str, Any]], Answer | None]


@dataclass(frozen=True)
class Step(Generic[L]):
    """A step: the function `work` carries out commands of one type, in the actor of that name.

    `load` reads what `work` needs, in the transaction that claims the command; what it raises undoes the claim.
    `on_abandoned`: hook for a command that kept crashing its worker. `on_failed`: hook for one that failed.
    `answer`: returns the event that answers a command that is done; None if the step itself, or the command's
    order, publishes it. `rest`: returns the least wait after a failed attempt. `fails_if_suspended`: a suspended
    account ends the command instead of delaying it.
    """

    type: CommandType
    work: Callable[[WorkerContext, Command, L], Result]
    load: Callable[[WorkerContext, Session, Command], L]
    on_abandoned: EndHook | None = None
    on_failed: EndHook | None = None
    answer: AnswerOf | None = None
    rest: Callable[[Session, Command, str], timedelta] | None = None
    fails_if_suspended: bool = False

    @property
    def queue(self) -> Queue:
        """Queue in which the step's messages wait."""
        return KINDS[self.type].queue


def plain_step(
    kind: CommandType, work: Callable[[WorkerContext, Command], Result], **hooks: Any
) -> Step[None]:
    """Return a step that loads nothing when its command is claimed. `hooks`: further fields of Step."""

    @wraps(work)
    def whole(context: WorkerContext, command: Command, _: None) -> Result:
        return work(context, command)

    return Step(kind, whole, lambda *_: None, **hooks)


def run(context: WorkerContext, step: Step[L], command_id: str) -> None:
    """Run one step for one command. Safe to run 0, 1 or N times.

    Outcomes are stored, and so is what is wrong with this process's secret keys. Data that Postgres can't store,
    and a payload that can't be read, end the command too: they would fail again. Any other exception propagates:
    the message is retried, and the command stays `running`. Raises RefusedMessageError if the id is unknown, or
    its command belongs to another step.
    """
    begun = time.monotonic()
    with step_in_logs(), caused_by(command_id), measured(step.type) as measure:
        begin = _begin(context, step, command_id, measure)
        if begin is None:  # ended, not due yet, or just stopped: the message is done
            return
        command, loaded = begin
        try:
            result = step.work(context, command, loaded)
        except OUTCOMES as outcome:
            write = _ending(step, outcome, _since(begun))
            measure.end(outcome)
            _end(context, command, write)
        else:
            measure.outcome = "done"
            log.info("step.done", seconds=_since(begun))
            if result is not None:
                _end(context, command, partial(_finish, step, result=result))


def _begin(
    context: WorkerContext, step: Step[L], command_id: str, measure: StepMeasure
) -> tuple[Command, L] | None:
    """Claim the command, and load what its step needs. Returns None if there is nothing to do."""
    begun = time.monotonic()
    try:
        with context.database.transaction() as db:
            command = _claimed(step, db, command_id, measure)
            measure.outcome = "skipped" if command is None else "crashed"
            return None if command is None else (command, step.load(context, db, command))
    except OUTCOMES as outcome:
        write = _ending(step, outcome, _since(begun))
        measure.end(outcome)
    # The outcome has undone the claim.
    with context.database.transaction() as db:
        command = _claimed(step, db, command_id, measure)
        if command is not None:
            write(db, command)
    return None


def _claimed(step: Step[L], db: Session, command_id: str, measure: StepMeasure) -> Command | None:
    command = claim(db, command_id)
    if command is None or command.type is not step.type:
        require_its_own(db, step.type, command_id)
        return None
    measure.begin(command)
    name_command(command)
    if command.restarts > MOST_RESTARTS:
        log.error("step.abandoned", why=CRASHES)
        _stop(step, db, command, reason=CRASHES)
        return None
    return command


def _ending(
    step: Step[L], outcome: Exception, seconds: float
) -> Callable[[Session, Command], None]:
    """Log what a step has raised, and return what stores it as the command's end. Raises what is no outcome."""
    match outcome:
        case TryLater():
            pause = round(outcome.after.total_seconds(), 1)
            say = log.warning if outcome.costs_attempt else log.info
            say("step.later", why=str(outcome), pause_seconds=pause, seconds=seconds)
            return partial(_postpone, step, later=outcome)
        case AccountSuspendedError():
            say = log.error if outcome.is_news else log.warning
            say("step.suspended", why=str(outcome), seconds=seconds)
            return partial(_suspend, step, suspended=outcome)
        case WithdrawnVaultError():
            log.error("step.outdated_key", why=str(outcome), seconds=seconds)
            return partial(_wait_for_key, why=str(outcome))
        case WrongSecretKeyError():
            log.error("step.unreadable_secret", why=str(outcome), seconds=seconds)
            return partial(_stop, step, reason=str(outcome))
        case DBAPIError() if can_never_be_stored(outcome):
            log.error("step.unstorable", why=str(outcome.orig).strip(), seconds=seconds)
            return partial(_refuse, step, error=outcome)
        case GiveUp() | BadCommandError():
            log.warning("step.failed", why=str(outcome), seconds=seconds)
            return partial(_fail, step, why=str(outcome))
    raise outcome


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)


def review_subject(db: Session, command: Command, why: str) -> None:
    """Set the order that an abandoned command is about to `review`: the hook of polls, fetches and lookups."""
    if command.subject is not None:
        send_to_review(db, command.subject, why)


def _stop(step: Step[L], db: Session, command: Command, *, reason: str) -> None:
    """Stop a command that crashes its worker, or whose secret is lost: set it, and its order, to `review`."""
    order = order_of_command(db, command.id)
    if order is None and is_public(command):
        fail(db, command, reason, status="review")
    else:  # the order's own events say what becomes of it
        finish(db, command, CommandStatus.REVIEW, error=reason)
    _abandon(step, db, command, order, reason)


def _refuse(step: Step[L], db: Session, command: Command, error: DBAPIError) -> None:
    """End a command whose data can't be stored: it fails, or is for an operator if it has an order."""
    reason = f"what was read cannot be stored: {str(error.orig).strip().splitlines()[0]}"
    order = order_of_command(db, command.id)
    if order is None:
        _fail(step, db, command, reason)
    else:  # the order's own events say what becomes of it
        finish(db, command, CommandStatus.REVIEW, error=reason)
    _abandon(step, db, command, order, reason)


def _abandon(step: Step[L], db: Session, command: Command, order: Order | None, why: str) -> None:
    """Tell the step's subject, and the command's order, that the command has ended without a result."""
    if step.on_abandoned is not None:
        step.on_abandoned(db, command, why)
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


def _wait_for_key(db: Session, command: Command, why: str) -> None:
    """Put a command back that a worker with outdated secret keys cannot run, and name that worker."""
    where = f"worker on {socket.gethostname()} (pid {os.getpid()})"
    why = f"the {where} has to be restarted with the right secret keys: {why}"
    postpone(db, command, after=OUTDATED_PAUSE, why=why)


def _postpone(step: Step[L], db: Session, command: Command, later: TryLater) -> None:
    after = later.after
    if step.rest is not None and later.costs_attempt:
        after = max(after, step.rest(db, command, str(later)))
    costs, why = later.costs_attempt, str(later)
    postpone(db, command, after=after, why=why, costs_attempt=costs, afresh=later.afresh)


def _finish(step: Step[L], db: Session, command: Command, result: dict[str, Any]) -> None:
    """End a command that is done, and answer it in the same transaction."""
    answer = None if step.answer is None else step.answer(db, command, result)
    finish(db, command, CommandStatus.DONE, result=result)
    if answer is not None:
        answer_with(db, command, answer)


def _fail(step: Step[L], db: Session, command: Command, why: str) -> None:
    fail(db, command, why)
    if step.on_failed is not None:
        step.on_failed(db, command, why)


def _suspend(
    step: Step[L], db: Session, command: Command, suspended: AccountSuspendedError
) -> None:
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

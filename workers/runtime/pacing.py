"""What comes before each call to SCM: is the account let in, does SCM work, is it our turn.

The answers are rows that all workers share. Each question is a short transaction of its own, and
none is open during a call. Where Postgres doesn't answer, SCM isn't called.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from certline.models import Account, AccountStatus, CallKind, Database
from certline.models.accounts.breaker import end_probe, failed, standing, succeeded, take_probe
from certline.models.accounts.rate_limit import BURST, NONE, held_off, hold_off, take
from certline.workers.runtime.turns import AHEAD, Turns, turns_together
from certline.workers.scm import (
    Garbled,
    LoginRefused,
    NotAsked,
    NotSent,
    OutcomeUnknown,
    ScmError,
    Throttled,
    TooSoon,
    Unavailable,
)
from certline.workers.scm.transport.error_rules import ORDERS

T = TypeVar("T")

log = structlog.get_logger()

# A shorter wait is slept in the worker's thread; for a longer one the command goes back to its row.
MOST_WAIT = timedelta(seconds=2)
# Where SCM says 429 without a time; and how far we believe the time that it says.
HOLD_OFF, LONGEST_HOLD_OFF = timedelta(seconds=5), timedelta(hours=1)
# While another worker tries SCM, or Postgres doesn't answer.
SOON = timedelta(seconds=5)


def is_out_of_order(error: ScmError) -> bool:
    """Whether an error says that SCM can't be reached or doesn't work, whatever was asked.

    An answer in SCM's own words is a sign of life, but for a 5xx.
    """
    if isinstance(error, OutcomeUnknown) and error.code is not None:
        return isinstance(error, Unavailable)
    return isinstance(error, NotSent | OutcomeUnknown | Garbled)


class AccountPacing:
    """The `Pacing` of one account; safe to share between threads.

    `breaker` names the row of its SCM, `rates` are calls a second. `probe` is the cheapest read: it
    tries SCM out before anything else is asked of it. Once `stopping` is set, no call begins.
    """

    def __init__(
        self,
        database: Database,
        account_id: int,
        *,
        breaker: str,
        rates: Mapping[CallKind, float],
        probe: Callable[[], object],
        stopping: threading.Event,
    ) -> None:
        self._database = database
        self._account_id = account_id
        self._breaker = breaker
        self._rates = rates
        self._probe = probe
        self._stopping = stopping
        self._local = threading.local()
        self._turns = Turns()
        # Until then (monotonic seconds) it is known that SCM works, and another success is no news.
        self._works_until = 0.0

    def before(self, operation: str) -> None:
        """Let a call begin. An order has its turn already (`admit`, before its claim), but if SCM
        has gone out of order since, it isn't sent.
        """
        if operation in ORDERS:
            self._require_order(operation, may_probe=False)
        elif not self._has_turn(operation):
            self.admit(CallKind.READ, operation)

    def admit(self, kind: CallKind, operation: str) -> None:
        """Take a turn for one call; sleeps for MOST_WAIT at most. Raises TooSoon, LoginRefused."""
        deadline = time.monotonic() + MOST_WAIT.total_seconds()
        places = turns_together(self._rates[kind]) if kind is CallKind.READ else 1
        while True:
            patience = max(NONE, timedelta(seconds=deadline - time.monotonic()))
            turn = self._in_order(
                operation,
                partial(
                    take,
                    account_id=self._account_id,
                    kind=kind,
                    per_second=self._rates[kind],
                    burst=BURST[kind],
                    patience=patience,
                    places=places,
                ),
            )
            if turn.taken and kind is CallKind.READ:
                self._turns.put(turn.further)
            if turn.taken and not turn.wait:
                return
            if not turn.taken and turn.wait > patience:
                raise _too_soon(operation, "many calls are waiting for their turn", turn.wait)
            self._stopping.wait(turn.wait.total_seconds())
            # Much can happen in a second: another worker's 429, say.
            with self._asking(operation) as db:
                held = held_off(db, self._account_id)
            if turn.taken and not held:
                self._require_order(operation)
                return

    def _has_turn(self, operation: str) -> bool:
        """Whether a turn is left that was taken with another one, just now; waits for it."""
        wait = self._turns.take()
        if wait is None or self._is_probing():
            return False
        if self._stopping.wait(wait):
            raise _stops(operation)
        return True

    def after(self, operation: str, error: ScmError | None) -> None:
        """Note how a call ended, for everybody. The answer counts more than the note."""
        now = time.monotonic()
        if error is None and now < self._works_until:
            return
        self._works_until = now + AHEAD if error is None else 0.0
        if error is not None:
            self._turns.drop()
        try:
            with self._database.transaction() as db:
                self._note(db, operation, error)
        except SQLAlchemyError as trouble:
            log.warning("pacing.not_noted", operation=operation, error=type(trouble).__name__)

    def _note(self, db: Session, operation: str, error: ScmError | None) -> None:
        if isinstance(error, Throttled):
            wait = HOLD_OFF if error.retry_after is None else timedelta(seconds=error.retry_after)
            wait = min(wait, LONGEST_HOLD_OFF)
            hold_off(db, self._account_id, wait)
            log.warning("scm.throttled", operation=operation, seconds=wait.total_seconds())
        if error is None or not is_out_of_order(error):
            if succeeded(db, self._breaker):
                log.info("breaker.closed", scm=self._breaker)
            return
        failure = failed(db, self._breaker, str(error))
        # Nobody has had an answer since the last failure: it isn't about this request.
        error.widespread = failure.failures > 1
        if failure.pause is not None:
            seconds = failure.pause.total_seconds()
            log.warning("breaker.open", scm=self._breaker, seconds=seconds, why=str(error))

    def _require_order(self, operation: str, *, may_probe: bool = True) -> None:
        """Return where the account is let in and SCM works, as far as anybody knows."""
        self._in_order(operation, lambda _: None, may_probe=may_probe)

    def _in_order(
        self, operation: str, then: Callable[[Session], T], *, may_probe: bool = True
    ) -> T:
        """What `then` answers, once the account is let in and SCM works; in the same transaction."""
        while True:
            if self._stopping.is_set():
                raise _stops(operation)
            with self._asking(operation) as db:
                _require_let_in(db, self._account_id, operation)
                now = standing(db, self._breaker)
                if now.closed or self._is_probing():
                    return then(db)
            why = f"SCM is left alone, for it is out of order ({now.reason})"
            if now.wait:
                raise _too_soon(operation, why, now.wait)
            with self._asking(operation) as db:
                mine = may_probe and take_probe(db, self._breaker)
            if not mine:
                raise _too_soon(operation, why, SOON)
            self._try_scm()

    def _try_scm(self) -> None:
        """One read, for everybody; `after` draws the conclusion."""
        self._local.probing = True
        try:
            self._probe()
        except (LoginRefused, Throttled):
            with self._asking("probe") as db:
                end_probe(db, self._breaker)
            raise
        except ScmError as error:
            log.info("breaker.probed", scm=self._breaker, error=str(error))
        finally:
            self._local.probing = False

    def _is_probing(self) -> bool:
        return bool(getattr(self._local, "probing", False))

    @contextmanager
    def _asking(self, operation: str) -> Iterator[Session]:
        try:
            with self._database.transaction() as db:
                yield db
        except SQLAlchemyError as trouble:
            why = f"the database does not answer ({type(trouble).__name__}), so SCM is not asked"
            raise _too_soon(operation, why, SOON) from None


def _require_let_in(db: Session, account_id: int, operation: str) -> None:
    query = select(Account.name, Account.status, Account.status_reason)
    account = db.execute(query.where(Account.id == account_id)).one_or_none()
    if account is not None and account.status is AccountStatus.SUSPENDED:
        why = f"SCM refused the login before: {account.status_reason}"
        raise NotAsked(operation, why)
    if account is not None and account.status is AccountStatus.REMOVED:
        raise NotAsked(operation, f"account {account.name!r} was removed")


def _stops(operation: str) -> TooSoon:
    return TooSoon(operation, "this worker is stopping", retry_after=0)


def _too_soon(operation: str, why: str, wait: timedelta) -> TooSoon:
    # Not all at the same moment.
    chance = random.uniform(0.0, 1.0 + 0.1 * wait.total_seconds())  # noqa: S311  # no secret
    return TooSoon(operation, why, retry_after=wait.total_seconds() + chance)

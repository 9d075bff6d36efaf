"""Checks before each call to SCM: the account is active, the breaker is closed, the rate limit allows it.

All workers share this state in Postgres, in short transactions of which none is open during a call; if
Postgres is unreachable, SCM is not called.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
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

# A shorter wait is slept in the worker's thread; for a longer one the command is postponed.
MOST_WAIT = timedelta(seconds=2)
# Pause after a 429 without Retry-After; and the upper limit of a Retry-After that we honour.
HOLD_OFF, LONGEST_HOLD_OFF = timedelta(seconds=5), timedelta(hours=1)
# Pause while another worker probes SCM, or Postgres is unreachable.
SOON = timedelta(seconds=5)
# Seconds' worth of turns taken in advance, and their maximum number. A refused login or a 429 that another
# process met is noticed here with that much delay.
AHEAD = 0.1
MOST_AHEAD = 8
# Seconds after its due time until which a turn may be used. Older ones are dropped, or they would add up to a
# burst above the rate.
STALE = 0.2


def is_out_of_order(error: ScmError) -> bool:
    """Return True if an error means that SCM is unreachable or failing, whatever the request was.

    A response with one of SCM's own error codes shows that SCM works, unless it is a 5xx.
    """
    if isinstance(error, OutcomeUnknown) and error.code is not None:
        return isinstance(error, Unavailable)
    return isinstance(error, NotSent | OutcomeUnknown | Garbled)


def turns_together(per_second: float) -> int:
    """Return the number of turns to take at once: a tenth of a second's worth of calls, but at least one."""
    return max(1, min(MOST_AHEAD, int(per_second * AHEAD)))


class Turns:
    """Turns under the rate limit, taken in advance to save a Postgres transaction for each call.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._due: deque[float] = deque()  # monotonic seconds
        self._lock = threading.Lock()

    def put(self, waits: Iterable[timedelta]) -> None:
        """Add turns that are due after these waits, given in ascending order."""
        now = time.monotonic()
        with self._lock:
            self._due.extend(now + wait.total_seconds() for wait in waits)

    def take(self) -> float | None:
        """Take the next turn. Returns the seconds until it is due, or None if no turn is left."""
        now = time.monotonic()
        with self._lock:
            while self._due:
                due = self._due.popleft()
                if due > now - STALE:
                    return max(0.0, due - now)
        return None

    def drop(self) -> None:
        """Drop all turns after an error, so that the next call checks account and breaker again."""
        with self._lock:
            self._due.clear()


class AccountPacing:
    """The `Pacing` of one account; safe to share between threads.

    `breaker` is the key of its SCM's breaker row, `rates` are calls per second. `probe` makes the cheapest
    read, with which SCM is tried before the breaker closes. Once `stopping` is set, no call begins.
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
        # Until this moment (monotonic seconds) a further success is not recorded, to save a transaction.
        self._works_until = 0.0

    def before(self, operation: str) -> None:
        """Return once a call may begin. Raises TooSoon or LoginRefused; then nothing may be sent.

        For an order, which took its turn before its claim (`admit`), only account and breaker are checked
        again, and no probe is made: the time between claim and call is limited.
        """
        if operation in ORDERS:
            self._require_order(operation, may_probe=False)
        elif not self._has_turn(operation):
            self.admit(CallKind.READ, operation)

    def admit(self, kind: CallKind, operation: str) -> None:
        """Take a turn for one call, sleeping for MOST_WAIT at most.

        Raises TooSoon if the wait is longer or the breaker is open, and LoginRefused for a suspended account.
        """
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
            # During the sleep another worker may have met a 429 or opened the breaker, so check both again.
            # If SCM has asked for a pause, the turn is void and a new one is taken.
            with self._asking(operation) as db:
                held = held_off(db, self._account_id)
            if turn.taken and not held:
                self._require_order(operation)
                return

    def _has_turn(self, operation: str) -> bool:
        """Consume a turn that was taken in advance together with another one, waiting until it is due.

        Returns False if there is none. The probe takes a turn of its own.
        """
        wait = self._turns.take()
        if wait is None or self._is_probing():
            return False
        if self._stopping.wait(wait):
            raise _stops(operation)
        return True

    def after(self, operation: str, error: ScmError | None) -> None:
        """Record how a call ended, for all workers. Never raises: SCM's response must not be lost over it."""
        now = time.monotonic()
        if error is None and now < self._works_until:
            return
        self._works_until = now + AHEAD if error is None else 0.0
        if error is not None:
            # Turns taken in advance skip the checks, so after an error the next call has to check again.
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
        # No call of any worker has succeeded since the previous failure, so this request is not the cause.
        error.widespread = failure.failures > 1
        if failure.pause is not None:
            seconds = failure.pause.total_seconds()
            log.warning("breaker.open", scm=self._breaker, seconds=seconds, why=str(error))

    def _require_order(self, operation: str, *, may_probe: bool = True) -> None:
        """Check that the account is active and the breaker closed. Raises TooSoon or LoginRefused if not."""
        self._in_order(operation, lambda _: None, may_probe=may_probe)

    def _in_order(
        self, operation: str, then: Callable[[Session], T], *, may_probe: bool = True
    ) -> T:
        """Run `then` in the transaction that has found the account active and the breaker closed.

        Returns its result. If the breaker is half open, one worker probes SCM first, then checks again.
        """
        while True:
            if self._stopping.is_set():
                raise _stops(operation)
            with self._asking(operation) as db:
                _require_let_in(db, self._account_id, operation)
                now = standing(db, self._breaker)
                # The probe is itself a call that passes through this check; it must not wait for itself.
                if now.closed or self._is_probing():
                    return then(db)
            why = f"calls to SCM are paused, because it is failing ({now.reason})"
            if now.wait:  # open: no calls until the pause is over
                raise _too_soon(operation, why, now.wait)
            # Half open. The probe is a claim in a transaction of its own, so exactly one worker makes it.
            with self._asking(operation) as db:
                mine = may_probe and take_probe(db, self._breaker)
            if not mine:
                raise _too_soon(operation, why, SOON)
            self._try_scm()

    def _try_scm(self) -> None:
        """Probe SCM with one read on behalf of all workers; `after` records the result in the breaker."""
        self._local.probing = True
        try:
            self._probe()
        except (LoginRefused, Throttled):
            # Nothing is known about SCM's health: give the claim back, so that another worker may probe.
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
            why = f"the database does not respond ({type(trouble).__name__}), so SCM is not called"
            raise _too_soon(operation, why, SOON) from None


def _require_let_in(db: Session, account_id: int, operation: str) -> None:
    query = select(Account.name, Account.status, Account.status_reason)
    account = db.execute(query.where(Account.id == account_id)).one_or_none()
    if account is not None and account.status is AccountStatus.SUSPENDED:
        why = f"SCM refused this login earlier: {account.status_reason}"
        raise NotAsked(operation, why)
    if account is not None and account.status is AccountStatus.REMOVED:
        raise NotAsked(operation, f"account {account.name!r} was removed")


def _stops(operation: str) -> TooSoon:
    return TooSoon(operation, "this worker is stopping", retry_after=0)


def _too_soon(operation: str, why: str, wait: timedelta) -> TooSoon:
    # Jitter, so that waiting workers do not all return at the same moment.
    chance = random.uniform(0.0, 1.0 + 0.1 * wait.total_seconds())  # noqa: S311  # no secret
    return TooSoon(operation, why, retry_after=wait.total_seconds() + chance)

"""Checks before each call to SCM: the account is active, the breaker is closed, the rate limit allows it.

All workers share this state in Postgres. A process reads it in the transaction that begins a step, and takes
its turns there (`provide`); what it has read counts for a second. No transaction is open during a call, and if
Postgres is unreachable, SCM is not called.
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
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from certline.models import AccountStatus, CallKind, Database
from certline.models.accounts.access import Access, access_of
from certline.models.accounts.breaker import end_probe, failed, succeeded, take_probe
from certline.models.accounts.rate_limit import BURST, NONE, Turn, held_off, hold_off, take
from certline.models.heartbeat import ScmTally
from certline.workers.metrics.instruments import SCM_WAIT
from certline.workers.metrics.tally import observe
from certline.workers.runtime.call_outcome import CallMeasure, is_out_of_order, is_scms_fault
from certline.workers.runtime.turns import Turns, turns_together
from certline.workers.scm import LoginRefused, NotAsked, ScmError, Throttled, TooSoon
from certline.workers.scm.transport.error_rules import ORDERS

T = TypeVar("T")

log = structlog.get_logger()

# A shorter wait is slept in the worker's thread; for a longer one the command is postponed.
MOST_WAIT = timedelta(seconds=2)
# Pause after a 429 without Retry-After; and the upper limit of a Retry-After that we honour.
HOLD_OFF, LONGEST_HOLD_OFF = timedelta(seconds=5), timedelta(hours=1)
# Pause while another worker probes SCM, or Postgres is unreachable.
SOON = timedelta(seconds=5)
# Seconds for which a process relies on what it has read of account and breaker. A refused login or an open breaker
# that another process met is noticed here with that much delay.
KNOWN_FOR = 1.0


class AccountPacing:
    """The `Pacing` of one account; safe to share between threads.

    `breaker` is the key of its SCM's breaker row, `rates` are calls per second. `probe` makes the cheapest
    read, with which SCM is tried before the breaker closes. Once `stopping` is set, no call begins. `tally` counts
    the calls of the process.
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
        tally: ScmTally | None = None,
    ) -> None:
        self._tally = tally or ScmTally()
        self._database = database
        self._account_id = account_id
        self._breaker = breaker
        self._rates = rates
        self._probe = probe
        self._stopping = stopping
        self._local = threading.local()
        self._measure = CallMeasure()
        self._turns = {kind: Turns() for kind in CallKind}
        # Until this moment (monotonic seconds) account and breaker are known to let calls pass.
        self._known_until = 0.0
        # Whether no failure is recorded that the next success would have to clear.
        self._spotless = False

    def provide(self, db: Session, kind: CallKind, calls: int = 1) -> bool:
        """Take the turns of the next calls in the transaction that begins a step, if they may be made at once.

        Returns False if not: `before` then waits for them, in transactions of its own. For an order True means
        that its turn is taken. The row of the rate limit stays locked until the commit, so little should follow.
        """
        if self._stopping.is_set() or self._is_probing():
            return False
        if not self._knows() and not self._learn(access_of(db, self._account_id, self._breaker)):
            return False
        turns = self._turns[kind]
        if len(turns) < calls:
            places = max(calls, turns_together(self._rates[kind]))
            turn = self._take(db, kind, patience=NONE, places=places)
            if not turn.taken:
                return False
            turns.put((turn.wait, *turn.further))
        return kind is CallKind.READ or turns.take(within=0.0) is not None

    def before(self, operation: str) -> None:
        """Return once a call may begin. Raises TooSoon or LoginRefused; then nothing may be sent.

        For an order, which took its turn before its claim (`admit`), only account and breaker are checked
        again, and no probe is made: the time between claim and call is limited.
        """
        if self._stopping.is_set():
            raise _stops(operation)
        if operation in ORDERS:
            if not self._knows():
                self._require_order(operation, may_probe=False)
        else:
            self.admit(CallKind.READ, operation)
        self._measure.start()

    def admit(self, kind: CallKind, operation: str) -> None:
        """Take a turn for one call, sleeping for MOST_WAIT at most.

        Raises TooSoon if the wait is longer or the breaker is open, and LoginRefused for a suspended account.
        """
        begun = time.monotonic()
        self._wait_for_turn(kind, operation)
        observe(SCM_WAIT, time.monotonic() - begun, kind.value)

    def _wait_for_turn(self, kind: CallKind, operation: str) -> None:
        if self._has_turn(kind, operation):
            return
        deadline = time.monotonic() + MOST_WAIT.total_seconds()
        places = turns_together(self._rates[kind]) if kind is CallKind.READ else 1
        while True:
            patience = max(NONE, timedelta(seconds=deadline - time.monotonic()))
            turn = self._in_order(
                operation, partial(self._take, kind=kind, patience=patience, places=places)
            )
            if turn.taken and kind is CallKind.READ:
                self._turns[kind].put(turn.further)
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

    def _take(self, db: Session, kind: CallKind, *, patience: timedelta, places: int) -> Turn:
        return take(
            db,
            account_id=self._account_id,
            kind=kind,
            per_second=self._rates[kind],
            burst=BURST[kind],
            patience=patience,
            places=places,
        )

    def _has_turn(self, kind: CallKind, operation: str) -> bool:
        """Consume a turn that was taken in advance, waiting until it is due. The probe takes one of its own."""
        if self._is_probing():
            return False
        wait = self._turns[kind].take(within=MOST_WAIT.total_seconds())
        if wait is None:
            return False
        if self._stopping.wait(wait):
            raise _stops(operation)
        if not self._knows():
            self._require_order(operation)
        return True

    def _knows(self) -> bool:
        return time.monotonic() < self._known_until

    def _learn(self, found: Access) -> bool:
        """Keep for a while that calls may be made. Returns False if they may not."""
        if not found.admitted:
            return False
        self._spotless = not found.failures
        self._known_until = time.monotonic() + KNOWN_FOR
        return True

    def after(self, operation: str, error: ScmError | None, status: int | None = None) -> None:  # noqa: ARG002
        """Record how a call ended, for all workers. Never raises: SCM's response must not be lost over it."""
        self._measure.end(operation, error)
        self._tally.add(failed=error is not None and is_scms_fault(error))
        if error is None and self._spotless:
            return
        if error is not None:
            # After an error the next call has to check account and breaker again, and to take a new turn.
            self._known_until = 0.0
            for turns in self._turns.values():
                turns.drop()
        try:
            with self._database.transaction() as db:
                self._note(db, operation, error)
        except SQLAlchemyError as trouble:
            log.warning("pacing.not_noted", operation=operation, error=type(trouble).__name__)
        else:
            self._spotless = error is None

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
                found = access_of(db, self._account_id, self._breaker)
                _require_let_in(found, operation)
                # The probe is itself a call that passes through this check; it must not wait for itself.
                if self._learn(found) or self._is_probing():
                    return then(db)
            now = found.breaker
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


def _require_let_in(found: Access, operation: str) -> None:
    if found.status is AccountStatus.SUSPENDED:
        why = f"SCM refused this login earlier: {found.status_reason}"
        raise NotAsked(operation, why)
    if found.status is AccountStatus.REMOVED:
        raise NotAsked(operation, f"account {found.account!r} was removed")


def _stops(operation: str) -> TooSoon:
    return TooSoon(operation, "this worker is stopping", retry_after=0)


def _too_soon(operation: str, why: str, wait: timedelta) -> TooSoon:
    # Jitter, so that waiting workers do not all return at the same moment.
    chance = random.uniform(0.0, 1.0 + 0.1 * wait.total_seconds())  # noqa: S311  # no secret
    return TooSoon(operation, why, retry_after=wait.total_seconds() + chance)

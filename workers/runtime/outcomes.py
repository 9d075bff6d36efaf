"""Outcomes of a step other than success, and the retry decision for errors of SCM.

Any other exception that a step raises is a fault of certline itself.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from certline.models import Account
from certline.workers.scm import (
    LoginRefused,
    NotAsked,
    NotReady,
    NotSent,
    OutcomeUnknown,
    ScmError,
    Throttled,
    TryAgain,
)

# Failed attempts in a row to read from SCM, after which an operator decides.
MOST_TRIES = 20


class TryLater(Exception):
    """Signal that the command is to run again after the time `after`.

    `costs_attempt`: this attempt failed, and counts as one. `afresh`: SCM has responded, so earlier failed
    attempts no longer count.
    """

    def __init__(
        self, why: str, *, after: timedelta, costs_attempt: bool = False, afresh: bool = False
    ) -> None:
        super().__init__(why)
        self.after = after
        self.costs_attempt = costs_attempt
        self.afresh = afresh


class GiveUp(Exception):
    """Signal that retrying can't help: the command fails, and an operator has to act."""


class AccountSuspendedError(Exception):
    """Signal that SCM refused the login: no further call for this account until it is verified again.

    `is_news` is False if the account was suspended already, so that no call was made.
    """

    def __init__(self, account_id: int, refusal: LoginRefused) -> None:
        super().__init__(str(refusal))
        self.account_id = account_id
        self.is_news = not isinstance(refusal, NotAsked)


def back_off(attempt: int, *, first: float = 1.0, most: float = 300.0) -> timedelta:
    """Return the wait after the n-th failed attempt: doubling from `first` up to `most` seconds.

    Up to a quarter is subtracted at random, so that many workers do not retry at the same moment.
    """
    # The exponent is capped, since a very large one would overflow the float.
    seconds = min(most, first * 2 ** min(attempt - 1, 30))
    return timedelta(seconds=seconds * random.uniform(0.75, 1.0))  # noqa: S311  # no secret


def costs_attempt(trouble: ScmError) -> bool:
    """Return True if a temporary error counts as a failed attempt of the command.

    Rate limiting does not, nor does an outage of SCM that affects every call: both cost only time.
    """
    return not (isinstance(trouble, Throttled) or trouble.widespread)


def pause_after(trouble: ScmError, attempt: int) -> timedelta:
    """Return the wait after a temporary error: `back_off`, but at least what SCM or our breaker asks for."""
    return max(timedelta(seconds=trouble.retry_after or 0), back_off(attempt))


@contextmanager
def reading_scm(account: Account, attempt: int, tries: int | None = None) -> Iterator[None]:
    """Turn errors of SCM during a *read* into outcomes of the step: reads may be repeated, orders may not.

    Temporary errors raise TryLater, and GiveUp from the `tries`-th attempt on (never if None). A refused
    login raises AccountSuspendedError, any other refusal GiveUp. NotReady is left to the caller.
    """
    try:
        yield
    except NotReady:
        raise
    except LoginRefused as refusal:
        raise AccountSuspendedError(account.id, refusal) from None
    except (NotSent, OutcomeUnknown, Throttled, TryAgain) as trouble:
        costs = costs_attempt(trouble)
        if costs and tries is not None and attempt >= tries:
            raise GiveUp(f"{trouble} (tried {attempt} times)") from None
        wait = pause_after(trouble, attempt)
        raise TryLater(str(trouble), after=wait, costs_attempt=costs) from None
    except ScmError as refusal:
        raise GiveUp(str(refusal)) from None

"""How a step can end: it returns, `TryLater`, or `GiveUp`. Anything else is a fault of ours."""

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

# Failed tries in a row of a question to SCM, before a person decides.
MOST_TRIES = 20


class TryLater(Exception):
    """Nothing is wrong with the command; it is too early. `costs_attempt`: something did go wrong.

    `afresh`: SCM has answered, so earlier failures count no more.
    """

    def __init__(
        self, why: str, *, after: timedelta, costs_attempt: bool = False, afresh: bool = False
    ) -> None:
        super().__init__(why)
        self.after = after
        self.costs_attempt = costs_attempt
        self.afresh = afresh


class GiveUp(Exception):
    """Trying again can't help: a person has to look."""


class AccountSuspendedError(Exception):
    """SCM refused the login: nothing more may be asked for this account until it is verified.

    `is_news` is False where that was known, so nothing was asked.
    """

    def __init__(self, account_id: int, refusal: LoginRefused) -> None:
        super().__init__(str(refusal))
        self.account_id = account_id
        self.is_news = not isinstance(refusal, NotAsked)


def back_off(attempt: int, *, first: float = 1.0, most: float = 300.0) -> timedelta:
    """How long to wait after the n-th failed try: doubling from `first` to `most` seconds.

    A quarter of it is chance, so that many workers don't come back at the same moment.
    """
    seconds = min(most, first * 2 ** min(attempt - 1, 30))
    return timedelta(seconds=seconds * random.uniform(0.75, 1.0))  # noqa: S311  # no secret


def costs_attempt(trouble: ScmError) -> bool:
    """Whether trouble that passes counts against the command that met it.

    Waiting for a turn doesn't, nor does an SCM that fails everybody: that costs only time.
    """
    return not (isinstance(trouble, Throttled) or trouble.widespread)


def pause_after(trouble: ScmError, attempt: int) -> timedelta:
    """How long to wait after trouble that passes: at least as long as SCM or our breaker says."""
    return max(timedelta(seconds=trouble.retry_after or 0), back_off(attempt))


@contextmanager
def reading_scm(account: Account, attempt: int, tries: int | None = None) -> Iterator[None]:
    """Turn SCM's errors during a *read* into an outcome: reads may be repeated, orders may not.

    Trouble that passes is tried again `tries` times, or for ever; NotReady is left to the caller.
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

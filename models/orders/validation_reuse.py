"""How long a validation may be used: CA/Browser Forum ballot SC-081v3, Baseline Requirements 4.2.1 and 6.3.2.

A certificate may rely on a validation that is at most so many days old on the day of its issue. So a validation
that was made before a step of the ballot may end with that step, earlier than SCM says today. Pure functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class BallotStep:
    """A step of the ballot, for certificates issued from `begins` on.

    `lifetime`: days that a certificate may live; `reuse`: days for which a validation may be used.
    """

    begins: date
    lifetime: int
    reuse: int


STEPS = (
    BallotStep(date.min, 398, 398),
    BallotStep(date(2026, 3, 15), 200, 200),
    BallotStep(date(2027, 3, 15), 100, 100),
    BallotStep(date(2029, 3, 15), 47, 10),
)
# What may be asked for as a "what if": the days of reuse of each step but the first.
WHAT_IF = tuple(step.reuse for step in STEPS[1:])
# A validation begins so long before a renewal needs it, at most: name servers, the CA and people take time.
LEAD = timedelta(days=7)


@dataclass(frozen=True)
class ReuseRules:
    """The rules of a time: the ballot's, or one of its steps as if it held from today on (`what_if`)."""

    today: date
    what_if: int | None = None

    def on(self, day: date) -> BallotStep:
        """Return the step that holds for certificates issued on a day."""
        if self.what_if is not None:
            return next(step for step in STEPS if step.reuse == self.what_if)
        return next(step for step in reversed(STEPS) if step.begins <= day)

    def last_day(self, expires: date, known: date | None = None) -> date:
        """Return the last day on which the present validation of a domain can be used. `expires`: as SCM says.

        `known`: the day on which it was made, if SCM says it. Otherwise that is inferred from its end, and what
        SCM says after a step of the ballot counts as said under the new rule.
        """
        if self.what_if is not None:
            return min(expires, self.today + timedelta(days=self.what_if))
        made = made_on(expires, self.today, known)
        if made == known:
            return min(expires, self.usable_until(made))
        return _kept(expires, made, [step for step in STEPS if step.begins > self.today])

    def usable_until(self, made: date) -> date:
        """Return the last day on which a validation made on a day can be used."""
        last = made + timedelta(days=self.on(made).reuse)
        later = () if self.what_if is not None else [each for each in STEPS if each.begins > made]
        return _kept(last, made, later)

    def begin_by(self, needed: date) -> date:
        """Return the day on which a validation has to begin that a renewal on the day `needed` relies on.

        A week before, but no more than a third of what a validation lasts: one of 10 days begins 3 days before.
        """
        third = timedelta(days=self.on(needed).reuse // 3)
        return max(self.today, needed - min(LEAD, third))


def made_on(expires: date, today: date, known: date | None = None) -> date:
    """Return when a validation was made that ends on a day. `known`: that day, as SCM says it.

    Where SCM does not say it, or it is that of an earlier validation, as far as the rules of its time tell: at the
    latest.
    """
    if known is not None and known <= min(expires, today) and _explains(known, expires):
        return known
    for step in reversed(STEPS):
        made = expires - timedelta(days=step.reuse)
        if step.begins <= made <= today and ReuseRules(today).on(made) is step:
            return made
    return min(today, expires)


def _explains(made: date, expires: date) -> bool:
    """Return True if a validation made on a day may end on the other one, or, with time zones, the day before."""
    return expires - made <= timedelta(days=ReuseRules(made).on(made).reuse + 1)


def _kept(last: date, made: date, later: Sequence[BallotStep]) -> date:
    """Return the last day of a validation under the steps that begin later."""
    for step in later:
        if step.begins <= last:
            before, own = step.begins - timedelta(days=1), made + timedelta(days=step.reuse)
            last = min(last, max(before, own))
    return last

"""How long a validation may be reused, by the day on which it is completed. Pure functions."""

from datetime import date, timedelta

from certline.models.domains.reuse import STEPS

# Days for which the validation of a domain may be reused, from which day on, the latest first; and before that.
REUSE = tuple((step.begins, step.reuse) for step in reversed(STEPS[1:]))
REUSE_BEFORE = STEPS[0].reuse


def reuse_days(day: date) -> int:
    """Return for how many days a validation that is completed on a day may be reused at most.

    Sectigo allows two days less today (SCM document: DCV), which only makes the present end earlier.
    """
    return next((days for since, days in REUSE if day >= since), REUSE_BEFORE)


def life_before(expires: date) -> timedelta:
    """Return how long a validation that ends on a day has been valid: the shortest time that fits the rules.

    After a change of the rules two may fit. With the longer one a validation of ten days would be renewed a month
    before its end, which is each day.
    """
    lives = [days for _, days in REUSE] + [REUSE_BEFORE]
    fitting = [days for days in lives if reuse_days(expires - timedelta(days=days)) == days]
    # A validation from before a change may be cut to the new length.
    return timedelta(days=min(fitting, default=reuse_days(expires)))

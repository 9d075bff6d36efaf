"""How long a validation may be reused, by the day on which it is completed. Pure functions."""

from datetime import date, timedelta

# CA/Browser Forum ballot SC-081v3 (Baseline Requirements 4.2.1): days for which the validation of a domain may be
# reused, from which day on.
REUSE = (
    (date(2029, 3, 15), 10),
    (date(2027, 3, 15), 100),
    (date(2026, 3, 15), 200),
)
# Before that.
REUSE_BEFORE = 398


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

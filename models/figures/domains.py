"""Figures of domains: how long their validations last, and whether that is long enough."""

from collections import Counter
from datetime import date
from typing import NamedTuple

from sqlalchemy import Date, bindparam, cast, func, select, text
from sqlalchemy.orm import Session

from certline.models.accounts.catalogue import Domain
from certline.models.domains.validation import Validation
from certline.models.figures.catalogue import DAYS, Reading, buckets
from certline.models.orders.validation_reuse import ReuseRules
from certline.models.states import ValidationStage

# Days ahead for which renewals are looked at: a validation that ends is renewed within such a time.
AHEAD = 7

# The names of certificates that are renewed soon, with the validation that lasts longest among the domains above
# each: any of them covers the name (`orders.domain_rules`). A certificate whose renewal was refused has no day; it
# needs the validation now.
_TOO_SHORT = text(
    """
    WITH soon AS (
      SELECT DISTINCT c.account_id, lower(n.name) AS name, coalesce(c.renews_at, now())::date AS on_day
      FROM certificate AS c, unnest(c.sans || c.common_name::text) AS n(name)
      WHERE c.status = 'active' AND c.auto_renew
        AND (c.renews_at IS NULL OR c.renews_at < now() + make_interval(days => :ahead))
    ), above AS (
      SELECT soon.account_id, soon.name, soon.on_day, level,
        array_to_string((string_to_array(ltrim(soon.name, '*.'), '.'))[level:], '.') AS parent
      FROM soon, generate_series(1, cardinality(string_to_array(ltrim(soon.name, '*.'), '.'))) AS level
    ), bare AS (
      SELECT account_id, lower(ltrim(name, '*.')) AS name, max(CASE
          WHEN lower(translate(validation_status, '_ ', '')) = 'notvalidated' THEN '-infinity'::date
          ELSE coalesce(rule.last_day, validation_expires, 'infinity'::date) END) AS ends
      FROM domain LEFT JOIN unnest(CAST(:expires AS date[]), CAST(:made AS date[]), CAST(:last_day AS date[]))
          AS rule(expires, made, last_day)
        ON rule.expires = validation_expires AND rule.made IS NOT DISTINCT FROM validated_on
      WHERE gone_at IS NULL GROUP BY 1, 2
    ), longest AS (
      SELECT DISTINCT ON (above.account_id, above.name, above.on_day) bare.account_id, bare.name, bare.ends, on_day
      FROM above JOIN bare ON bare.account_id = above.account_id AND bare.name = above.parent
      ORDER BY above.account_id, above.name, above.on_day, bare.ends DESC, level
    )
    SELECT count(DISTINCT (account_id, name)) FROM longest WHERE ends < greatest(on_day, now()::date)
    """
).bindparams(bindparam("ahead", AHEAD))


def validation_days_left(db: Session) -> list[Reading]:
    """Return the histogram of the days for which validations of domains can be used; for those that have ended, 0.

    By the ballot's rule, as renewals: a step of it may end a validation before the day that SCM shows.
    """
    found = Counter[int]()
    for each in _last_days(db):
        found[(each.last_day - each.today).days] += each.domains
    counts = {bound: sum(found[left] for left in found if left <= bound) for bound in DAYS}
    total = sum(left * count for left, count in found.items())
    return buckets(counts, found.total(), float(total))


def validations_too_short(db: Session) -> int:
    """Count the domains whose validation ends before a renewal that is planned within AHEAD days and needs it."""
    known = _last_days(db)
    days = {
        "expires": [each.expires for each in known],
        "made": [each.made for each in known],
        "last_day": [each.last_day for each in known],
    }
    return db.scalar(_TOO_SHORT, days) or 0


class _LastDay(NamedTuple):
    """The last day on which the validations of so many domains can be used: those made and ending on two days."""

    expires: date
    made: date | None
    last_day: date
    domains: int
    today: date


def _last_days(db: Session) -> list[_LastDay]:
    """Return the last days of all validations that have an end: an estate has few of them, and many domains."""
    query = (
        select(Domain.validation_expires, Domain.validated_on, func.count(), cast(func.now(), Date))
        .where(Domain.gone_at.is_(None), Domain.validation_expires.is_not(None))
        .group_by(Domain.validation_expires, Domain.validated_on)
    )
    return [
        _LastDay(expires, made, ReuseRules(today).last_day(expires, made), count, today)
        for expires, made, count, today in db.execute(query)
        if expires is not None
    ]


def validations_open(db: Session) -> list[Reading]:
    """Count the validations that are under way, by stage; a stage without any counts 0."""
    under_way = Validation.stage != ValidationStage.ENDED
    query = select(Validation.stage, func.count()).where(under_way).group_by(Validation.stage)
    counts = {row[0]: row[1] for row in db.execute(query)}
    stages = [stage for stage in ValidationStage if stage is not ValidationStage.ENDED]
    return [({"stage": stage.value}, counts.get(stage, 0)) for stage in stages]

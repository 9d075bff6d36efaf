"""The renewals ahead against the validations of their domains, over all active certificates in one pass.

Certificates are streamed, and only numbers by domain and day are kept: an account may have a hundred thousand.
"""

from collections.abc import Iterator
from datetime import UTC, date, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from certline.models.accounts.catalogue import Domain, domains, organizations
from certline.models.certificates.certificate import Certificate
from certline.models.certificates.line import AutoRenewChoice, Line
from certline.models.database.session import clock
from certline.models.domains.cover import Coverage
from certline.models.domains.forecast import ValidationOutlook
from certline.models.orders.validation_reuse import ReuseRules
from certline.models.renewals.selection import USUAL_DAYS, auto_renew_settings
from certline.models.renewals.timing import lead_of
from certline.models.states import CertificateStatus

# Certificates that are read at once.
PIECE = 2_000
DAY = timedelta(days=1)


def forecast_validations(
    db: Session,
    *,
    days: int,
    what_if: int | None = None,
    below: str | None = None,
    account_id: int | None = None,
    next_only: bool = False,
    selected_only: bool = False,
) -> ValidationOutlook:
    """Return which renewals of the days ahead would be refused because a validation ends first. Stores nothing.

    `what_if`: as if the ballot's step with so many days of reuse held from today on. `below`: only certificates
    with a name at or below this one (in ASCII form); `account_id`: only those of that account. `next_only`: only
    the next renewal of each, without those of its successors. `selected_only`: only certificates selected for
    automatic renewal.

    A certificate without a planned day is taken to be renewed when automatic renewal would do it at the latest;
    one that a user has deselected may end. A successor lives as long as its predecessor, if the ballot allows it.
    """
    rules = ReuseRules(clock(db).astimezone(UTC).date(), what_if)
    outlook = ValidationOutlook(rules, days)
    coverage = {
        own_id: Coverage(domains(db, own_id), organizations(db, own_id), rules)
        for own_id in _accounts(db, account_id)
    }
    before_end = {row.account_id: row.days for row in auto_renew_settings(db)}
    which = _chosen(outlook.last) if selected_only else []
    which += [] if below is None else [named_below(below)]
    which += [] if account_id is None else [Certificate.account_id == account_id]
    for piece in db.execute(
        _certificates(*which), execution_options={"yield_per": PIECE}
    ).partitions():
        for row in piece:
            covering = coverage.get(row.account_id)
            if covering is None:
                continue
            names = {row.common_name, *row.sans}
            found = (covering.of(name, row.organization_id) for name in names)
            lead_days = row.days or before_end.get(row.account_id, USUAL_DAYS)
            ahead = _renewals(row, lead_days, outlook.last, rules)
            covers = [cover for cover in found if cover is not None]
            outlook.add(
                row.account_id, covers, islice(ahead, 1) if next_only else ahead, row.common_name
            )
    return outlook


def _accounts(db: Session, account_id: int | None) -> list[int]:
    """Return the accounts whose domains are needed: the one that is asked for, or all that have any."""
    if account_id is not None:
        return [account_id]
    return list(db.scalars(select(Domain.account_id).distinct().order_by(Domain.account_id)))


def named_below(domain: str) -> ColumnElement[bool]:
    """Return the condition that one of a certificate's names is a domain, or lies below it. In ASCII form."""
    names = func.unnest(Certificate.sans.op("||")(Certificate.common_name)).column_valued("name")
    ending = f".{domain}"
    return (
        select(names).where(or_(names == domain, func.right(names, len(ending)) == ending)).exists()
    )


def _certificates(*which: ColumnElement[bool]) -> Select[Any]:
    columns: tuple[Any, ...] = (
        Certificate.account_id,
        Certificate.organization_id,
        Certificate.common_name,
        Certificate.sans,
        Certificate.not_before,
        Certificate.not_after,
        Certificate.renews_at,
        AutoRenewChoice.days,
    )
    return (
        select(*columns)
        .select_from(Certificate)
        .join(Line, Line.id == Certificate.line_id)
        .outerjoin(AutoRenewChoice, AutoRenewChoice.line_id == Certificate.line_id)
        .where(
            Certificate.status == CertificateStatus.ACTIVE,
            Line.deleted_at.is_(None),
            func.coalesce(AutoRenewChoice.selected, True),
            *which,
        )
    )


def _chosen(last: date) -> list[ColumnElement[bool]]:
    return [
        Certificate.auto_renew.is_(True),
        or_(Certificate.renews_at.is_(None), Certificate.renews_at < last + DAY),
    ]


def _renewals(row: Any, lead_days: int, last: date, rules: ReuseRules) -> Iterator[date]:
    """Yield the days of a certificate's renewals and of those of its successors, up to the last one."""
    lifetime = row.not_after - row.not_before
    begins = row.renews_at or row.not_after - lead_of(lifetime, lead_days)
    day = max(rules.today, begins.astimezone(UTC).date())
    while day <= last:
        yield day
        lifetime = min(lifetime, timedelta(days=rules.on(day).lifetime))
        day += _period(lifetime, lead_days)


@lru_cache(maxsize=1_000)  # an estate has few lifetimes and many certificates
def _period(lifetime: timedelta, lead_days: int) -> timedelta:
    return max(DAY, lifetime - lead_of(lifetime, lead_days))

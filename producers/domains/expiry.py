"""Publication of `domain.validation_expiring` when validations reach certain days before their end, once each."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date
from itertools import groupby, islice
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session, load_only

from certline.models import Account, AccountStatus, Domain
from certline.models.audit.identity import SWEEP
from certline.models.audit.log import AuditEntry, entry
from certline.models.certificates.below import DomainKey, certificates_below
from certline.models.commands.bulk import send_out
from certline.models.database.bulk import add_rows
from certline.models.database.session import clock
from certline.models.domains.ancestry import at_or_above
from certline.models.domains.expiry import (
    DaysToTell,
    days_to_tell,
    note_told,
    threshold_of,
    told,
)
from certline.models.domains.request import method_before
from certline.models.domains.scope import longest_of, top_domains
from certline.models.events.domain_data import DomainValidationExpiring
from certline.models.events.outbox import event_row
from certline.models.orders.validation_reuse import ReuseRules
from certline.models.overview.attendance import UNATTENDED, Attendance
from certline.producers.domains.care import care_of_domains


class ValidationEnd(NamedTuple):
    """The end of a domain's present validation, which has reached a threshold: `days` before it.

    `expires`: as SCM says; `last_day`: on which it can be used.
    """

    account: str
    method: str | None
    expires: date
    last_day: date
    days: int


# By the account's id and the domain.
Ends = dict[DomainKey, ValidationEnd]


def emit_validation_expiring(db: Session, most: int) -> int:
    """Publish `domain.validation_expiring` for validations that have reached a new threshold.

    Returns how many; at most `most` per call.
    """
    rules = ReuseRules(clock(db).astimezone(UTC).date())
    reached = dict(islice(_not_told(db, rules).items(), most))
    if not reached:
        return 0
    fresh = note_told(
        db, [(*key, each.last_day, each.days) for key, each in sorted(reached.items())]
    )
    care, certificates = care_of_domains(db), certificates_below(db, fresh)
    entries, messages = [], []
    for key in sorted(fresh):
        event = _event(
            key[1],
            reached[key],
            today=rules.today,
            certificates=certificates.get(key, 0),
            care=care.get(key, UNATTENDED),
        )
        entries.append(
            entry(event.event_type, event.domain, who=SWEEP, days=event.days, renewal=event.renewal)
        )
        messages.append(event_row(event, subject=event.domain, correlation_id=None))
    add_rows(db, AuditEntry, entries)
    send_out(db, messages)
    return len(fresh)


def _event(
    domain: str, each: ValidationEnd, *, today: date, certificates: int, care: Attendance
) -> DomainValidationExpiring:
    begins = None if care.begins is None else care.begins.astimezone(UTC).date().isoformat()
    return DomainValidationExpiring(
        domain=domain,
        account=each.account,
        method=method_before(each.method),
        expires=each.expires.isoformat(),
        last_day=each.last_day.isoformat(),
        days=each.days,
        days_left=(each.last_day - today).days,
        certificates=certificates,
        renewal=care.care,
        begins=begins,
        validation_id=None if care.validation is None else care.validation.id,
    )


def _not_told(db: Session, rules: ReuseRules) -> Ends:
    """Return the ends that have reached a threshold which was not told.

    Only entries are read that end near, and, if there is news of one, those that it is validated with: above it
    may be a domain, and beside it a wildcard, whose validation lasts longer.
    """
    near = _ends(_entries(db, _near(days_to_tell(rules))), rules)
    before = told(db, near.keys())
    new = {key: each for key, each in near.items() if _is_news(each, before.get(key))}
    if not new:
        return {}
    whole = _ends(_entries(db, _related(new)), rules)
    return {key: each for key, each in new.items() if whole.get(key) == each}


def _near(days: DaysToTell) -> ColumnElement[bool]:
    """Return the condition that the validation of an entry may have reached a threshold."""
    ends_soon = Domain.validation_expires.in_(days.ends)
    return or_(ends_soon, Domain.validated_on.in_(days.made)) if days.made else ends_soon


def _is_news(each: ValidationEnd, before: tuple[date, int] | None) -> bool:
    if before is None:
        return True
    last_day, least = before
    return last_day != each.last_day or each.days < least


def _related(domains: Iterable[DomainKey]) -> ColumnElement[bool]:
    """Return the condition that an entry is one of these domains, its wildcard, or one above it."""
    names = defaultdict(list)
    for account_id, name in domains:
        names[account_id].append(name)
    return or_(
        *(and_(Domain.account_id == own_id, at_or_above(its)) for own_id, its in names.items())
    )


def _entries(db: Session, which: ColumnElement[bool]) -> Iterator[tuple[str, list[Domain]]]:
    """Yield each account's name with its entries that meet a condition."""
    query = (
        select(Domain, Account.name)
        .join(Account, Account.id == Domain.account_id)
        .options(
            load_only(
                *(Domain.name, Domain.gone_at, Domain.validation_method),
                *(Domain.validation_expires, Domain.validated_on),
            )
        )
        .where(Domain.gone_at.is_(None), Account.status != AccountStatus.REMOVED, which)
        .order_by(Domain.account_id, Domain.name, Domain.scm_id)
    )
    for account, rows in groupby(db.execute(query), key=lambda row: row[1]):
        yield account, [row[0] for row in rows]


def _ends(entries: Iterable[tuple[str, list[Domain]]], rules: ReuseRules) -> Ends:
    """Return the ends that have reached a threshold, of the domains that are below none of the others."""
    found: Ends = {}
    for account, domains in entries:
        for name, its in top_domains(domains).items():
            longest = longest_of(its)
            if longest is None or longest.validation_expires is None:
                continue
            expires, known = longest.validation_expires, longest.validated_on
            days = threshold_of(expires, known, rules)
            if days is not None:
                last_day = rules.last_day(expires, known)
                end = ValidationEnd(account, longest.validation_method, expires, last_day, days)
                found[longest.account_id, name] = end
    return found

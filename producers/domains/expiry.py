"""Publication of `domain.validation_expiring` when validations reach certain days before their end, once each."""

from collections import defaultdict
from datetime import UTC, date
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from certline.models import Account, AccountStatus, Domain
from certline.models.audit.identity import SWEEP
from certline.models.audit.log import AuditEntry, entry
from certline.models.certificates.below import certificates_below
from certline.models.commands.bulk import send_out
from certline.models.database.bulk import add_rows
from certline.models.database.session import clock
from certline.models.domains.expiry import note_told, threshold_reached, told
from certline.models.domains.request import method_before
from certline.models.domains.reuse import ReuseRules, made_on
from certline.models.domains.scope import longest_of, top_domains
from certline.models.events.domain_data import DomainValidationExpiring
from certline.models.events.outbox import event_row
from certline.models.overview.attendance import UNATTENDED, Attendance
from certline.producers.domains.care import care_of_domains


class ValidationEnd(NamedTuple):
    """The end of a domain's present validation. `expires`: as SCM says; `last_day`: on which it can be used."""

    account_id: int
    account: str
    domain: str
    method: str | None
    expires: date
    last_day: date
    life: int


def emit_validation_expiring(db: Session, most: int) -> int:
    """Publish `domain.validation_expiring` for validations that have reached a new threshold.

    Returns how many; at most `most` per call.
    """
    today = clock(db).astimezone(UTC).date()
    before = told(db)
    reached: dict[tuple[int, str], tuple[ValidationEnd, int]] = {}
    for each in _ends(db, ReuseRules(today)):
        days = threshold_reached((each.last_day - today).days, each.life)
        if days is None:
            continue
        last_day, least = before.get((each.account_id, each.domain), (None, 0))
        if last_day != each.last_day or days < least:
            reached[each.account_id, each.domain] = each, days
        if len(reached) == most:
            break
    if not reached:
        return 0
    fresh = note_told(
        db, [(*key, each.last_day, days) for key, (each, days) in sorted(reached.items())]
    )
    care, certificates = care_of_domains(db), certificates_below(db, fresh)
    entries, messages = [], []
    for key in sorted(fresh):
        each, days = reached[key]
        event = _event(
            each,
            days=days,
            today=today,
            certificates=certificates.get(key, 0),
            care=care.get(key, UNATTENDED),
        )
        entries.append(
            entry(event.event_type, each.domain, who=SWEEP, days=days, renewal=event.renewal)
        )
        messages.append(event_row(event, subject=each.domain, correlation_id=None))
    add_rows(db, AuditEntry, entries)
    send_out(db, messages)
    return len(fresh)


def _event(
    each: ValidationEnd, *, days: int, today: date, certificates: int, care: Attendance
) -> DomainValidationExpiring:
    begins = None if care.begins is None else care.begins.astimezone(UTC).date().isoformat()
    return DomainValidationExpiring(
        domain=each.domain,
        account=each.account,
        method=method_before(each.method),
        expires=each.expires.isoformat(),
        last_day=each.last_day.isoformat(),
        days=days,
        days_left=(each.last_day - today).days,
        certificates=certificates,
        renewal=care.care,
        begins=begins,
        validation_id=None if care.validation is None else care.validation.id,
    )


def _ends(db: Session, rules: ReuseRules) -> list[ValidationEnd]:
    """Return the ends of the validations of all domains that are validated themselves."""
    rows = defaultdict(list)
    query = (
        select(Domain, Account.name)
        .join(Account, Account.id == Domain.account_id)
        .options(
            load_only(
                *(Domain.name, Domain.gone_at, Domain.validation_method),
                *(Domain.validation_expires, Domain.validated_on),
            )
        )
        .where(Domain.gone_at.is_(None), Account.status != AccountStatus.REMOVED)
    )
    for domain, account in db.execute(query):
        rows[domain.account_id, account].append(domain)
    found = []
    for (account_id, account), domains in rows.items():
        for name, its in top_domains(domains).items():
            longest = longest_of(its)
            if longest is None or longest.validation_expires is None:
                continue
            expires, known = longest.validation_expires, longest.validated_on
            last_day, made = rules.last_day(expires, known), made_on(expires, rules.today, known)
            method, life = longest.validation_method, (last_day - made).days
            found.append(ValidationEnd(account_id, account, name, method, expires, last_day, life))
    return found

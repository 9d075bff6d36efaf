"""Automatic validation: which domain is validated on which day, and the run that requests what is due.

The days come from the planner of renewals (`models.renewals.timing`), with a validation in place of a certificate:
a lead of the configured days or a third of its life (half, if that is under ten days), a spread, a cap a day, and
an emergency band that ignores the cap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as at_time
from shlex import quote

from sqlalchemy.orm import Session

from certline.models import Account, AccountStatus, CommandType
from certline.models.accounts.account import accounts_shown
from certline.models.accounts.catalogue import Domain, domains
from certline.models.accounts.suspension import suspended_text
from certline.models.audit.identity import SCHEDULE, Identity
from certline.models.audit.log import record
from certline.models.commands.command import accept
from certline.models.commands.payloads import ValidateCommand
from certline.models.database.session import clock
from certline.models.domains.automation import (
    AutoValidation,
    AutoValidationChoice,
    AutoValidationDecision,
    auto_validations,
    begun_since,
    choices_of,
    failures_since_success,
    last_decisions_of_domains,
)
from certline.models.domains.scope import ends_of, longest_of, top_domains
from certline.models.domains.validation import Validation, open_validations
from certline.models.orders.domain_rules import is_suspended, is_validated
from certline.models.orders.validation_reuse import ReuseRules, made_on
from certline.models.renewals.timing import Calendar, Span, span_of, usual_cap
from certline.models.states import Decision
from certline.producers.domains.validations import PACE

# Pauses after the first, second and third failure in a row; after more failures the last one.
PAUSES = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1))
# Failures in a row after which an operator has to act. A month of tries each day costs the CA, and tells nobody.
MOST_FAILURES = 6
# A domain whose validation has ended, or never was: its span begins so long ago that it is an emergency.
LONG_AGO = timedelta(days=400)
A_DAY = timedelta(days=1)
# A decision that stays the same is recorded again after this time.
REPEAT = timedelta(days=1)


@dataclass(frozen=True)
class DomainPlan:
    """A domain that is validated by itself. `day`: on which; None if its validation has no end, or is under way.

    `verdict`: why it is not validated on its day, with the decision that is recorded; one that failed is `held`,
    and `day` is that of the next try. `due`: since when it should be validated, where that is not `day`.
    """

    account: Account
    domain: str
    expires: date | None
    day: date | None
    verdict: tuple[Decision, str] | None = None
    due: date | None = None

    def is_due(self, today: date) -> bool:
        """Return True if something is decided about it today."""
        begins = self.due or self.day
        return begins is not None and begins <= today


def run_automatic(db: Session, *, requested_by: Identity = SCHEDULE) -> dict[str, int]:
    """Request every validation that is due, and record a decision for each. Returns counts for the log."""
    now = clock(db)
    counts = dict.fromkeys(("due", "renewed", "held", "refused"), 0)
    before = last_decisions_of_domains(db)
    for each in plan_domains(db):
        if not each.is_due(now.astimezone(UTC).date()):
            continue
        decision = each.verdict[0] if each.verdict else Decision.RENEWED
        counts["due"] += 1
        counts[decision.value] += 1
        if not _is_known(before.get((each.account.id, each.domain)), decision, each, now):
            _decide(db, each, decision, counts["renewed"] * PACE, requested_by)
    return counts


def _is_known(
    last: AutoValidationDecision | None, decision: Decision, each: DomainPlan, now: datetime
) -> bool:
    """Return True if the same was decided about a domain within a day, for the same reason.

    The job runs each hour, and the audit is to tell what is new. Whatever is requested is always recorded.
    """
    if last is None or decision is Decision.RENEWED or each.verdict is None:
        return False
    same = (last.decision, last.reason) == (decision, each.verdict[1])
    return same and now - last.decided_at < REPEAT


def plan_domains(db: Session) -> list[DomainPlan]:
    """Return the plan of every account for which automatic validation is on, by day, then by domain."""
    # Without their secrets, which the board's role may not read.
    known = {
        account.id: account
        for account in accounts_shown(db)
        if account.status is not AccountStatus.REMOVED
    }
    planned: list[DomainPlan] = []
    for setting in auto_validations(db, enabled=True):
        account = known.get(setting.account_id)
        if account is not None:
            planned += _plan_account(db, setting, account)
    return sorted(planned, key=lambda each: (each.day or date.max, each.domain))


def _plan_account(db: Session, setting: AutoValidation, account: Account) -> list[DomainPlan]:
    now = clock(db)
    today = now.astimezone(UTC).date()
    known = top_domains(domains(db, account.id))
    chosen = choices_of(db, account.id)
    going = {row.domain for row in open_validations(db) if row.account_id == account.id}
    failed = failures_since_success(db, account.id)
    spans = {}
    for name, rows in known.items():
        choice = chosen.get(name)
        if choice is None or choice.selected:
            spans[name] = span_of_domain(name, rows, setting, choice, now)
    cap = setting.cap_per_day or usual_cap([span for span in spans.values() if span is not None])
    midnight = datetime.combine(today, at_time(), UTC)
    calendar = Calendar(today, cap, {today: begun_since(db, account.id, midnight)})
    order = sorted(spans, key=lambda name: _rank(name, spans[name], today))
    planned = []
    for name in order:
        span, expires = spans[name], ends_of(known[name])
        if span is None or name in going:
            planned.append(DomainPlan(account, name, expires, None))
            continue
        failures, due = failed.get(name, []), max(span.target, today)
        verdict = _objection(account, known[name], failures, now)
        is_held = verdict is not None and verdict[0] is Decision.HELD
        again = _next_try(failures, now).astimezone(UTC).date() if is_held else due
        if verdict is None or again < due:
            # A failure long before its day, as of one that a person has begun, is no objection on that day.
            planned.append(DomainPlan(account, name, expires, max(calendar.take(span), today)))
        else:
            planned.append(DomainPlan(account, name, expires, again, verdict, due=due))
    return planned


def span_of_domain(
    name: str,
    rows: Sequence[Domain],
    setting: AutoValidation,
    choice: AutoValidationChoice | None,
    now: datetime,
) -> Span | None:
    """Return the dates of a domain's validation; None if it has no end."""
    days = choice.days if choice is not None and choice.days else setting.days
    longest = longest_of(rows)
    if longest is None or longest.validation_expires is None:
        if any(map(is_validated, rows)):
            return None
        return span_of(name, name, now - LONG_AGO, now, days)
    today = now.astimezone(UTC).date()
    expires, known = longest.validation_expires, longest.validated_on
    # A step of the ballot may end it earlier than SCM says today.
    last, made = ReuseRules(today).last_day(expires, known), made_on(expires, today, known)
    ends = datetime.combine(last, at_time(), UTC)
    return span_of(name, name, ends - max(last - made, A_DAY), ends, days)


def _rank(name: str, span: Span | None, today: date) -> tuple[bool, date, str]:
    """Return the place of a domain in planning: emergencies first, then by the latest day that is on time."""
    if span is None:
        return (True, date.max, name)
    return (span.emergency > today, span.wanted, name)


def _objection(
    account: Account, rows: Sequence[Domain], failed: Sequence[Validation], now: datetime
) -> tuple[Decision, str] | None:
    if account.status is not AccountStatus.ACTIVE:
        return Decision.REFUSED, suspended_text(account)
    if all(map(is_suspended, rows)):
        return Decision.REFUSED, "the domain is suspended at SCM; it has to be activated there"
    if not failed:
        return None
    last = failed[0]
    said = f"failed {len(failed)} times, last: {last.error}"
    if len(failed) >= MOST_FAILURES:
        domain = last.domain
        return (
            Decision.REFUSED,
            f"an operator has to act: {said}. When mended: certline domain validate {quote(domain)}",
        )
    again = _next_try(failed, now)
    if again > now:
        return Decision.HELD, f"{said}; next try {again.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return None


def _next_try(failed: Sequence[Validation], now: datetime) -> datetime:
    """Return when a domain may be validated again after these failures, the newest first."""
    return (failed[0].ended_at or now) + PAUSES[min(len(failed), len(PAUSES)) - 1]


def _decide(
    db: Session, each: DomainPlan, decision: Decision, after: timedelta, who: Identity
) -> None:
    command_id = None
    if decision is Decision.RENEWED:
        payload = ValidateCommand(domain=each.domain, account=each.account.name)
        command, _ = accept(
            db,
            CommandType.VALIDATE,
            payload.model_dump(mode="json", exclude_defaults=True),
            requested_by=who,
            source="auto-validate",
            subject=each.domain,
            after=after,
        )
        command_id = command.id
    reason = each.verdict[1] if each.verdict else None
    db.add(
        AutoValidationDecision(
            account_id=each.account.id,
            domain=each.domain,
            expires=each.expires,
            planned=each.day,
            decision=decision,
            reason=reason,
            command_id=command_id,
        )
    )
    record(
        db,
        f"auto_validation.{decision.value}",
        each.domain,
        who=who,
        why=reason,
        command_id=command_id,
        account=each.account.name,
    )

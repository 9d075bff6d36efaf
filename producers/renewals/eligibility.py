"""Objections to renewing a certificate automatically, each with a reason for the operator.

They are found from our database alone; SCM is checked later, by the worker that sends the renewal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AccountStatus,
    Certificate,
    CertificateStatus,
    Domain,
    Order,
    Profile,
)
from certline.models.accounts.catalogue import domains, organizations, profiles
from certline.models.accounts.suspension import suspended_text
from certline.models.certificates.backoff import Backoff, backoff_of, may_renew_automatically
from certline.models.certificates.certificate import WITHOUT_PEM
from certline.models.commands.payloads import RenewCommand
from certline.models.database.session import clock
from certline.models.domains.automation import AutomaticDomains, automatic_domains
from certline.models.domains.cover import Coverage
from certline.models.lifecycle.succession_rule import Newest, newest_here
from certline.models.orders.checks import Offer
from certline.models.orders.domain_rules import above, by_bare_name
from certline.models.orders.successor_key import successor_key
from certline.models.orders.validation_reuse import ReuseRules
from certline.models.renewals.plan import Going, Selected, renewed_by_us
from certline.models.states import Decision, DecisionCode
from certline.models.validation import BadCommandError
from certline.workers.ordering.succession import planned_successor

# Reasons for which a validation may be all that is missing; a domain that was never validated is not orderable.
LACKS_VALIDATION = frozenset({DecisionCode.VALIDATION_ENDED, DecisionCode.NOT_ORDERABLE})


@dataclass(frozen=True)
class Eligibility:
    """An objection to renewing a certificate now. `again_at`: when it is tried again automatically."""

    decision: Decision
    code: DecisionCode
    reason: str
    again_at: datetime | None = None


@dataclass(frozen=True)
class NeededValidation:
    """The validation that a renewal would be refused without. `begin_by`: the day on which it has to begin."""

    domain: str
    begin_by: date


@dataclass(frozen=True)
class Foreseen:
    """What is known today about the planned renewals, by certificate id.

    `refused`: why a renewal would be refused on its day; `remarks`: on another kind of key; `validations`: what
    somebody has to validate, so that a renewal is not refused.
    """

    refused: Mapping[str, str]
    remarks: Mapping[str, str]
    validations: Mapping[str, NeededValidation]


@dataclass(frozen=True)
class Facts:
    """Rows that the objections are decided by. Mappings are keyed by certificate id, but `backoff` by line id,
    `orders` by order id, `domains` by bare name and `profiles` by SCM's id. `coverage`: which validation a name
    needs, and how long it can be used. `validation`: the domains that are validated by themselves, None if that is
    off.

    `going`: successors on their way; `replaced_by`: the newest certificate of the same line, where it is not the
    certificate itself; `ours`: certificates that SCM reports as renewed because of our own renewal.
    """

    account: Account
    now: datetime
    offer: Offer
    domains: Mapping[str, Sequence[Domain]]
    coverage: Coverage
    going: Mapping[str, Going]
    replaced_by: Mapping[str, Newest] = field(default_factory=dict)
    ours: frozenset[str] = frozenset()
    backoff: Mapping[str, Backoff] = field(default_factory=dict)
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    orders: Mapping[str, Order] = field(default_factory=dict)
    profiles: Mapping[int, Profile] = field(default_factory=dict)
    validation: AutomaticDomains | None = None

    def validates(self, names: Sequence[str]) -> bool:
        """Return True if the domains of all these names are validated by themselves."""
        automatic = self.validation
        return automatic is not None and automatic.covers(names, self.offer.domains)


def facts_about(
    db: Session, account: Account, those: Sequence[Selected], going: Mapping[str, Going]
) -> Facts:
    """Load everything the objections need, with one query per kind of row instead of one per certificate."""
    offered = profiles(db, account.id)
    offer = Offer(organizations(db, account.id), domains(db, account.id), offered, [])
    pairs = _with_orders(db, those)
    orders = {order.id: order for _, order in pairs}
    renewed = [certificate.id for certificate, order in pairs if order.scm_renewed]
    now = clock(db)
    rules = ReuseRules(now.astimezone(UTC).date())
    return Facts(
        account=account,
        now=now,
        offer=offer,
        domains=by_bare_name(offer.domains),
        coverage=Coverage(offer.domains, offer.organizations, rules),
        going=going,
        replaced_by=newest_here(db, [each.id for each in those]),
        ours=frozenset(renewed_by_us(db, renewed)),
        backoff=backoff_of(db, [each.line_id for each in those]),
        certificates={certificate.id: certificate for certificate, _ in pairs},
        orders=orders,
        profiles={profile.scm_id: profile for profile in offered},
        validation=automatic_domains(db, account.id),
    )


def objections(facts: Facts, those: Sequence[Selected]) -> dict[str, Eligibility]:
    """Return the objections to renewing these certificates, by id; those that may be renewed are left out."""
    found = ((each.id, objection(facts, each)) for each in those)
    return {own_id: verdict for own_id, verdict in found if verdict is not None}


def objection(facts: Facts, each: Selected) -> Eligibility | None:
    """Return the objection to renewing a due certificate, or None if it may be renewed (docs/renewal.md)."""
    account = facts.account
    if account.status is not AccountStatus.ACTIVE:
        return _refused(DecisionCode.ACCOUNT_SUSPENDED, suspended_text(account))
    if (going := facts.going.get(each.id)) is not None:
        return Eligibility(Decision.SKIPPED, DecisionCode.UNDER_WAY, going.text)
    if (newer := facts.replaced_by.get(each.id)) is not None:
        if newer.status is CertificateStatus.ACTIVE:
            why = f"its line has a newer certificate in force: {newer.id}"
            return _refused(DecisionCode.REPLACED, why)
        return _refused(DecisionCode.REPLACED, f"it was renewed; {newer.advice}")
    order = facts.orders.get(each.order_id)
    if order is None:
        why = "it was deleted a moment ago"
        return Eligibility(Decision.SKIPPED, DecisionCode.DELETED, why)
    if order.scm_auto_renew:
        return _refused(
            DecisionCode.SCM_AUTO_RENEW,
            "SCM's own auto-renew is on for it, and would renew it a second time: switch one of the "
            f"two off (SCM's portal, or certline auto-renew deselect {each.id})",
        )
    if order.scm_renewed and each.id not in facts.ours:
        return _refused(
            DecisionCode.RENEWED_ELSEWHERE,
            "SCM says that it was renewed, and not by this installation: import its successor "
            "(certline import), or renew it once more on purpose (certificate renew --again)",
        )
    backoff = facts.backoff.get(each.line_id, Backoff())
    if not may_renew_automatically(backoff, facts.now):
        return _rests(backoff, each)
    return _unfit(facts, each)


def key_remarks(facts: Facts, those: Sequence[Selected]) -> dict[str, str]:
    """Return why the new key will be of another kind than the present one, by certificate id, where it will."""
    found = {}
    for each in those:
        certificate, order = facts.certificates.get(each.id), facts.orders.get(each.order_id)
        if certificate is None or order is None:
            continue
        profile = facts.profiles.get(order.profile_id)
        key = successor_key(profile, certificate.key_algorithm, certificate.key_size)
        if key is not None and key.remark is not None:
            found[each.id] = key.remark
    return found


def foreseen(
    db: Session, account: Account, those: Sequence[Selected], planned: Mapping[str, date]
) -> Foreseen:
    """Predict which certificates would be refused on their planned day, e.g. because a validation ends before,
    and which would get another kind of key.
    """
    facts = facts_about(db, account, those, {})
    rules = ReuseRules(facts.now.astimezone(UTC).date())
    found: dict[str, str] = {}
    needed: dict[str, NeededValidation] = {}
    for each in those:
        day = datetime.combine(planned[each.id], time(), UTC)
        verdict = objection(replace(facts, now=max(facts.now, day)), each)
        if verdict is not None and verdict.decision is Decision.REFUSED:
            found[each.id] = verdict.reason
        order = facts.orders.get(each.order_id)
        if order is None or facts.validates(order.names):
            continue
        if verdict is not None and verdict.code not in LACKS_VALIDATION:
            continue
        short = facts.coverage.short_for(order.names, order.organization_id, planned[each.id])
        if short is not None:
            begin_by = rules.begin_by(planned[each.id])
            needed[each.id] = NeededValidation(short.domain, begin_by)
    return Foreseen(found, key_remarks(facts, those), needed)


def validation_problem(order: Order, facts: Facts) -> str | None:
    """Return that the validation (DCV) of one of an order's names has ended by the day of the facts, or None.

    It ends with the date that SCM has, or with a step of the ballot SC-081v3 that makes it too old before that
    (`models.orders.validation_reuse`). What else speaks against a name is a problem of the renewal itself.
    """
    if all(row.scm_id != order.organization_id for row in facts.offer.organizations):
        return None
    day = facts.now.astimezone(UTC).date()
    short = facts.coverage.short_for(order.names, order.organization_id, day)
    if short is None:
        return None
    return (
        f"the validation of {short.domain} expired on {short.last_day}: SCM may refuse names in it"
    )


def _unfit(facts: Facts, each: Selected) -> Eligibility | None:
    """Return the objection that a renewal typed by a user would get; warnings about validations count too."""
    certificate, order = facts.certificates[each.id], facts.orders[each.order_id]
    profile = facts.profiles.get(order.profile_id)
    # Before the first sync there is nothing to compare with.
    if facts.account.synced_at is not None or facts.offer.organizations:
        gone = _gone(facts, order, profile)
        if gone is not None:
            return _refused(DecisionCode.GONE_AT_SCM, gone)
    offer = replace(facts.offer, domains=above(order.names, facts.domains))
    try:
        planned_successor(
            RenewCommand(certificate=each.id),
            certificate,
            account=facts.account,
            origin=order,
            profile=profile,
            offer=offer,
            today=facts.now.date(),
        )
    except BadCommandError as bad:
        return _refused(DecisionCode.NOT_ORDERABLE, "; ".join(bad.problems))
    problem = validation_problem(order, facts)
    if problem is None:
        return None
    if not facts.validates(order.names):
        return _refused(DecisionCode.VALIDATION_ENDED, problem)
    why = f"{problem}; it waits for the validation (certline domain auto-validate plan)"
    return Eligibility(Decision.HELD, DecisionCode.VALIDATION_ENDED, why)


def _gone(facts: Facts, order: Order, profile: Profile | None) -> str | None:
    organization = next(
        (row for row in facts.offer.organizations if row.scm_id == order.organization_id), None
    )
    if organization is None or organization.gone_at is not None:
        return f"organization: {order.organization_name!r} is gone at SCM"
    if profile is None or profile.gone_at is not None:
        return f"profile: {order.profile_name!r} is gone at SCM"
    return None


def _rests(backoff: Backoff, each: Selected) -> Eligibility:
    said = f"failed {backoff.failures} times, last: {backoff.reason}"
    if backoff.waits_for_person:
        return _refused(
            DecisionCode.WAITS_FOR_PERSON,
            f"an operator has to decide: {said}. When fixed: certline certificate renew {each.id}",
        )
    again = backoff.next_try_at
    why = f"{said}; next try {again:%Y-%m-%d %H:%M} UTC"
    return Eligibility(Decision.HELD, DecisionCode.FAILED_BEFORE, why, again)


def _refused(code: DecisionCode, reason: str) -> Eligibility:
    return Eligibility(Decision.REFUSED, code, reason)


def _with_orders(db: Session, those: Sequence[Selected]) -> list[tuple[Certificate, Order]]:
    query = (
        select(Certificate, Order)
        .join(Order, Order.id == Certificate.order_id)
        .where(Certificate.id.in_([each.id for each in those]))
        .options(*WITHOUT_PEM)
    )
    return [(row[0], row[1]) for row in db.execute(query)]

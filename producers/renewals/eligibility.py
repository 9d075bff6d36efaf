"""What speaks against renewing a certificate by itself, with the reason that a person reads.

Found out from rows alone: what SCM says is asked by the worker that sends the renewal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import Account, AccountStatus, Certificate, Order, Profile
from certline.models.accounts.catalogue import domains, organizations, profiles
from certline.models.certificates.backoff import Backoff, backoff_of, may_renew_automatically
from certline.models.certificates.certificate import WITHOUT_PEM
from certline.models.commands.payloads import RenewCommand
from certline.models.database.session import clock
from certline.models.orders.checks import Offer, judge_name
from certline.models.renewals.plan import Going, Selected, renewed_by_us, replaced_here
from certline.models.renewals.runs import Decision
from certline.models.validation import BadCommandError
from certline.workers.ordering.succession import planned_successor
from certline.workers.runtime.step import suspended_text


@dataclass(frozen=True)
class Verdict:
    """Why a certificate that is due is not renewed now. `again_at`: when it is tried by itself."""

    decision: Decision
    reason: str
    again_at: datetime | None = None


@dataclass(frozen=True)
class Facts:
    """What is known of some certificates: each mapping by the certificate's id, but for `backoff`
    (by the line's).
    """

    account: Account
    now: datetime
    offer: Offer
    going: Mapping[str, Going]
    replaced_by: Mapping[str, str] = field(default_factory=dict)
    ours: frozenset[str] = frozenset()
    backoff: Mapping[str, Backoff] = field(default_factory=dict)
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    orders: Mapping[str, Order] = field(default_factory=dict)
    profiles: Mapping[int, Profile] = field(default_factory=dict)


def facts_about(
    db: Session, account: Account, those: Sequence[Selected], going: Mapping[str, Going]
) -> Facts:
    """Everything that the rules ask for, in a query for each kind and not for each certificate."""
    offered = profiles(db, account.id)
    pairs = _with_orders(db, those)
    orders = {order.id: order for _, order in pairs}
    renewed = [certificate.id for certificate, order in pairs if order.scm_renewed]
    return Facts(
        account=account,
        now=clock(db),
        offer=Offer(organizations(db, account.id), domains(db, account.id), offered, []),
        going=going,
        replaced_by=replaced_here(db, those),
        ours=frozenset(renewed_by_us(db, renewed)),
        backoff=backoff_of(db, [each.line_id for each in those]),
        certificates={certificate.id: certificate for certificate, _ in pairs},
        orders=orders,
        profiles={profile.scm_id: profile for profile in offered},
    )


def objections(facts: Facts, those: Sequence[Selected]) -> dict[str, Verdict]:
    """What speaks against each of these, by its id; one that may be renewed has none."""
    found = ((each.id, objection(facts, each)) for each in those)
    return {own_id: verdict for own_id, verdict in found if verdict is not None}


def objection(facts: Facts, each: Selected) -> Verdict | None:
    """What speaks against renewing a certificate that is due (design, section 6)."""
    account = facts.account
    if account.status is not AccountStatus.ACTIVE:
        return _refused(suspended_text(account))
    if (going := facts.going.get(each.id)) is not None:
        return Verdict(Decision.SKIPPED, going.text)
    if (newer := facts.replaced_by.get(each.id)) is not None:
        return _refused(f"its line has a newer certificate in force: {newer}")
    order = facts.orders.get(each.order_id)
    if order is None:
        return Verdict(Decision.SKIPPED, "it was deleted a moment ago")
    if order.scm_auto_renew:
        return _refused(
            "SCM's own auto-renew is on for it, and would renew it a second time: switch one of the "
            f"two off (SCM's portal, or certline auto-renew deselect {each.id})"
        )
    if order.scm_renewed and each.id not in facts.ours:
        return _refused(
            "SCM says that it was renewed, and not by this line: import its successor "
            "(certline import), or renew it once more on purpose (certificate renew --again)"
        )
    backoff = facts.backoff.get(each.line_id, Backoff())
    if not may_renew_automatically(backoff, facts.now):
        return _rests(backoff, each)
    return _unfit(facts, each)


def foreseen(
    db: Session, account: Account, those: Sequence[Selected], planned: Mapping[str, date]
) -> dict[str, str]:
    """Why these would be refused on the day that is planned for each, as far as it is known today
    (a validation that ends before, say); one that would be renewed has none.
    """
    facts = facts_about(db, account, those, {})
    found = {}
    for each in those:
        day = datetime.combine(planned[each.id], time(), UTC)
        verdict = objection(replace(facts, now=max(facts.now, day)), each)
        if verdict is not None and verdict.decision is Decision.REFUSED:
            found[each.id] = verdict.reason
    return found


def validation_problem(
    names: Sequence[str], order: Order, offer: Offer, target: date
) -> str | None:
    """Why a name could not be validated on the day of the renewal: the validation of its domain (DCV)
    ends before (SC-081v3: it may be used again for 200 days, and from 2029 on for 10).
    """
    there = (row for row in offer.organizations if row.scm_id == order.organization_id)
    organization = next(there, None)
    if organization is None:
        return None
    for name in names:
        problem, warning = judge_name(name, organization, offer.domains, target)
        if problem or warning:
            return problem or warning
    return None


def _unfit(facts: Facts, each: Selected) -> Verdict | None:
    """What a renewal typed by a person would be told, and validations that would only be a warning."""
    certificate, order = facts.certificates[each.id], facts.orders[each.order_id]
    profile = facts.profiles.get(order.profile_id)
    if facts.account.synced_at is not None or facts.offer.organizations:
        gone = _gone(facts, order, profile)
        if gone is not None:
            return _refused(gone)
    try:
        planned_successor(
            RenewCommand(certificate=each.id),
            certificate,
            account=facts.account,
            origin=order,
            profile=profile,
            offer=facts.offer,
            today=facts.now.date(),
        )
    except BadCommandError as bad:
        return _refused("; ".join(bad.problems))
    problem = validation_problem(order.names, order, facts.offer, facts.now.date())
    return None if problem is None else _refused(problem)


def _gone(facts: Facts, order: Order, profile: Profile | None) -> str | None:
    organization = next(
        (row for row in facts.offer.organizations if row.scm_id == order.organization_id), None
    )
    if organization is None or organization.gone_at is not None:
        return f"organization: {order.organization_name!r} is gone at SCM"
    if profile is None or profile.gone_at is not None:
        return f"profile: {order.profile_name!r} is gone at SCM"
    return None


def _rests(backoff: Backoff, each: Selected) -> Verdict:
    said = f"failed {backoff.failures} times, last: {backoff.reason}"
    if backoff.waits_for_person:
        return _refused(
            f"a person has to look: {said}. When that is mended: certline certificate renew {each.id}"
        )
    again = backoff.next_try_at
    return Verdict(Decision.HELD, f"{said}; tried again {again:%Y-%m-%d %H:%M} UTC", again)


def _refused(reason: str) -> Verdict:
    return Verdict(Decision.REFUSED, reason)


def _with_orders(db: Session, those: Sequence[Selected]) -> list[tuple[Certificate, Order]]:
    query = (
        select(Certificate, Order)
        .join(Order, Order.id == Certificate.order_id)
        .where(Certificate.id.in_([each.id for each in those]))
        .options(*WITHOUT_PEM)
    )
    return [(row[0], row[1]) for row in db.execute(query)]

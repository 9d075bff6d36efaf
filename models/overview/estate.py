"""What belongs to an organisation, a profile, a domain or an account: a look at each that stays cheap."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account
from certline.models.accounts.breaker import Breaker
from certline.models.accounts.catalogue import Domain, Organization, Profile
from certline.models.accounts.catalogue_list import delegated_to
from certline.models.accounts.rate_limit import RateLimit
from certline.models.certificates.certificate import Certificate
from certline.models.database.patterns import like
from certline.models.host_names import same_host
from certline.models.listing import SORTINGS, Narrowing, certificates_listed, count, page
from certline.models.states import CertificateStatus

# Certificates that are counted, at most: there are as many or more then.
MOST_COUNTED = 1_000
# Certificates that are listed, those that end first.
FIRST = 10


@dataclass(frozen=True)
class Holding:
    """Active certificates of something: their number, up to MOST_COUNTED, and those that end first."""

    count: int
    first: Sequence[Certificate]

    @property
    def whole(self) -> bool:
        """False if there may be more than `count`."""
        return self.count < MOST_COUNTED


def holding_of(db: Session, wanted: Narrowing) -> Holding:
    """Return the active certificates of an organisation or a profile."""
    question = certificates_listed(wanted).where(
        Certificate.status == CertificateStatus.ACTIVE, Certificate.not_after > func.now()
    )
    sorting = SORTINGS[Certificate.__tablename__]["expires"]
    return Holding(
        count(db, question, most=MOST_COUNTED),
        page(db, question, sorting, after=None, limit=FIRST),
    )


def count_below(db: Session, domain: Domain) -> int:
    """Count the active certificates for a domain or names below it, up to MOST_COUNTED."""
    name = same_host(domain.name).removeprefix("*.")
    ids = [
        select(Certificate.id).where(
            Certificate.account_id == domain.account_id,
            Certificate.status == CertificateStatus.ACTIVE,
            *which,
        )
        for which in (
            [Certificate.common_name == name],
            list(like(Certificate.common_name, f"*.{name}")),
        )
    ]
    # Two queries in one, each with its own index.
    both = ids[0].union_all(ids[1]).limit(MOST_COUNTED)
    return db.scalar(select(func.count()).select_from(both.subquery())) or 0


def profiles_for(db: Session, organization: Organization) -> list[Profile]:
    """Return the profiles that an organisation or department may order, by name."""
    query = select(Profile).where(
        Profile.account_id == organization.account_id,
        Profile.gone_at.is_(None),
        func.coalesce(func.array_position(Profile.closed_to, organization.scm_id), 0) == 0,
    )
    return list(db.scalars(query.order_by(Profile.name, Profile.scm_id)))


def domains_of(db: Session, organization: Organization, most: int) -> list[Domain]:
    """Return up to `most` domains that are delegated to an organisation or department, by name."""
    query = select(Domain).where(
        Domain.account_id == organization.account_id,
        Domain.gone_at.is_(None),
        delegated_to(organization.scm_id),
    )
    return list(db.scalars(query.order_by(Domain.name, Domain.scm_id).limit(most)))


def departments_of(db: Session, organization: Organization) -> list[Organization]:
    """Return the departments of an organisation, by name; gone ones included."""
    query = select(Organization).where(
        Organization.account_id == organization.account_id,
        Organization.parent_id == organization.scm_id,
    )
    return list(db.scalars(query.order_by(Organization.name, Organization.scm_id)))


def organization_names(db: Session, account_id: int, ids: Sequence[int]) -> dict[int, str]:
    """Return the names of organisations and departments of an account by SCM's id."""
    query = select(Organization.scm_id, Organization.name).where(
        Organization.account_id == account_id, Organization.scm_id.in_(ids)
    )
    return {row.scm_id: row.name for row in db.execute(query)}


@dataclass(frozen=True)
class ScmPause:
    """What keeps calls of an account from SCM: its SCM's breaker, and the pause that SCM has asked for."""

    failures: int
    open_until: datetime | None
    reason: str | None
    held_until: datetime | None


def scm_pause_of(db: Session, account: Account) -> ScmPause:
    """Return what keeps an account's calls from SCM at present."""
    breaker = db.get(Breaker, account.url)
    held = select(func.max(RateLimit.held_until)).where(
        RateLimit.account_id == account.id, RateLimit.held_until > func.now()
    )
    until = db.scalar(held)
    if breaker is None:
        return ScmPause(0, None, None, until)
    return ScmPause(breaker.failures, breaker.open_until, breaker.reason, until)

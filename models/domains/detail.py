"""A domain in detail: what SCM says about it and its validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date

from sqlalchemy.orm import Session

from certline.models.accounts.account import Account
from certline.models.accounts.catalogue import Domain, domains, organizations
from certline.models.database.session import clock
from certline.models.domains.cover import NEVER, last_day_of
from certline.models.domains.request import domain_meant
from certline.models.domains.reuse import ReuseRules
from certline.models.domains.validation import Validation, validations_of
from certline.models.host_names import same_host
from certline.models.orders.domain_rules import bare_name, is_suspended

# Validations of the past that are loaded, at most.
MOST_VALIDATIONS = 5


@dataclass(frozen=True)
class DomainDetail:
    """A name in detail. `row`: SCM's entry for it, or for the domain above it; `validated_with`: the domain
    whose validation covers it; `last_day`: the last day on which that can be used, or NEVER, or ENDLESS.

    `owners`: names of organisations and departments by SCM's id; `validations`: the newest first.
    """

    name: str
    account: Account
    row: Domain
    validated_with: str
    rows: Sequence[Domain]
    last_day: date
    today: date
    validations: Sequence[Validation]
    owners: dict[int, str]

    @property
    def suspended(self) -> bool:
        """True if SCM does not validate the domain until it is activated there."""
        return all(is_suspended(row) for row in self.rows)

    @property
    def is_over(self) -> bool:
        """True if no validation can be used today."""
        return self.last_day < self.today

    @property
    def longest(self) -> Domain:
        """The entry whose validation lasts longest, of the domain that is validated."""
        return max(self.rows, key=lambda row: row.validation_expires or NEVER)


def detail_of(db: Session, name: str, account: str | None) -> DomainDetail:
    """Return a name in detail. Raises BadCommandError if no domain or several accounts have it."""
    owner, domain, rows = domain_meant(db, name, account)
    asked = same_host(name.removeprefix("*."))
    own = [
        row
        for row in domains(db, owner.id)
        if row.gone_at is None and f".{asked}".endswith(f".{bare_name(row)}")
    ]
    closest = max(own, key=lambda row: (len(bare_name(row)), not row.name.startswith("*.")))
    rules = ReuseRules(clock(db).astimezone(UTC).date())
    return DomainDetail(
        name=asked,
        account=owner,
        row=closest,
        validated_with=domain,
        rows=rows,
        last_day=max(last_day_of(row, rules) for row in rows),
        today=rules.today,
        validations=[
            each
            for each in validations_of(db, domain, MOST_VALIDATIONS)
            if each.account_id == owner.id
        ],
        owners={row.scm_id: row.name for row in organizations(db, owner.id)},
    )

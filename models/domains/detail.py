"""A domain in detail: what SCM says about it and its validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account
from certline.models.accounts.catalogue import Domain, domains, organizations
from certline.models.commands.command import Command
from certline.models.database.session import clock
from certline.models.domains.ancestry import entries_above
from certline.models.domains.automation import DomainAutomation, automation_of
from certline.models.domains.cover import NEVER, last_day_of
from certline.models.domains.request import domain_meant
from certline.models.domains.scope import validated_for
from certline.models.domains.validation import Validation, validations_of
from certline.models.host_names import same_host
from certline.models.orders.domain_rules import bare_name, is_suspended
from certline.models.orders.validation_reuse import ReuseRules
from certline.models.states import CommandStatus, ValidationStage

# Validations of the past that are loaded, at most.
MOST_VALIDATIONS = 5


@dataclass(frozen=True)
class DomainDetail:
    """A name in detail. `row`: SCM's entry for it, or for the domain above it; `validated_with`: the domain
    whose validation covers it; `last_day`: the last day on which that can be used, or NEVER, or ENDLESS.

    `owners`: names of organisations and departments by SCM's id; `validations`: the newest first; `next_try`: when
    a worker goes on with the one that is under way, if that waits for a time.
    """

    name: str
    account: Account
    row: Domain
    validated_with: str
    rows: Sequence[Domain]
    last_day: date
    today: date
    validations: Sequence[Validation]
    next_try: datetime | None
    automation: DomainAutomation
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
    owner, _, rows = domain_meant(db, name, account)
    asked = same_host(name.removeprefix("*."))
    own = [
        row
        for row in domains(db, owner.id)
        if row.gone_at is None and f".{asked}".endswith(f".{bare_name(row)}")
    ]
    closest = max(own, key=lambda row: (len(bare_name(row)), not row.name.startswith("*.")))
    return _detail(db, asked, owner, closest, rows)


def detail_of_entry(db: Session, row: Domain, account: Account) -> DomainDetail:
    """Return an entry of SCM's list in detail. One that is gone there is validated with nothing but itself."""
    name = bare_name(row)
    known = [] if row.gone_at is not None else entries_above(db, account.id, name)
    rows = validated_for(name, known)
    return _detail(db, name, account, row, rows or [row])


def _detail(
    db: Session, name: str, account: Account, row: Domain, rows: Sequence[Domain]
) -> DomainDetail:
    domain, rules = bare_name(rows[0]), ReuseRules(clock(db).astimezone(UTC).date())
    validations = validations_of(db, account.id, domain, MOST_VALIDATIONS)
    return DomainDetail(
        name=name,
        account=account,
        row=row,
        validated_with=domain,
        rows=rows,
        last_day=max(last_day_of(each, rules) for each in rows),
        today=rules.today,
        validations=validations,
        next_try=_next_try(db, validations),
        automation=automation_of(db, account.id, domain),
        owners={each.scm_id: each.name for each in organizations(db, account.id)},
    )


def _next_try(db: Session, validations: Sequence[Validation]) -> datetime | None:
    """Return when the command of the validation that is under way is due, while it waits."""
    for row in validations:
        if row.stage is not ValidationStage.ENDED:
            query = select(Command.not_before).where(
                Command.id == row.command_id, Command.status == CommandStatus.QUEUED
            )
            return db.scalar(query)
    return None

"""Automatic validation: the settings of accounts, what was chosen for single domains, and what was decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, select
from sqlalchemy.dialects.postgresql import UUID, distinct_on, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.accounts.account import Account
from certline.models.accounts.catalogue import Domain
from certline.models.database.base import Base, DnsText, new_id, stored_by_value
from certline.models.domains.scope import validated_for
from certline.models.domains.validation import Validation
from certline.models.orders.domain_rules import bare_name
from certline.models.states import Decision, ValidationOutcome


class AutoValidation(Base):
    """Setting of an account. `days`: validate that many days before the end; `cap_per_day`: at most that many
    validations a day (None: twice the even load).
    """

    __tablename__ = "auto_validation"
    __table_args__ = (
        CheckConstraint("days > 0", name="days_before"),
        CheckConstraint("cap_per_day > 0", name="cap_lets_one_pass"),
    )

    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    enabled: Mapped[bool]
    days: Mapped[int]
    cap_per_day: Mapped[int | None]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AutoValidationChoice(Base):
    """Choice for one domain of an account: whether it is validated by itself, and how many days before the end.

    A domain without one follows the account's setting.
    """

    __tablename__ = "auto_validation_choice"

    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    domain: Mapped[DnsText] = mapped_column(primary_key=True)
    selected: Mapped[bool]
    days: Mapped[int | None]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AutoValidationDecision(Base):
    """Decision about a domain whose validation was due: `renewed` stands for one that was requested."""

    __tablename__ = "auto_validation_decision"
    __table_args__ = (
        Index("auto_validation_decision_by_time", "decided_at", "id"),
        Index("auto_validation_decision_by_domain", "domain", "decided_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    domain: Mapped[DnsText]
    expires: Mapped[date | None]
    planned: Mapped[date | None]
    decision: Mapped[Decision] = mapped_column(stored_by_value(Decision))
    reason: Mapped[str | None]
    command_id: Mapped[str | None] = mapped_column(UUID(as_uuid=False))
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True)
class DomainAutomation:
    """Setting of one domain. `enabled`: automatic validation is on for its account; `selected`: the domain is not
    left to a person; `days`: how many days before the end it is validated.
    """

    enabled: bool
    selected: bool
    days: int | None

    @property
    def applies(self) -> bool:
        """True if the domain is validated by itself."""
        return self.enabled and self.selected


@dataclass(frozen=True)
class AutomaticDomains:
    """The domains of an account that are validated by themselves: all but those that are `left` to a person."""

    left: frozenset[str]

    def covers(self, names: Sequence[str], known: Sequence[Domain]) -> bool:
        """Return True if the domains that are validated for all these names are among them."""
        tops = [validated_for(name, known) for name in names]
        return all(top and bare_name(top[0]) not in self.left for top in tops)


def automatic_domains(db: Session, account_id: int) -> AutomaticDomains | None:
    """Return which domains of an account are validated by themselves, or None if that is off."""
    setting = db.get(AutoValidation, account_id)
    if setting is None or not setting.enabled:
        return None
    chosen = choices_of(db, account_id)
    return AutomaticDomains(frozenset(name for name, row in chosen.items() if not row.selected))


def automation_of(db: Session, account_id: int, domain: str) -> DomainAutomation:
    """Return whether a domain that is validated itself is validated automatically."""
    setting = db.get(AutoValidation, account_id)
    choice = db.get(AutoValidationChoice, (account_id, domain))
    return DomainAutomation(
        enabled=setting is not None and setting.enabled,
        selected=choice is None or choice.selected,
        days=(choice.days if choice is not None else None) or (setting.days if setting else None),
    )


def auto_validations(db: Session, *, enabled: bool = False) -> list[AutoValidation]:
    """Return the stored settings sorted by account name; with `enabled` only those that are on."""
    query = select(AutoValidation).join(Account).order_by(Account.name)
    return list(db.scalars(query.where(AutoValidation.enabled) if enabled else query))


def choices_of(db: Session, account_id: int) -> dict[str, AutoValidationChoice]:
    """Return the choices of an account by domain."""
    rows = db.scalars(select(AutoValidationChoice).filter_by(account_id=account_id))
    return {row.domain: row for row in rows}


def choose_domain(
    db: Session,
    account_id: int,
    domain: str,
    *,
    selected: bool,
    days: int | None,
    who: str,
) -> None:
    """Store the choice for a domain, in place of an earlier one."""
    chosen = {"selected": selected, "days": days, "changed_by": who}
    statement = insert(AutoValidationChoice).values(account_id=account_id, domain=domain, **chosen)
    db.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "domain"], set_={**chosen, "changed_at": func.now()}
        )
    )


def decisions_since(db: Session, since: datetime | None, most: int) -> list[AutoValidationDecision]:
    """Return the decisions since a moment (None: all), the newest first, `most` at most."""
    query = select(AutoValidationDecision).order_by(
        AutoValidationDecision.decided_at.desc(), AutoValidationDecision.id.desc()
    )
    if since is not None:
        query = query.where(AutoValidationDecision.decided_at >= since)
    return list(db.scalars(query.limit(most)))


def last_decisions_of_domains(db: Session) -> dict[tuple[int, str], AutoValidationDecision]:
    """Return the newest decision about each domain, by account id and domain."""
    row = AutoValidationDecision
    query = (
        select(row)
        .ext(distinct_on(row.account_id, row.domain))
        .order_by(row.account_id, row.domain, row.decided_at.desc(), row.id.desc())
    )
    return {(each.account_id, each.domain): each for each in db.scalars(query)}


def begun_since(db: Session, account_id: int, since: datetime) -> int:
    """Count the validations of an account that were requested automatically since a moment."""
    row = AutoValidationDecision
    query = select(func.count()).where(
        row.account_id == account_id, row.decision == Decision.RENEWED, row.decided_at >= since
    )
    return db.scalar(query) or 0


def failures_since_success(db: Session, account_id: int) -> dict[str, list[Validation]]:
    """Return the failed validations of each domain since its last success, the newest first, by domain."""
    row = Validation
    good = (
        select(row.domain, func.max(row.ended_at).label("at"))
        .where(row.account_id == account_id, row.outcome != ValidationOutcome.FAILED)
        .group_by(row.domain)
        .subquery()
    )
    query = (
        select(row)
        .outerjoin(good, good.c.domain == row.domain)
        .where(
            row.account_id == account_id,
            row.outcome == ValidationOutcome.FAILED,
            row.ended_at.is_not(None),
            (good.c.at.is_(None)) | (row.ended_at > good.c.at),
        )
        .order_by(row.ended_at.desc())
    )
    found: dict[str, list[Validation]] = {}
    for each in db.scalars(query):
        found.setdefault(each.domain, []).append(each)
    return found

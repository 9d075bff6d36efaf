"""Auto-renewal: for which accounts it is on, and which certificates it is for.

A single choice (select, deselect) goes with the line, so a renewal keeps it. A rule is stored, so
that certificates that come later are included. A choice counts more than a rule.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Text,
    and_,
    case,
    cast,
    func,
    null,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.accounts.account import Account, accounts
from certline.models.certificates.certificate import Certificate
from certline.models.database.base import Base, new_id
from certline.models.database.patterns import like

# Days before the expiry where nobody has said any (SCM's own auto-renew has the same).
USUAL_DAYS = 30


class AutoRenewSetting(Base):
    """How an account's certificates are renewed by themselves: so many days before they expire, and
    so many a day at most (None: as `renewal_rules.usual_cap` finds).
    """

    __tablename__ = "auto_renew_setting"
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


class AutoRenewRule(Base):
    """Certificates that are selected together, also those that come later: what is None is not asked
    for, so a rule without anything selects all. `name` is a pattern, `*` for any characters.
    """

    __tablename__ = "auto_renew_rule"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    organization_id: Mapped[int | None]
    profile_id: Mapped[int | None]
    name: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def auto_renew_settings(db: Session, *, enabled: bool = False) -> list[AutoRenewSetting]:
    """The settings by the account's name; with `enabled` only those that are on."""
    query = select(AutoRenewSetting).join(Account).order_by(Account.name)
    return list(db.scalars(query.where(AutoRenewSetting.enabled) if enabled else query))


def settings_of_all(db: Session) -> list[AutoRenewSetting]:
    """A setting for each account; where nobody has set anything, one that is off and not stored."""
    stored = {setting.account_id: setting for setting in auto_renew_settings(db)}
    return [
        stored.get(account.id)
        or AutoRenewSetting(account_id=account.id, enabled=False, days=USUAL_DAYS, changed_by="")
        for account in accounts(db, removed=True)
    ]


def auto_renew_rules(db: Session) -> list[AutoRenewRule]:
    """Every rule, the oldest first."""
    return list(db.scalars(select(AutoRenewRule).order_by(AutoRenewRule.id)))


def like_rule(db: Session, wanted: AutoRenewRule) -> AutoRenewRule | None:
    """The stored rule that asks for the same."""
    return db.scalars(
        select(AutoRenewRule).where(
            *(
                getattr(AutoRenewRule, name).is_not_distinct_from(getattr(wanted, name))
                for name in ("account_id", "organization_id", "profile_id", "name")
            )
        )
    ).first()


def first_rule(rules: Sequence[AutoRenewRule]) -> ColumnElement[str | None]:
    """The id of the first rule that a certificate is selected by, or null."""
    if not rules:
        return cast(null(), Text)
    return case(*((_fits(rule), rule.id) for rule in rules), else_=null())


def _fits(rule: AutoRenewRule) -> ColumnElement[bool]:
    conditions = [
        column == value
        for column, value in (
            (Certificate.account_id, rule.account_id),
            (Certificate.organization_id, rule.organization_id),
            (Certificate.profile_id, rule.profile_id),
        )
        if value is not None
    ]
    if rule.name is not None:
        conditions += like(Certificate.common_name, rule.name)
    return and_(True, *conditions)  # SQL's own

"""Auto-renewal: the settings of accounts, and the choices and rules that select certificates.

A choice belongs to the line, so renewals inherit it, and it takes precedence over rules; a rule also selects
certificates that are added later.
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
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.accounts.account import Account, accounts
from certline.models.certificates.certificate import Certificate
from certline.models.certificates.line import AutoRenewChoice
from certline.models.database.base import Base, new_id
from certline.models.database.patterns import like
from certline.models.states import CertificateStatus

# Default for the days before expiry (the same as in SCM's own auto-renewal).
USUAL_DAYS = 30


class AutoRenewSetting(Base):
    """Auto-renewal setting of an account. `days`: renew that many days before expiry; `cap_per_day`: at most
    that many renewals a day (None: computed by `renewal_rules.usual_cap`).
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
    """Rule that selects certificates for auto-renewal, including ones added later.

    A column that is None is no condition, so a rule without conditions selects every certificate. `name`
    is a pattern of the common name, `*` for any characters.
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
    """Return the stored settings sorted by account name; with `enabled` only those that are on."""
    query = select(AutoRenewSetting).join(Account).order_by(Account.name)
    return list(db.scalars(query.where(AutoRenewSetting.enabled) if enabled else query))


def settings_of_all(db: Session) -> list[AutoRenewSetting]:
    """Return one setting per account, removed ones included; the default is off and is not stored."""
    stored = {setting.account_id: setting for setting in auto_renew_settings(db)}
    return [
        stored.get(account.id)
        or AutoRenewSetting(account_id=account.id, enabled=False, days=USUAL_DAYS, changed_by="")
        for account in accounts(db, removed=True)
    ]


def auto_renew_rules(db: Session) -> list[AutoRenewRule]:
    """Return every rule, the oldest first."""
    return list(db.scalars(select(AutoRenewRule).order_by(AutoRenewRule.id)))


def like_rule(db: Session, wanted: AutoRenewRule) -> AutoRenewRule | None:
    """Return the stored rule with the same conditions, or None."""
    return db.scalars(
        select(AutoRenewRule).where(
            *(
                # NULL has to match NULL: a missing condition is part of the comparison.
                getattr(AutoRenewRule, name).is_not_distinct_from(getattr(wanted, name))
                for name in ("account_id", "organization_id", "profile_id", "name")
            )
        )
    ).first()


def first_rule(rules: Sequence[AutoRenewRule]) -> ColumnElement[str | None]:
    """Return an SQL expression for the id of the first rule that selects a certificate, or null."""
    if not rules:
        return cast(null(), Text)  # a CASE needs at least one WHEN
    return case(*((_fits(rule), rule.id) for rule in rules), else_=null())


def is_chosen(rules: Sequence[AutoRenewRule]) -> ColumnElement[bool]:
    """Return an SQL condition that a certificate is selected, joined with its line's choice if there is one."""
    # A choice for the single line takes precedence over any rule.
    return func.coalesce(AutoRenewChoice.selected, or_(False, *(_fits(rule) for rule in rules)))


def mark_stored(db: Session, certificates: Sequence[str]) -> None:
    """Mark those of these new certificates that a rule or a choice selects, in the transaction that stores them.

    Until the next daily run plans its day, such a certificate has none.
    """
    rules = auto_renew_rules(db)
    chosen = (
        select(Certificate.id)
        .outerjoin(AutoRenewChoice, AutoRenewChoice.line_id == Certificate.line_id)
        .where(
            Certificate.id.in_(certificates),
            Certificate.status == CertificateStatus.ACTIVE,
            is_chosen(rules),
        )
    )
    change = update(Certificate).where(
        Certificate.id.in_(chosen.scalar_subquery()), ~Certificate.auto_renew
    )
    db.execute(change.values(auto_renew=True), execution_options={"synchronize_session": "fetch"})


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
    return and_(True, *conditions)  # True: a rule without conditions

"""Certificates selected for automatic renewal: when each is due, and what is known about its successors."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    Text,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from certline.models.certificates.certificate import Certificate
from certline.models.certificates.line import AutoRenewChoice, Line
from certline.models.commands.command import Command
from certline.models.orders.order import Order
from certline.models.renewals.runs import AutoRenewDecision
from certline.models.renewals.selection import (
    AutoRenewRule,
    AutoRenewSetting,
    auto_renew_rules,
    first_rule,
    is_chosen,
)
from certline.models.renewals.timing import Span, span_of
from certline.models.states import (
    OPEN,
    CertificateStatus,
    CommandStatus,
    CommandType,
    Decision,
    OrderStatus,
)

# Statuses of a command that may still lead to a successor.
GOING = (CommandStatus.QUEUED, CommandStatus.RUNNING, CommandStatus.HELD, CommandStatus.REVIEW)


class Selected(NamedTuple):
    """A certificate selected for automatic renewal, with the columns that its renewal depends on.

    `by`: the user who selected it or created the matching rule.
    """

    id: str
    line_id: str
    account_id: int
    order_id: str
    common_name: str
    not_after: datetime
    auto_renew: bool
    renews_at: datetime | None
    by: str
    span: Span


@dataclass(frozen=True)
class Going:
    """An open order that will supersede a certificate, or an open command that has no order yet."""

    order_id: str | None
    text: str
    waits_for_person: bool = False


def selected_of(
    db: Session, setting: AutoRenewSetting, certificates: Collection[str] | None = None
) -> list[Selected]:
    """Load an account's certificates selected for automatic renewal, those that expire first at the top.

    `certificates`: only these of them, for an account may have a million (`models.renewals.sequence`).

    An expired certificate is included if it was selected before it expired.
    """
    rules = auto_renew_rules(db)
    makers = {rule.id: rule.created_by for rule in rules}
    query = _selected_rows(setting.account_id, rules)
    if certificates is not None:
        query = query.where(Certificate.id.in_(certificates))
    found = []
    account_id, usual_days = setting.account_id, setting.days
    db.flush()
    # On the connection, without ORM objects: a run loads many.
    for row in db.connection().execute(query).all():
        own_id, line_id, order_id, name, begins, ends, marked, renews_at, by, days, rule_id = row
        found.append(
            Selected(
                id=own_id,
                line_id=line_id,
                account_id=account_id,
                order_id=order_id,
                common_name=name,
                not_after=ends,
                auto_renew=marked,
                renews_at=renews_at,
                by=by or makers[rule_id],
                span=span_of(own_id, line_id, begins, ends, days or usual_days),
            )
        )
    return found


def _selected_rows(account_id: int, rules: Sequence[AutoRenewRule]) -> Select[Any]:
    """Return the query for the columns of `Selected`, in the sequence in which `selected_of` reads them."""
    columns: tuple[Any, ...] = (
        Certificate.id,
        Certificate.line_id,
        Certificate.order_id,
        Certificate.common_name,
        Certificate.not_before,
        Certificate.not_after,
        Certificate.auto_renew,
        Certificate.renews_at,
        AutoRenewChoice.chosen_by,
        AutoRenewChoice.days,
        first_rule(rules).label("rule_id"),
    )
    return (
        select(*columns)
        .select_from(Certificate)
        .join(Line, Line.id == Certificate.line_id)
        .outerjoin(AutoRenewChoice, AutoRenewChoice.line_id == Certificate.line_id)
        .where(Certificate.account_id == account_id, Line.deleted_at.is_(None))
        .where(alive(), is_chosen(rules))
        .order_by(Certificate.not_after, Certificate.id)
    )


def note_days(db: Session, setting: AutoRenewSetting, days: Mapping[str, datetime | None]) -> None:
    """Mark these certificates as selected, and store when each will be renewed (None: not known).

    Left alone are certificates that were superseded, revoked or deselected since they were read.
    """
    if not days:
        return
    ids = select(
        func.unnest(bindparam("ids", list(days), ARRAY(Text))).label("own_id"),
        func.unnest(bindparam("days", list(days.values()), ARRAY(DateTime(timezone=True)))).label(
            "day"
        ),
    ).subquery()
    chosen = (
        select(Certificate.id, ids.c.day)
        .join(ids, ids.c.own_id == Certificate.id)
        .outerjoin(AutoRenewChoice, AutoRenewChoice.line_id == Certificate.line_id)
        .where(
            Certificate.account_id == setting.account_id, is_chosen(auto_renew_rules(db)), alive()
        )
        .with_for_update(of=Certificate, key_share=True)
        .cte("chosen")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    change = update(Certificate).where(Certificate.id == chosen.c.id)
    change = change.values(auto_renew=True, renews_at=chosen.c.day)
    db.execute(change, execution_options={"synchronize_session": False})


def drop_marks(db: Session, certificates: Sequence[str]) -> None:
    """Mark these certificates as not selected."""
    change = update(Certificate).where(Certificate.id.in_(certificates))
    change = change.values(auto_renew=False, renews_at=None)
    db.execute(change, execution_options={"synchronize_session": False})


def lines_of(selected: Collection[Selected]) -> dict[str, str]:
    """Return the line of each certificate, by the certificate's id."""
    return {each.id: each.line_id for each in selected}


def successions(db: Session, lines: Mapping[str, str]) -> dict[str, Going]:
    """Return the open command or order that will supersede each certificate, by certificate id.

    `lines`: the line of each certificate, by certificate id, a thousand at most. An order takes precedence over a
    command.
    """
    found: dict[str, Going] = {}
    commands = select(Command.subject, Command.id, Command.status).where(
        Command.type == CommandType.RENEW,
        Command.status.in_(GOING),
        Command.subject.in_(lines.keys()),
    )
    # A renew command's subject is its certificate only until an order is placed; the second query
    # finds the orders.
    for own_id, command_id, state in db.execute(commands):
        if own_id is not None:
            said = f"a renewal has been requested: command {command_id} ({state})"
            found[own_id] = Going(None, said, state is CommandStatus.REVIEW)
    orders = select(Order.line_id, Order.id, Order.kind, Order.status).where(
        Order.predecessor_id.is_not(None),
        Order.status.in_(OPEN),
        Order.line_id.in_(set(lines.values())),
    )
    of_line = {line_id: rest for line_id, *rest in db.execute(orders)}
    for own_id, line_id in lines.items():
        if line_id in of_line:
            order_id, kind, status = of_line[line_id]
            said = f"a {kind} is on its way: order {order_id} ({status})"
            found[own_id] = Going(order_id, said, status is OrderStatus.REVIEW)
    return found


def renewed_by_us(db: Session, certificates: Collection[str]) -> set[str]:
    """Return the ids of certificates whose successor we ordered, for which SCM's 'renewed' is expected."""
    if not certificates:
        return set()
    query = select(Order.predecessor_id).where(
        Order.predecessor_id.in_(certificates),
        Order.scm_id.is_not(None),
    )
    return {own_id for own_id in db.scalars(query) if own_id is not None}


def renewed_on(db: Session, account_id: int, day: date) -> int:
    """Return how many renewals of an account the automatic renewal decided on that day (UTC)."""
    begin = datetime.combine(day, time(), UTC)
    query = (
        select(func.count())
        .select_from(AutoRenewDecision)
        .join(Certificate, Certificate.id == AutoRenewDecision.certificate_id)
        .where(
            AutoRenewDecision.decision == Decision.RENEWED,
            AutoRenewDecision.decided_at >= begin,
            AutoRenewDecision.decided_at < begin + timedelta(days=1),
            Certificate.account_id == account_id,
        )
    )
    return db.scalar(query) or 0


def alive() -> ColumnElement[bool]:
    """Return the condition that a certificate is active, or expired while it was selected."""
    return or_(
        Certificate.status == CertificateStatus.ACTIVE,
        and_(Certificate.status == CertificateStatus.EXPIRED, Certificate.auto_renew),
    )

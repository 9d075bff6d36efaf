"""Certificates selected for automatic renewal: when each is due, and what is known about its successors."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from certline.models.certificates.certificate import Certificate
from certline.models.certificates.line import AutoRenewChoice, Line
from certline.models.commands.command import Command
from certline.models.database.bulk import set_in_rows
from certline.models.database.session import clock
from certline.models.orders.order import Order
from certline.models.renewals.runs import AutoRenewDecision
from certline.models.renewals.selection import (
    AutoRenewRule,
    AutoRenewSetting,
    auto_renew_rules,
    first_rule,
)
from certline.models.renewals.timing import Span, schedule, span_of, usual_cap
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


@dataclass(frozen=True)
class RenewalOutlook:
    """Renewal plan of an account. `going` and `planned` are keyed by certificate id.

    A certificate with an entry in `going` is being renewed already and has no planned day.
    """

    selected: Sequence[Selected]
    today: date
    cap: int
    going: Mapping[str, Going]
    planned: Mapping[str, date]

    def is_due(self, certificate_id: str) -> bool:
        """Return True if the certificate is planned for today or earlier."""
        day = self.planned.get(certificate_id)
        return day is not None and day <= self.today

    @property
    def late(self) -> list[Selected]:
        """Certificates planned later than their wanted date, because the daily cap is too small."""
        return [
            each
            for each in self.selected
            if each.id in self.planned and self.planned[each.id] > max(each.span.wanted, self.today)
        ]


def selected_of(db: Session, setting: AutoRenewSetting) -> list[Selected]:
    """Load an account's certificates selected for automatic renewal, those that expire first at the top.

    An expired certificate is included if it was selected before it expired.
    """
    rules = auto_renew_rules(db)
    makers = {rule.id: rule.created_by for rule in rules}
    query = _selected_rows(setting.account_id, rules)
    found = []
    account_id, usual_days = setting.account_id, setting.days
    db.flush()
    # On the connection, without ORM objects: each run loads the whole selection.
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
    rule, is_selected = _selection(rules)
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
        rule,
    )
    return (
        select(*columns)
        .select_from(Certificate)
        .join(Line, Line.id == Certificate.line_id)
        .outerjoin(AutoRenewChoice, AutoRenewChoice.line_id == Certificate.line_id)
        .where(Certificate.account_id == account_id, Line.deleted_at.is_(None), is_selected)
        .order_by(Certificate.not_after, Certificate.id)
    )


def lines_of(selected: Collection[Selected]) -> dict[str, str]:
    """Return the line of each certificate, by the certificate's id."""
    return {each.id: each.line_id for each in selected}


def outlook(
    db: Session,
    setting: AutoRenewSetting,
    selected: Sequence[Selected],
    going: Mapping[str, Going],
    *,
    leave_out: Collection[str] = (),
) -> RenewalOutlook:
    """Return an account's renewal plan as of now.

    Certificates in `going` (being renewed) and in `leave_out` get no day. Days are UTC; today's room under the
    cap is reduced by the renewals of earlier runs today.
    """
    today = clock(db).astimezone(UTC).date()
    cap = setting.cap_per_day or usual_cap([each.span for each in selected])
    free = [each.span for each in selected if each.id not in going and each.id not in leave_out]
    taken = {today: renewed_on(db, setting.account_id, today)}
    return RenewalOutlook(
        selected, today, cap, going, schedule(free, today=today, cap=cap, taken=taken)
    )


def note_plan(
    db: Session, setting: AutoRenewSetting, ahead: RenewalOutlook, waits: Mapping[str, datetime]
) -> None:
    """Store on each certificate whether it is selected, and when it will be renewed: the planned day at 00:00 UTC.

    `waits`: the times of certificates whose renewal failed and will be retried; they replace the planned day.
    Certificates that are no longer selected are cleared, and only changed rows are written.
    """
    days = {own_id: datetime.combine(day, time(), UTC) for own_id, day in ahead.planned.items()}
    days |= waits
    now = days if setting.enabled else {}
    known = {each.id: each for each in ahead.selected}
    marked = {each.id: True for each in ahead.selected if not each.auto_renew}
    others = select(Certificate.id).where(
        Certificate.account_id == setting.account_id, Certificate.auto_renew
    )
    dropped = [own_id for own_id in db.scalars(others) if own_id not in known]
    set_in_rows(db, Certificate, "auto_renew", marked | dict.fromkeys(dropped, False))
    changed: dict[str, datetime | None] = {
        own_id: now.get(own_id)
        for own_id, each in known.items()
        if each.renews_at != now.get(own_id)
    }
    set_in_rows(db, Certificate, "renews_at", changed | dict.fromkeys(dropped, None))


def successions(db: Session, lines: Mapping[str, str]) -> dict[str, Going]:
    """Return the open command or order that will supersede each certificate, by certificate id.

    `lines`: the line of each certificate, by certificate id. An order takes precedence over a command.
    """
    found: dict[str, Going] = {}
    commands = select(Command.subject, Command.id, Command.status).where(
        Command.type == CommandType.RENEW, Command.status.in_(GOING)
    )
    # A renew command's subject is its certificate only until an order is placed; the second query
    # finds the orders.
    for own_id, command_id, state in db.execute(commands):
        if own_id is not None and own_id in lines:
            said = f"a renewal has been requested: command {command_id} ({state})"
            found[own_id] = Going(None, said, state is CommandStatus.REVIEW)
    orders = select(Order.line_id, Order.id, Order.kind, Order.status).where(
        Order.predecessor_id.is_not(None), Order.status.in_(OPEN), Order.line_id.is_not(None)
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


def _selection(
    rules: Sequence[AutoRenewRule],
) -> tuple[ColumnElement[str | None], ColumnElement[bool]]:
    """Return the SQL for the rule that selects a certificate, and for whether the certificate is selected."""
    rule = first_rule(rules)
    # A choice for the single line takes precedence over any rule.
    chosen = func.coalesce(AutoRenewChoice.selected, rule.is_not(None))
    alive = or_(
        Certificate.status == CertificateStatus.ACTIVE,
        and_(Certificate.status == CertificateStatus.EXPIRED, Certificate.auto_renew),
    )
    return rule.label("rule_id"), and_(alive, chosen)

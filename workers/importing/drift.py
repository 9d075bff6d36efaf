"""Drift: brings stored orders up to date with changes made in SCM's portal or by SCM itself."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    Certificate,
    CertificateStatus,
    Command,
    CommandType,
    Line,
    Order,
    OrderKind,
    OrderStatus,
)
from certline.models.audit.log import record
from certline.models.certificates.lineage import join_lines, run_of
from certline.models.database.base import new_id
from certline.models.database.session import clock
from certline.models.imports.record import News, Outcome, RecordStatus
from certline.models.lifecycle.moves import (
    REFUSED,
    ask_now,
    cancelled_but_issued,
    follow_with,
    move,
)
from certline.models.lifecycle.succession import mark_revoked, take_its_place
from certline.models.lifecycle.succession_rule import is_over_at_scm
from certline.models.orders.order import open_twin
from certline.models.restore.recovery import RECOVERY_SOURCE
from certline.models.states import OPEN
from certline.workers.importing.record_mapping import auto_renews, status_of
from certline.workers.scm import Details, ScmStatus
from certline.workers.scm.inputs import reason_word


def note_facts(order: Order, details: Details) -> bool:
    """Store the facts of SCM's record on an order. Returns True if SCM now renews it automatically and did
    not before.
    """
    renews = auto_renews(details)
    begun = renews and not order.scm_auto_renew
    order.scm_status = details.status or order.scm_status
    order.scm_renewed = details.renewed
    order.scm_auto_renew = renews
    return begun


def catch_up(db: Session, command: Command, order: Order, details: Details) -> Outcome:
    """Update a stored order, which the caller has locked, from SCM's record. Returns the record's outcome."""
    was_over = is_over_at_scm(order.scm_status)
    begins_to_renew = note_facts(order, details)
    # An operator has decided: SCM's status is stored, and the order stays as it is.
    if order.given_up:
        return Outcome(details.ssl_id, RecordStatus.KNOWN)
    if details.renewed:
        _tie(db, order)
    versions = _versions(db, order)
    # The new serial number may be that of our own reissue, which is stored by its own steps.
    if _is_another(details, versions) and _open_reissue(db, order):
        why = "a reissue by certline is in progress"
        return Outcome(details.ssl_id, RecordStatus.LEFT, why)
    if order.status in REFUSED:
        news = _of_refused(db, order, details, was_over=was_over)
    else:
        news = _news(db, command, order, details, versions)
    if news is None and begins_to_renew:
        news = News.AUTO_RENEW
    status = RecordStatus.KNOWN if news is None else RecordStatus.UPDATED
    return Outcome(details.ssl_id, status, news=news)


def _news(
    db: Session, command: Command, order: Order, details: Details, versions: Sequence[Certificate]
) -> News | None:
    mine = [each for each in versions if details.serial_number in (None, each.serial_number)]
    if details.state is ScmStatus.REVOKED:
        return _revoked(db, command, order, details, mine)
    if details.state is ScmStatus.REPLACED:
        return _replaced(db, command, mine)
    status = status_of(details, clock(db).date())
    if status not in (OrderStatus.PENDING, OrderStatus.ISSUED):
        return None
    if status is OrderStatus.PENDING or details.serial_number is None or mine:
        return None
    match order.status:
        case OrderStatus.HELD | OrderStatus.ISSUED:
            # Not fetched yet: the fetch will collect the new version anyway.
            changed = order.scm_serial not in (None, details.serial_number)
            order.scm_serial = details.serial_number
            return News.REPLACED if changed else None
        case OrderStatus.PENDING:
            ask_now(db, [order])
            return None
        case _:
            return _another_version(db, command, order, details, versions)


def _is_another(details: Details, versions: Sequence[Certificate]) -> bool:
    serials = {each.serial_number for each in versions}
    return bool(serials) and details.serial_number not in {None, *serials}


def _versions(db: Session, order: Order) -> list[Certificate]:
    query = select(Certificate).where(
        Certificate.account_id == order.account_id, Certificate.scm_id == order.scm_id
    )
    return list(db.scalars(query.order_by(Certificate.created_at, Certificate.id)))


def _revoked(
    db: Session, command: Command, order: Order, details: Details, mine: Sequence[Certificate]
) -> News | None:
    if order.status is OrderStatus.HELD:
        why = "it was revoked at SCM before a licence was free for it"
        move(db, order, OrderStatus.CANCELLED, why=why)
        return News.REVOKED
    fresh = [each for each in mine if each.status is not CertificateStatus.REVOKED]
    # Without a serial number in SCM's record all versions match; SCM's status is that of the newest.
    for certificate in fresh[-1:]:
        mark_revoked(
            db,
            certificate,
            command,
            reason=reason_word(details.reason_code),
            comments="it was revoked at SCM, not by certline",
            at=_midnight(details.revoked),
        )
    return News.REVOKED if fresh else None


def _replaced(db: Session, command: Command, mine: Sequence[Certificate]) -> News | None:
    active = [each for each in mine if each.status is CertificateStatus.ACTIVE]
    for certificate in active:
        certificate.status = CertificateStatus.SUPERSEDED
        why = "SCM reports that another certificate has replaced it"
        record(
            db,
            "certificate.superseded",
            certificate.id,
            who=command.requester,
            why=why,
            command_id=command.id,
        )
    return News.REPLACED if active else None


def _of_refused(db: Session, order: Order, details: Details, *, was_over: bool) -> News | None:
    """Set a rejected or cancelled order that SCM issues nevertheless to review: an operator decides.

    Returns None if there is nothing to decide. `was_over`: SCM had ended the order before.
    """
    status = status_of(details, clock(db).date())
    if status not in (OrderStatus.PENDING, OrderStatus.ISSUED):
        return None
    if order.status is OrderStatus.CANCELLED and status is OrderStatus.PENDING:
        return None  # SCM did not decline it when we cancelled it; its poll continues
    if order.status is OrderStatus.CANCELLED and order.issued_at is not None:
        return None  # it was cancelled although SCM had issued it, so that it is alive there is no news
    if open_twin(db, order.business_key) is not None:
        return None
    if order.status is OrderStatus.CANCELLED and not was_over:
        why = cancelled_but_issued(order)
    else:
        why = (
            f"SCM's status is now {details.status}, so it was resubmitted there; to continue with it, "
            f"adopt {order.scm_id}"
        )
    move(db, order, OrderStatus.REVIEW, why=why)
    return News.NEW


def _another_version(
    db: Session,
    command: Command,
    order: Order,
    details: Details,
    versions: Sequence[Certificate],
) -> News | None:
    """Insert a reissue order for a certificate that replaced ours under the same sslId, and have it fetched.

    Returns None if we have stored no certificate of the sslId, or its line was deleted.
    """
    latest = versions[-1] if versions else None
    if latest is None or db.get_one(Line, latest.line_id).deleted_at is not None:
        return None
    reissue = _reissue_at_scm(db, command, order, details, latest)
    db.add(reissue)
    db.flush()
    why = "its certificate was replaced at SCM"
    record(
        db,
        "order.imported",
        reissue.id,
        who=command.requester,
        why=why,
        command_id=command.id,
        scm_id=order.scm_id,
        status="issued",
    )
    follow_with(db, reissue, CommandType.FETCH)
    return News.REPLACED


def _reissue_at_scm(
    db: Session, command: Command, order: Order, details: Details, latest: Certificate
) -> Order:
    now = clock(db)
    return Order(
        id=new_id(),
        account=db.get_one(Account, order.account_id),
        kind=OrderKind.REISSUE,
        status=OrderStatus.ISSUED,
        scm_id=order.scm_id,
        scm_status=details.status,
        scm_serial=details.serial_number,
        scm_renewed=details.renewed,
        scm_auto_renew=auto_renews(details),
        # With the serial number: each replacement under the same sslId is an order of its own.
        business_key=f"import {order.account_id} {order.scm_id} {details.serial_number}",
        reference=new_id(),
        common_name=(details.common_name or order.common_name).lower(),
        sans=[name.lower() for name in details.sans] or order.sans,
        organization_id=order.organization_id,
        organization_name=order.organization_name,
        profile_id=order.profile_id,
        profile_name=order.profile_name,
        term=order.term,
        keystore_type="PEM",
        comments=order.comments,
        external_requesters=order.external_requesters,
        custom_fields=order.custom_fields,
        predecessor_id=latest.id,
        line_id=latest.line_id,
        reason="replaced at SCM, not by certline",
        requested_by=str(command.requester),
        created_at=now,
        updated_at=now,
        issued_at=now,
        recovered_at=now if command.source == RECOVERY_SOURCE else None,
    )


def _open_reissue(db: Session, order: Order) -> bool:
    """Return True if an open reissue order of ours exists for the order's sslId."""
    query = (
        select(Order.id)
        .join(Certificate, Certificate.id == Order.predecessor_id)
        .where(
            Order.account_id == order.account_id,
            Order.kind == OrderKind.REISSUE,
            Order.status.in_(OPEN),
            Certificate.scm_id == order.scm_id,
        )
    )
    return db.scalars(query).first() is not None


def _tie(db: Session, order: Order) -> None:
    """Join the line of an order that SCM reports as renewed with that of its successor, if both have one."""
    run = run_of(db, order)
    lines = {each.line_id for each in run if each.line_id is not None}
    if len(lines) < 2 or order.certificate_id is None:
        return
    join_lines(db, run)
    # join_lines changes rows in SQL only: reload the objects that this session holds.
    db.refresh(order)
    certificate = db.get_one(Certificate, order.certificate_id, populate_existing=True)
    take_its_place(db, order, certificate)


def _midnight(day: date | None) -> datetime | None:
    # SCM's dates have neither a time nor a zone.
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)

"""Changes to a stored certificate: its successor supersedes it, or it is revoked.

Each change is written with its audit entry and its event, in the caller's transaction.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.orm import Session

from certline.models.accounts.account import Account
from certline.models.audit.identity import WORKER, Identity
from certline.models.audit.log import record
from certline.models.certificates.backoff import renewal_worked
from certline.models.certificates.certificate import Certificate
from certline.models.commands.command import Command, accept
from certline.models.database.session import clock
from certline.models.events.base import EventData
from certline.models.events.data import (
    CertificateReissued,
    CertificateRenewed,
    CertificateRevoked,
    CertificateSucceeded,
    OrderPlaced,
)
from certline.models.events.outbox import emit_event
from certline.models.lifecycle.moves import emit_order_event, order_facts, status_event
from certline.models.lifecycle.succession_rule import lock_line
from certline.models.orders.order import Order
from certline.models.states import OPEN, CertificateStatus, CommandType, OrderKind, OrderStatus


def open_succession(db: Session, line_id: str) -> Order | None:
    """Return the newest open renewal or reissue of a line, or None.

    The line stays locked until the transaction ends, so no other transaction can start one meanwhile.
    """
    lock_line(db, line_id)
    query = select(Order).where(
        Order.line_id == line_id, Order.predecessor_id.is_not(None), Order.status.in_(OPEN)
    )
    return db.scalars(query.order_by(Order.created_at.desc())).first()


def siblings(db: Session, order: Order) -> set[int]:
    """Return the sslIds of other orders (reissues excepted) with the same predecessor as this one."""
    if order.predecessor_id is None:
        return set()
    query = select(Order.scm_id).where(
        Order.predecessor_id == order.predecessor_id,
        Order.kind != OrderKind.REISSUE,
        Order.id != order.id,
        Order.scm_id.is_not(None),
    )
    return {number for number in db.scalars(query) if number is not None}


def last_reissue(db: Session, order: Order, ssl_id: int | None) -> datetime | None:
    """Return when another reissue of that sslId was last sent, or None.

    Reconciling needs it because the mark that a reissue leaves on SCM's record may be the other one's.
    """
    query = select(func.max(Order.sent_at)).where(
        Order.account_id == order.account_id,
        Order.scm_id == ssl_id,
        Order.kind == OrderKind.REISSUE,
        Order.id != order.id,
    )
    return db.scalar(query)


# One statement for the certificates of a line that a new one supersedes; it returns how they were before.
_SUPERSEDING = (
    text("""WITH before AS (
            SELECT id, status, auto_renew FROM certificate
            WHERE line_id = :of_line AND id <> :but AND (status = 'active' OR auto_renew) FOR UPDATE
        )
        UPDATE certificate SET auto_renew = false, renews_at = NULL, status =
            -- What has expired meanwhile stays expired.
            CASE before.status WHEN 'active' THEN 'superseded' ELSE before.status END
        FROM before WHERE certificate.id = before.id
        RETURNING before.id, before.status, before.auto_renew""")
    .bindparams(bindparam("of_line"), bindparam("but"))
    .columns(Certificate.id, Certificate.status, Certificate.auto_renew)
)


def supersede(
    db: Session,
    order: Order,
    successor: Certificate,
    *,
    is_news: bool = True,
    had_failures: bool = True,
) -> None:
    """Make a certificate the one in use of its line, and mark the line's other active ones as superseded.

    `is_news`: publish an event about it. Failed renewals of the line are forgotten, if it `had_failures`.
    """
    successor.supersedes_id = order.predecessor_id
    if had_failures:
        renewal_worked(db, successor.line_id)
    db.flush()  # an import may have changed some of them in this transaction
    line = {"of_line": successor.line_id, "but": successor.id}
    for own_id, status, selected in db.connection().execute(_SUPERSEDING, line).all():
        # Automatic renewal continues with the line's newest certificate.
        successor.auto_renew |= selected
        loaded = db.identity_map.get(db.identity_key(Certificate, own_id))
        if loaded is not None:
            db.expire(loaded)
        if status is CertificateStatus.ACTIVE:
            record(
                db,
                "certificate.superseded",
                own_id,
                who=WORKER,
                command_id=order.command_id,
                by=successor.id,
            )
    if is_news:
        emit_order_event(db, order, succeeded(order, successor))


def succeeded(order: Order, successor: Certificate) -> CertificateSucceeded:
    """Return the event about a certificate that has superseded its predecessor."""
    kind = CertificateReissued if order.kind is OrderKind.REISSUE else CertificateRenewed
    return kind(
        **order_facts(order),
        status=OrderStatus.STORED,
        certificate_id=successor.id,
        serial_number=successor.serial_number,
        sha256_fingerprint=successor.sha256_fingerprint,
        not_after=successor.not_after,
        supersedes=order.predecessor_id,
        reason=order.reason,
    )


def state_of(db: Session, order: Order, why: str) -> EventData:
    """Return the event about the present state of an order: the answer to a further command for it."""
    match order.status:
        case OrderStatus.PLACED | OrderStatus.SENDING:
            return OrderPlaced(
                **order_facts(order), status=order.status, certificate_id=order.certificate_id
            )
        case OrderStatus.STORED:
            return succeeded(order, db.get_one(Certificate, order.certificate_id))
        case status:
            return status_event(order, status, why)


def take_its_place(
    db: Session,
    order: Order,
    certificate: Certificate,
    *,
    news_before: datetime | None = None,
) -> None:
    """Insert an imported certificate among those of its line, in the sequence of SCM's rising ids.

    The certificate with the highest id is the one in use. If it supersedes another, an event is published;
    with `news_before` only if the superseded one was stored before that time.
    """
    others = select(Certificate).where(
        Certificate.line_id == certificate.line_id, Certificate.scm_id != certificate.scm_id
    )
    older = db.scalars(
        others.where(Certificate.scm_id < certificate.scm_id)
        .order_by(Certificate.scm_id.desc(), Certificate.created_at.desc())
        .limit(1)
    ).first()
    newer = db.scalars(
        others.where(Certificate.scm_id > certificate.scm_id)
        .order_by(Certificate.scm_id, Certificate.created_at)
        .limit(1)
        .with_for_update()
    ).first()
    if older is not None:
        order.predecessor_id = older.id
    # Imports may arrive in any sequence: the certificate becomes the one in use, or goes before a newer one.
    if newer is None and older is not None:
        is_news = news_before is None or older.created_at < news_before
        supersede(db, order, certificate, is_news=is_news)
    if newer is not None:
        _put_before(newer, [certificate] if older is None else [certificate, older])
        certificate.supersedes_id = order.predecessor_id
        db.get_one(Order, newer.order_id).predecessor_id = certificate.id


def _put_before(newer: Certificate, earlier: Sequence[Certificate]) -> None:
    newer.supersedes_id = earlier[0].id
    for certificate in earlier:
        if certificate.status is CertificateStatus.ACTIVE:
            certificate.status = CertificateStatus.SUPERSEDED
        newer.auto_renew |= certificate.auto_renew
        certificate.auto_renew, certificate.renews_at = False, None


def revoke_old_later(db: Session, order: Order) -> Command | None:
    """Queue the revocation of a reissued certificate, due after the time that its reissue command named.

    To be called once the successor is stored. Returns the command, or None if no revocation was requested.
    The command names our certificate id: both versions share one sslId, so SCM has to be given the serial number.
    """
    if order.kind is not OrderKind.REISSUE or order.predecessor_id is None:
        return None
    asked = None if order.command_id is None else db.get(Command, order.command_id)
    if asked is None:
        return None
    seconds = asked.payload.get("revoke_old_after")
    if seconds is None:
        return None
    old = db.get_one(Certificate, order.predecessor_id)
    payload = {
        "certificate": old.id,
        "comments": f"superseded by a reissue: {order.reason}"[:512],
        "reason_code": "superseded",
    }
    command, _ = accept(
        db,
        CommandType.REVOKE,
        payload,
        requested_by=Identity.of_row(order.requested_by),
        source="certline",
        subject=old.id,
        correlation_id=order.command_id,
        sender=asked.sender,
        after=timedelta(seconds=seconds),
    )
    record(
        db,
        "certificate.to_be_revoked",
        old.id,
        who=Identity.of_row(order.requested_by),
        why=payload["comments"],
        command_id=command.id,
        at=command.not_before.isoformat(),
    )
    return command


def mark_revoked(
    db: Session,
    certificate: Certificate,
    command: Command,
    *,
    reason: str,
    comments: str,
    at: datetime | None = None,
) -> None:
    """Record that a certificate was revoked at SCM (`at`, or now), and take it out of automatic renewal.

    `reason`: a reason code of the contract, such as `key-compromise`.
    """
    when = at or clock(db)
    account = db.get_one(Account, certificate.account_id)
    certificate.status = CertificateStatus.REVOKED
    certificate.revoked_at, certificate.revocation_reason = when, reason
    certificate.auto_renew, certificate.renews_at = False, None
    record(
        db,
        "certificate.revoked",
        certificate.id,
        who=command.requester,
        why=comments,
        command_id=command.id,
        reason_code=reason,
    )
    event = revoked_event(certificate, account.name)
    emit_event(db, event, subject=certificate.id, correlation_id=command.correlation_id)


def revoked_event(certificate: Certificate, account: str) -> CertificateRevoked:
    """Return the event about a revoked certificate; `account` is the name of its account."""
    return CertificateRevoked(
        certificate_id=certificate.id,
        account=account,
        scm_id=certificate.scm_id,
        common_name=certificate.common_name,
        sans=certificate.sans,
        serial_number=certificate.serial_number,
        reason_code=certificate.revocation_reason or "unspecified",
        revoked_at=certificate.revoked_at or certificate.created_at,
    )

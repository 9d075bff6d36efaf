"""The rule for a certificate's successor: a line has at most one on its way or in force.

The command line, messages, batches and auto-renewal all follow it, so none of them can pay twice for one line.
The caller locks the line first (`lock_line`, `open_succession`) if it goes on to place an order.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, func, or_, select, text
from sqlalchemy.orm import Session, aliased

from certline.models.accounts.account import Account, AccountStatus
from certline.models.certificates.certificate import Certificate
from certline.models.certificates.line import Line
from certline.models.database.session import clock
from certline.models.orders.order import Order
from certline.models.states import OPEN, CertificateStatus, OrderKind, OrderStatus
from certline.models.validation import BadCommandError

# SCM's words for an order that it won't issue, or whose certificate is out of use (SCM document: statuses).
OVER_AT_SCM = ("declined", "rejected", "invalid", "revoked", "expired")
# Matches what SCM's words are compared without.
NOT_COMPARED = "[ _]"
# Alias for joining a certificate with another one of the same line.
Newer = aliased(Certificate)


def lock_line(db: Session, line_id: str) -> AccountStatus | None:
    """Lock a line until the transaction ends, so that no other one can begin a successor meanwhile.

    Its account is locked against removal too. Returns the account's status, or None if there is no such line.
    """
    return db.connection().execute(_LOCKING, {"of_line": line_id}).scalar()


# FOR NO KEY UPDATE: rows that merely refer to the line can still be inserted. FOR KEY SHARE: many orders may hold
# the account at once, but either its removal (FOR UPDATE) waits for this order, or this order sees it as removed.
_LOCKING = (
    text("""SELECT account.status FROM line JOIN account ON account.id = line.account_id
        WHERE line.id = :of_line FOR NO KEY UPDATE OF line FOR KEY SHARE OF account""")
    .bindparams(bindparam("of_line"))
    .columns(Account.status)
)


@dataclass(frozen=True)
class Newest:
    """The newest certificate of a line, to be renewed in place of an older one."""

    id: str
    status: CertificateStatus

    @property
    def advice(self) -> str:
        """Advice on what to do in place of renewing the older certificate."""
        if self.status is CertificateStatus.REVOKED:
            return f"the newest of its line is {self.id}, which is revoked: order a new one"
        return f"the newest of its line is {self.id}"


def newest_here(db: Session, certificates: Collection[str]) -> dict[str, Newest]:
    """Return the newest certificate of the line, by the id of each certificate that has a successor stored.

    An expired certificate stays `expired` when its successor is stored, so its own status doesn't tell.
    """
    superseded = (
        select(Certificate.id)
        .join(Newer, Newer.line_id == Certificate.line_id)
        .where(Certificate.id.in_(certificates), Newer.id != Certificate.id, _succeeds(Certificate))
    )
    return _newest(db, set(db.scalars(superseded)))


def _newest(db: Session, certificates: Collection[str]) -> dict[str, Newest]:
    if not certificates:
        return {}
    query = (
        select(Certificate.id.label("own_id"), Newer.id, Newer.status)
        .join(Newer, Newer.line_id == Certificate.line_id)
        .where(Certificate.id.in_(certificates))
        # The one in force, otherwise the one that was issued last.
        .order_by(
            (Newer.status == CertificateStatus.ACTIVE).desc(),
            Newer.not_before.desc(),
            Newer.created_at.desc(),
            Newer.id.desc(),
        )
    )
    found: dict[str, Newest] = {}
    for own_id, new_id, status in db.execute(query):
        found.setdefault(own_id, Newest(new_id, status))
    return found


@dataclass(frozen=True)
class Hindrances:
    """What may keep a certificate from having a successor. `stored`: a newer certificate of the line is stored.

    `on_order`: a renewal or a reissue of the line is on its way. `renewed`: SCM has accepted a renewal of the
    certificate from us.
    """

    none: bool
    stored: bool = False
    on_order: bool = False
    renewed: bool = False


def hindrances(db: Session, certificate: Certificate) -> Hindrances:
    """Ask in one query what may hinder a certificate's successor."""
    row = db.execute(_hindering(), {"of_certificate": certificate.id}).one_or_none()
    if row is None:  # it was deleted meanwhile
        return Hindrances(none=False)
    usable = row.status is CertificateStatus.ACTIVE and row.deleted_at is None
    none = usable and not row.stored and not row.loose
    return Hindrances(none, row.stored, row.on_order, row.renewed)


@cache
def _hindering() -> Select[CertificateStatus, datetime | None, bool, bool, bool, bool]:
    """Return the query of `hindrances`. It is built once, because every successor is checked twice by it."""
    one, order = aliased(Certificate), aliased(Order)
    stored = exists().where(Newer.line_id == one.line_id, Newer.id != one.id, _succeeds(one))
    loose = exists().where(*_is_loose(one, order))
    on_order = exists().where(
        order.line_id == one.line_id, order.predecessor_id.is_not(None), order.status.in_(OPEN)
    )
    renewed = exists().where(
        order.line_id == one.line_id,  # which has an index
        order.predecessor_id == one.id,
        order.kind != OrderKind.REISSUE,
        order.scm_id.is_not(None),
    )
    return (
        select(
            one.status,
            Line.deleted_at,
            stored.label("stored"),
            loose.label("loose"),
            on_order.label("on_order"),
            renewed.label("renewed"),
        )
        .join(Line, Line.id == one.line_id)
        .where(one.id == bindparam("of_certificate"))
    )


def _succeeds(certificate: type[Certificate]) -> ColumnElement[bool]:
    return or_(
        Newer.supersedes_id == certificate.id,
        and_(Newer.status == CertificateStatus.ACTIVE, Newer.not_before > certificate.not_before),
    )


def require_succession(
    db: Session,
    certificate: Certificate,
    kind: OrderKind,
    *,
    again: bool = False,
    known: Hindrances | None = None,
) -> None:
    """Check that a certificate can have a successor of this kind.

    `again`: a second successor is intended, although there is one. `known`: what was found in this transaction.
    Raises BadCommandError if it can't have one.
    """
    known = known or hindrances(db, certificate)
    if known.none and not _was_just_renewed(db, certificate):
        return
    # One of them may apply; which one, and whether to this kind, is asked step by step for the sake of the text.
    name = f"certificate: {certificate.id} ({certificate.common_name})"
    certificate = db.get_one(Certificate, certificate.id, populate_existing=True)
    if db.get_one(Line, certificate.line_id).deleted_at is not None:
        raise BadCommandError([f"{name} belongs to a line that was deleted"])
    if certificate.status is CertificateStatus.REVOKED:
        raise BadCommandError([f"{name} is revoked: order a new one"])
    if certificate.status is CertificateStatus.SUPERSEDED:
        raise BadCommandError([f"{name} is superseded; {_instead(db, certificate)}"])
    newest = None if again else newest_here(db, [certificate.id]).get(certificate.id)
    if newest is not None:
        expired = certificate.status is CertificateStatus.EXPIRED
        state = "has expired and was renewed" if expired else "was renewed"
        raise BadCommandError([f"{name} {state}; {newest.advice}"])
    # SCM renews expired certificates too, but reissues only those in force.
    if certificate.status is CertificateStatus.EXPIRED and kind is OrderKind.REISSUE:
        raise BadCommandError([f"{name} has expired: renew it"])
    if again or kind is OrderKind.REISSUE:
        return
    if _was_just_renewed(db, certificate):
        raise BadCommandError(
            [
                (
                    f"{name} is itself a renewal, issued on {certificate.not_before:%Y-%m-%d} and valid until "
                    f"{certificate.not_after:%Y-%m-%d}; to renew it all the same: --again (in a message: again)"
                )
            ]
        )
    loose = _loose_at_scm(db, certificate)
    if loose is not None:
        raise BadCommandError(
            [
                (
                    f"{name}: order {loose.id} for its renewal is {loose.status} here, but SCM still has it "
                    f"as {loose.scm_id} ({loose.scm_status or 'status unknown'}), so another renewal may be "
                    "paid for twice; to renew it once more on purpose: --again (in a message: again)"
                )
            ]
        )


def _was_just_renewed(db: Session, certificate: Certificate) -> bool:
    """Return True for a renewal in the first tenth of its lifetime.

    A common name means the newest certificate of a line, so a renewal by name that is typed twice, or that a
    script repeats, would renew what it has just made.
    """
    lifetime = certificate.not_after - certificate.not_before
    if certificate.supersedes_id is None or clock(db) > certificate.not_before + lifetime / 10:
        return False
    return db.get_one(Order, certificate.order_id).kind is OrderKind.RENEWAL


def is_over_at_scm(word: str | None) -> bool:
    """Return True if SCM's word for an order's status says that there is nothing in force, nor to be issued."""
    return re.sub(NOT_COMPARED, "", word or "").lower() in OVER_AT_SCM


def _instead(db: Session, certificate: Certificate) -> str:
    newest = _newest(db, [certificate.id])[certificate.id]
    if newest.id != certificate.id:
        return newest.advice
    return (
        "SCM reports that another certificate has replaced it, which is not stored here: "
        f"certline import --order {certificate.scm_id}"
    )


def _loose_at_scm(db: Session, certificate: Certificate) -> Order | None:
    """Return a renewal of the certificate that was cancelled or given up here, and may be in force at SCM."""
    one = aliased(Certificate)
    query = select(Order).where(one.id == certificate.id, *_is_loose(one, Order))
    return db.scalars(query.order_by(Order.created_at.desc())).first()


def _is_loose(certificate: type[Certificate], order: type[Order]) -> Sequence[ColumnElement[bool]]:
    """Return the conditions for an order that `_loose_at_scm` finds for a certificate."""
    predecessor = aliased(Certificate)
    word = func.lower(
        func.regexp_replace(func.coalesce(order.scm_status, ""), NOT_COMPARED, "", "g")
    )
    return (
        order.line_id == certificate.line_id,
        # Another version with the same sslId counts too: SCM renews the sslId, whichever version is in use.
        predecessor.id == order.predecessor_id,
        predecessor.scm_id == certificate.scm_id,
        order.kind != OrderKind.REISSUE,
        order.status.in_((OrderStatus.CANCELLED, OrderStatus.REJECTED)),
        order.scm_id.is_not(None),
        word.not_in(OVER_AT_SCM),
    )

"""The states of orders and certificates, and the moves of an order that are legal."""

from enum import StrEnum


class OrderStatus(StrEnum):
    """Status of an order."""

    PLACED = "placed"  # known to us only: key, CSR and reference are stored, nothing was sent
    SENDING = "sending"  # its one POST is under way, or has an unknown outcome
    PENDING = "pending"  # accepted by SCM, not issued yet
    ISSUED = "issued"  # issued by SCM; the certificate is to be fetched
    HELD = "held"  # issued, but no licence line is free for its certificate
    STORED = "stored"  # the certificate is in our database
    REJECTED = "rejected"  # declined, rejected or invalid at SCM, or refused when it was sent
    CANCELLED = "cancelled"  # cancelled by a user, or its certificate is no longer valid
    REVIEW = "review"  # unclear: an operator decides


class OrderKind(StrEnum):
    """Kind of order: what led to it."""

    NEW = "new"
    RENEWAL = "renewal"
    REISSUE = "reissue"
    IMPORT = "import"


MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    status: frozenset(targets)
    for status, targets in {
        OrderStatus.PLACED: {
            OrderStatus.SENDING,
            OrderStatus.REJECTED,
            OrderStatus.CANCELLED,
            OrderStatus.REVIEW,
        },
        OrderStatus.SENDING: {
            OrderStatus.PLACED,
            OrderStatus.PENDING,
            OrderStatus.REJECTED,
            OrderStatus.REVIEW,
        },
        OrderStatus.PENDING: {
            OrderStatus.ISSUED,
            OrderStatus.REJECTED,
            OrderStatus.CANCELLED,
            OrderStatus.REVIEW,
        },
        OrderStatus.ISSUED: {OrderStatus.STORED, OrderStatus.HELD, OrderStatus.REVIEW},
        OrderStatus.HELD: {OrderStatus.ISSUED, OrderStatus.CANCELLED, OrderStatus.REVIEW},
        OrderStatus.STORED: set[OrderStatus](),
        OrderStatus.REJECTED: {OrderStatus.REVIEW},
        OrderStatus.CANCELLED: {OrderStatus.REVIEW},
        OrderStatus.REVIEW: {
            OrderStatus.PLACED,
            OrderStatus.PENDING,
            OrderStatus.ISSUED,
            OrderStatus.REJECTED,
            OrderStatus.CANCELLED,
        },
    }.items()
}


OPEN = frozenset(
    {
        OrderStatus.PLACED,
        OrderStatus.SENDING,
        OrderStatus.PENDING,
        OrderStatus.ISSUED,
        OrderStatus.HELD,
        OrderStatus.REVIEW,
    }
)


class CertificateStatus(StrEnum):
    """Status of a certificate; the one to use is `active`."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    EXPIRED = "expired"


# SCM renews expired certificates as well.
RENEWABLE = frozenset({CertificateStatus.ACTIVE, CertificateStatus.EXPIRED})

"""The states of orders and certificates, and the moves of an order that are legal."""

from enum import StrEnum


class OrderStatus(StrEnum):
    """Where an order stands."""

    PLACED = "placed"  # ours only: key, CSR and reference are stored, SCM has not heard of it
    SENDING = "sending"  # the one POST is on its way, or its outcome is unknown
    PENDING = "pending"  # SCM has it and has not issued
    ISSUED = "issued"  # SCM has issued; the certificate is to be fetched
    HELD = "held"  # issued, and no licence is left to store it
    STORED = "stored"  # the certificate and its key are here
    REJECTED = "rejected"  # declined, rejected or invalid at SCM, or refused when it was sent
    CANCELLED = "cancelled"  # a person took it back, or what it brought is no longer in force
    REVIEW = "review"  # unclear: a person decides


class OrderKind(StrEnum):
    """Why an order exists."""

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
    """Whether a certificate is the one to use."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    EXPIRED = "expired"


# SCM renews what has expired all the same.
RENEWABLE = frozenset({CertificateStatus.ACTIVE, CertificateStatus.EXPIRED})

"""The states and kinds of orders, certificates and commands, and the moves of an order that are legal.

Options of the command line name them, so this module imports nothing that is slow to load.
"""

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


class CommandStatus(StrEnum):
    """Status of a command."""

    QUEUED = "queued"  # waits for a worker, or for `not_before`
    RUNNING = "running"  # a worker runs it, or its order or import is still open
    DONE = "done"
    FAILED = "failed"
    HELD = "held"  # waits for a licence, or for a second person (`models.commands.approval`)
    REVIEW = "review"  # an operator decides


class CommandType(StrEnum):
    """Name of a command kind; also the name of its actor."""

    SYNC = "sync"
    ORDER = "order"
    POLL = "poll"
    FETCH = "fetch"
    RECONCILE = "reconcile"
    RENEW = "renew"
    REISSUE = "reissue"
    REVOKE = "revoke"
    IMPORT = "import"
    IMPORT_BATCH = "import_batch"
    CANCEL = "cancel"
    DELETE = "delete"
    HOOK = "hook"
    WEBHOOK = "webhook"
    NOTIFY = "notify"
    DNS_TEST = "dns_test"
    VALIDATE = "validate"


class Queue(StrEnum):
    """RabbitMQ's queues, one for each class of duration and risk: a revocation never waits behind an import."""

    ORDER = "certline.order"
    MANAGE = "certline.manage"
    POLL = "certline.poll"
    BULK = "certline.bulk"
    HOOK = "certline.hook"
    WEBHOOK = "certline.webhook"


class Decision(StrEnum):
    """Decision of a run about a certificate that was due."""

    RENEWED = "renewed"  # a renewal was requested
    SKIPPED = "skipped"  # nothing to do: a renewal is already in progress
    HELD = "held"  # postponed; a later run renews it automatically
    REFUSED = "refused"  # an operator has to act first
    FAILED = "failed"  # a renewal was requested, and failed


class DecisionCode(StrEnum):
    """Kind of reason for a decision of auto-renewal, for counting; the reason itself is a sentence."""

    DUE = "due"  # its day has come: a renewal was requested
    UNDER_WAY = "under_way"
    CAP = "cap"  # the cap of the day is reached
    DELETED = "deleted"
    ACCOUNT_SUSPENDED = "suspended"
    REPLACED = "replaced"  # its line has a newer certificate
    SCM_AUTO_RENEW = "scm_auto_renew"
    RENEWED_ELSEWHERE = "renewed_outside"
    FAILED_BEFORE = "failed_before"  # it is tried again later
    WAITS_FOR_PERSON = "waits_for_person"
    GONE_AT_SCM = "gone_at_scm"  # its organisation or profile
    NOT_ORDERABLE = "not_orderable"  # the order would be refused, whoever placed it
    VALIDATION_ENDED = "validation_ended"
    UNKNOWN = "unknown"  # decided before there were codes


class ValidationMethod(StrEnum):
    """Way in which control of a domain is proven; SCM's words."""

    CNAME = "cname"
    TXT = "txt"
    HTTP = "http"
    HTTPS = "https"
    EMAIL = "email"


class ValidationStage(StrEnum):
    """Stage of a domain's validation: what is done next. Which stages there are depends on the method."""

    START = "start"  # SCM is asked for the proof
    PUBLISH = "publish"  # the proof is put in place
    LOOK = "look"  # we look whether it is seen
    SUBMIT = "submit"  # SCM is told to have the CA look
    POLL = "poll"  # SCM is asked what the CA found
    WITHDRAW = "withdraw"  # the proof is taken away
    ENDED = "ended"


class ValidationOutcome(StrEnum):
    """Outcome of a domain's validation."""

    VALIDATED = "validated"
    NOT_NEEDED = "not_needed"  # the present validation lasts long enough
    FAILED = "failed"


# Status words that SCM's list accepts as a filter (SCM document: statuses).
SCM_WORDS = (
    *("Init", "Requested", "Approved", "SAApproved", "Applied", "Issued"),
    *("Replaced", "Revoked", "Expired", "Declined", "Rejected", "Invalid"),
)

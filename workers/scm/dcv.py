"""Domain control validation (DCV) in SCM's words: its states, methods and proofs, and SCM's answers about it."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class DcvStatus(StrEnum):
    """State of a domain's last completed validation."""

    NOT_VALIDATED = "NOT_VALIDATED"
    VALIDATED = "VALIDATED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"  # ours, for a word we don't know or none; never treated as validated

    @classmethod
    def read(cls, text: str) -> "DcvStatus":
        """Return the state for SCM's word (`NOT_VALIDATED`, "Not validated"), or UNKNOWN."""
        return _STATUSES.get(_bare(text), cls.UNKNOWN)


class DcvOrderStatus(StrEnum):
    """State of the validation that is in progress; back to NOT_INITIATED once it is completed."""

    NOT_INITIATED = "NOT_INITIATED"
    AWAITING_SUBMISSION = "AWAITING_SUBMISSION"  # started: the proof can be published
    SUBMITTED = "SUBMITTED"  # the CA looks for the proof
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"  # ours, for a word we don't know or none

    @classmethod
    def read(cls, text: str) -> "DcvOrderStatus":
        """Return the state for SCM's word (`NOT_INITIATED`, "Not initiated"), or UNKNOWN."""
        return _ORDER_STATUSES.get(_bare(text), cls.UNKNOWN)


class DcvMethod(StrEnum):
    """Way in which control of a domain is proven; the value is SCM's word in the path of a call."""

    CNAME = "cname"
    TXT = "txt"
    HTTP = "http"
    HTTPS = "https"
    EMAIL = "email"

    @classmethod
    def read(cls, text: str) -> "DcvMethod | None":
        """Return the method for SCM's word (`CNAME`, or `CNAME_CSR_HASH` in a domain's record), or None."""
        return _METHODS.get(_bare(text))


def _bare(text: str) -> str:
    return "".join(text.split()).replace("_", "").lower()


_STATUSES = {_bare(status): status for status in DcvStatus}
_ORDER_STATUSES = {_bare(status): status for status in DcvOrderStatus}
_METHODS = {_bare(method): method for method in DcvMethod} | {
    "cnamecsrhash": DcvMethod.CNAME,
    "dnstxtrandomvalue": DcvMethod.TXT,
    "httpcsrhash": DcvMethod.HTTP,
    "httpscsrhash": DcvMethod.HTTPS,
}


@dataclass(frozen=True)
class DcvProof:
    """What has to be published for a validation; the fields of other methods are empty.

    `host` and `point` are for CNAME (the record and its target) and for TXT (the record and its text); names have
    no final dot. `url` and the two lines of the file behind it are for HTTP and HTTPS. `emails` are the addresses
    of which one may be chosen for EMAIL.
    """

    method: DcvMethod
    host: str = ""
    point: str = ""
    url: str = ""
    first_line: str = ""
    second_line: str = ""
    emails: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """True once SCM has said what to publish; for TXT it may do so only in its answer to the submission."""
        if self.method is DcvMethod.EMAIL:
            return bool(self.emails)
        if self.method in {DcvMethod.HTTP, DcvMethod.HTTPS}:
            return bool(self.url and self.first_line)
        return bool(self.host and self.point)


@dataclass(frozen=True)
class DcvState:
    """State of a domain's validation. `proof` is that of the validation in progress, None if SCM shows none."""

    status: DcvStatus
    order_status: DcvOrderStatus
    method: DcvMethod | None = None  # of the validation in progress
    proof: DcvProof | None = None
    validated: date | None = None
    expires: date | None = None
    email: str = ""  # the address that was chosen
    email_reference: str = ""  # SCM's number of the mail sent there
    order_id: str = ""  # the CA's number
    submitted: datetime | None = None
    last_check: datetime | None = None
    next_check: datetime | None = None


@dataclass(frozen=True)
class DcvAnswer:
    """SCM's answer to a submission, a synchronisation or a clearing; states it leaves out are UNKNOWN.

    `proof`: what has to be published, if the answer says it, as it does after a submission by TXT.
    """

    status: DcvStatus = DcvStatus.UNKNOWN
    order_status: DcvOrderStatus = DcvOrderStatus.UNKNOWN
    message: str = ""
    order_id: str = ""
    email_reference: str = ""
    proof: DcvProof | None = None

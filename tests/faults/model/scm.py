"""A model of SCM in memory: its records, how many of them its list shows yet, and how the next call ends."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certline.workers.keys import generate, public_key_sha256
from certline.workers.scm import (
    CertificateFilter,
    CertificateRow,
    Details,
    Enrolled,
    Enrolment,
    NotSent,
    OutcomeUnknown,
    ReportQuery,
    ReportRow,
    ScmStatus,
)

CA_KEY = generate("EC", "P-256")
CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Model CA")])


class Ending(StrEnum):
    """Ways in which the POST of an order ends."""

    ANSWERED = "answered"
    REFUSED = "refused connection"
    LOST_ANSWER = "executed, no answer"
    LOST_REQUEST = "not executed, no answer"
    KILLED_BEFORE = "worker killed before the POST"
    KILLED_AFTER = "worker killed after the POST"
    FROZEN_BEFORE = "worker frozen before the POST"
    FROZEN_AFTER = "worker frozen after the POST"


class Killed(BaseException):
    """The worker was killed at this call, and does nothing more."""


class Frozen(BaseException):
    """The worker was frozen; `answer` is SCM's response, or None if nothing was sent yet."""

    def __init__(self, enrolment: Enrolment, answer: Enrolled | None) -> None:
        super().__init__()
        self.enrolment = enrolment
        self.answer = answer


@dataclass(frozen=True)
class Record:
    """An order at SCM, issued at once."""

    ssl_id: int
    asked: Enrolment
    certificate: x509.Certificate

    @property
    def key_sha256(self) -> str:
        """The hash of its public key, which identifies the order of ours."""
        return public_key_sha256(self.certificate.public_key())


class ModelScm:
    """A model of SCM with the methods of ScmClient that ordering, reconciling, polling and fetching use."""

    def __init__(self, first_id: int) -> None:
        self.records: list[Record] = []
        self.shown = 0
        self.ending = Ending.ANSWERED
        self._first_id = first_id

    def enroll(self, asked: Enrolment, *, send_before: float) -> Enrolled:  # noqa: ARG002
        """Enrol, with the ending that the test has set. Raises accordingly."""
        match self.ending:
            case Ending.REFUSED:
                raise NotSent("enroll", "connection refused")
            case Ending.LOST_REQUEST:
                raise OutcomeUnknown("enroll", "reset before it was executed")
            case Ending.KILLED_BEFORE:
                raise Killed
            case Ending.FROZEN_BEFORE:
                raise Frozen(asked, None)
            case _:
                return self._executed(asked)

    def _executed(self, asked: Enrolment) -> Enrolled:
        answer = self.execute(asked)
        match self.ending:
            case Ending.LOST_ANSWER:
                raise OutcomeUnknown("enroll", "time-out")
            case Ending.KILLED_AFTER:
                raise Killed
            case Ending.FROZEN_AFTER:
                raise Frozen(asked, answer)
            case _:
                return answer

    def execute(self, asked: Enrolment) -> Enrolled:
        """Create the record, and return SCM's response."""
        request = x509.load_pem_x509_csr(asked.csr.encode())
        number = self._first_id + len(self.records)
        self.records.append(Record(number, asked, _issue(request)))
        return Enrolled(number, f"renew-{number}")

    def certificates(self, wanted: CertificateFilter) -> list[CertificateRow]:
        """Return the list, which shows the first `shown` records only."""
        return [
            CertificateRow(record.ssl_id, record.asked.sans[0], record.asked.sans)
            for record in self.records[: self.shown]
            if wanted.common_name in (None, record.asked.sans[0])
        ]

    def ssl_report(self, query: ReportQuery) -> list[ReportRow]:
        """Return the report, which lags behind as the list does."""
        return [
            ReportRow(record.ssl_id, "Issued", ScmStatus.ISSUED, record.asked.sans[0])
            for record in self.records[: self.shown]
            if query.common_name in (None, record.asked.sans[0])
        ]

    def details(self, ssl_id: int) -> Details:
        """Return a record by its id, which doesn't lag behind."""
        asked = self._record(ssl_id).asked
        return Details(
            ssl_id=ssl_id,
            status="Issued",
            state=ScmStatus.ISSUED,
            common_name=asked.sans[0],
            org_id=asked.org_id,
            profile_id=asked.profile_id,
            sans=asked.sans,
            comments=asked.comments,
            requested=datetime.now(UTC).date(),
        )

    def collect(self, ssl_id: int) -> bytes:
        """Return the certificate and the model's root as PEM."""
        chain = (self._record(ssl_id).certificate, CA)
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)

    def _record(self, ssl_id: int) -> Record:
        return self.records[ssl_id - self._first_id]


def _issue(request: x509.CertificateSigningRequest) -> x509.Certificate:
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    builder = _certificate(request.subject).public_key(request.public_key())
    return builder.add_extension(names.value, critical=False).sign(CA_KEY, hashes.SHA256())


def _certificate(subject: x509.Name) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(CA_NAME)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=90))
    )


CA = (
    _certificate(CA_NAME)
    .public_key(CA_KEY.public_key())
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    .sign(CA_KEY, hashes.SHA256())
)

"""Functions that read SCM's JSON about domain control validation into values; all raise WrongShapeError."""

from certline.workers.scm.dcv import (
    DcvAnswer,
    DcvMethod,
    DcvOrderStatus,
    DcvProof,
    DcvState,
    DcvStatus,
)
from certline.workers.scm.transport.json_reader import Row, WrongShapeError


def proof(raw: object, method: DcvMethod) -> DcvProof:
    """Read the response of POST …/start/domain/{method}. Only TXT's may leave out what has to be published."""
    found = _proof(Row(raw), method)
    if not found.is_known and method is not DcvMethod.TXT:
        raise WrongShapeError(f"what has to be published for {method} is missing")
    return found


def state(raw: object) -> DcvState:
    """Read the response of POST /dcv/v2/validation/status, or of v1."""
    row = Row(raw)
    if not row.has("status") and not row.has("orderStatus"):
        raise WrongShapeError("status is missing")
    method = DcvMethod.read(row.text("orderMode"))
    published = _proof(row, method) if method else None
    return DcvState(
        status=DcvStatus.read(row.text("status")),
        order_status=DcvOrderStatus.read(row.text("orderStatus")),
        method=method,
        proof=published if published and published.is_known else None,
        validated=row.day("validationDate"),
        expires=row.day("expirationDate"),
        email=row.text("validationEmail"),
        email_reference=row.text("emailValidationReferenceNumber"),
        order_id=row.text("orderBackendId"),
        submitted=row.moment("submittedDate"),
        last_check=row.moment("lastCheck"),
        next_check=row.moment("nextCheck"),
    )


def answer(raw: object, method: DcvMethod | None = None) -> DcvAnswer:
    """Read the response of a submission by this method, or of a synchronisation or a clearing."""
    row = Row(raw)
    published = _proof(row, method) if method else None
    return DcvAnswer(
        status=DcvStatus.read(row.text("status")),
        order_status=DcvOrderStatus.read(row.text("orderStatus")),
        message=row.text("message"),
        order_id=row.text("orderBackendId"),
        email_reference=row.text("emailValidationReferenceNumber"),
        proof=published if published and published.is_known else None,
    )


def _proof(row: Row, method: DcvMethod) -> DcvProof:
    if method is DcvMethod.EMAIL:
        return DcvProof(method, emails=_emails(row))
    if method in {DcvMethod.HTTP, DcvMethod.HTTPS}:
        first, second = row.text("firstLine"), row.text("secondLine")
        return DcvProof(
            method,
            url=row.text("url").strip(),
            first_line=first.strip(),
            second_line=second.strip(),
        )
    point = row.text("point").strip()
    if method is DcvMethod.CNAME:
        point = _name(point)
    return DcvProof(method, host=_name(row.text("host")), point=point)


def _emails(row: Row) -> tuple[str, ...]:
    # `emails` lists them all; `dcvEmails` sorts them by where SCM found them.
    kinds = ("whoisEmails", "adminEmails", "dnsTxtEmails")
    sorted_out = row.each("dcvEmails", lambda raw: [Row(raw).texts(kind) for kind in kinds])
    nested = [email for found in sorted_out for emails in found for email in emails]
    return tuple(dict.fromkeys([*row.texts("emails"), *nested]))


def _name(text: str) -> str:
    return text.strip().rstrip(".")

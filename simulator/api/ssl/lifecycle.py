"""Handlers that approve, decline, revoke and delete certificates."""

from datetime import datetime

from starlette.responses import Response

from certline.simulator.http.call import SimRequest
from certline.simulator.state import records as status
from certline.simulator.state.records import Record
from certline.simulator.state.scm import Scm
from certline.simulator.wire.answers import Json, Refusal, nothing
from certline.simulator.wire.dates import now
from certline.simulator.wire.fields import MISSING, invalid, required_text, text

REASON_CODES = {0, 1, 3, 4, 5}


def approve(asked: SimRequest) -> Response:
    """Approve an order as an administrator."""
    asked.need("sslApprove")
    required_text(asked.body(), "message", most=512)
    asked.scm.approve(asked.record(asked.id("id")), asked.account.mail)
    return nothing()


def decline(asked: SimRequest) -> Response:
    """Decline an order as an administrator."""
    asked.need("sslApprove")
    required_text(asked.body(), "message", most=512)
    asked.scm.decline(asked.record(asked.id("id")))
    return nothing()


def revoke(asked: SimRequest) -> Response:
    """Revoke by id the certificate that the record has now."""
    asked.need("sslRevoke")
    body = asked.body()
    record = asked.record(asked.id("id"))
    _revoke(asked.scm, record, body)
    return nothing()


def revoke_by_serial(asked: SimRequest) -> Response:
    """Revoke by serial number, which also reaches a certificate that was replaced."""
    asked.need("sslRevoke")
    body = asked.body()
    serial = asked.path["serial"]
    for record in asked.records():
        if record.issue and record.issue.is_numbered(serial):
            _revoke(asked.scm, record, body)
            return nothing()
        for issue in record.earlier:
            if issue.is_numbered(serial):
                code = _reason(asked.scm, body)
                if issue.revoked_at:
                    raise _not_issued()
                issue.revoke(now(), code)
                return nothing()
    raise asked.scm.unknown()


def mark_revoked(asked: SimRequest) -> Response:
    """Record that a certificate was revoked elsewhere; the CA isn't informed."""
    asked.need("sslRevoke")
    body = asked.body()
    cert_id = text(body, "certId", most=20)
    serial = text(body, "serialNumber", most=128)
    if cert_id is None and (serial is None or text(body, "issuer", most=1024) is None):
        raise Refusal(MISSING, "Required field 'certId' is missing.")
    code = _reason_code(asked.scm, body)
    when = _day(required_text(body, "revokeDate", most=64))
    record = _marked(asked, cert_id, serial or "")
    if record.status != status.ISSUED:
        raise _not_issued()
    record.status, record.revoked_at, record.reason_code = status.REVOKED, when, code
    return nothing()


def delete(asked: SimRequest) -> Response:
    """Delete an imported record. Raises Refusal for an enrolled one."""
    asked.need("sslManage")
    record = asked.record(asked.id(), reading=True)
    if not record.imported:
        raise Refusal(-3, "Only imported or discovered certificates can be deleted.")
    del asked.scm.records[record.ssl_id]
    del asked.scm.by_renew_id[record.renew_id]
    return nothing()


def _revoke(scm: Scm, record: Record, body: Json) -> None:
    code = _reason(scm, body)
    if record.status != status.ISSUED or record.issue is None:
        raise _not_issued()
    record.status = status.REVOKED
    record.revoked_at = now()
    record.reason_code = code
    record.issue.revoke(record.revoked_at, code)


def _reason(scm: Scm, body: Json) -> int:
    required_text(body, "reason", most=512)
    return _reason_code(scm, body)


def _reason_code(scm: Scm, body: Json) -> int:
    value = body.get("reasonCode")
    if value is None:
        if scm.settings.reason_code_required:
            raise Refusal(MISSING, "Required field 'reasonCode' is missing.")
        return 0
    if isinstance(value, bool) or str(value) not in {str(code) for code in REASON_CODES}:
        raise invalid("reasonCode", "not one of 0, 1, 3, 4, 5")
    return int(value)


def _not_issued() -> Refusal:
    return Refusal(-102, "Only issued certificates could be revoked.")


def _day(sent: str) -> datetime:
    try:
        return datetime.fromisoformat(sent)
    except ValueError:
        raise invalid("revokeDate", "not an ISO date") from None


def _marked(asked: SimRequest, cert_id: str | None, serial: str) -> Record:
    if cert_id is not None:
        return asked.record(int(cert_id) if cert_id.isascii() and cert_id.isdigit() else 0)
    for record in asked.records():
        if record.issue and record.issue.is_numbered(serial):
            return record
    raise asked.scm.unknown()

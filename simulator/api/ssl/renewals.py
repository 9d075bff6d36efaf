"""Handlers that renew (a new record) and replace (the same record with a new certificate)."""

import json

from starlette.responses import Response

from certline.simulator.api.ssl import name_check
from certline.simulator.api.ssl.enroll import CSR_LENGTH, check_names, check_one_name
from certline.simulator.http.call import SimRequest
from certline.simulator.state import csr
from certline.simulator.state import records as status
from certline.simulator.state.csr import Key
from certline.simulator.state.records import Record
from certline.simulator.state.scm import new_renew_id
from certline.simulator.wire.answers import Json, Refusal, answer, nothing
from certline.simulator.wire.dates import now
from certline.simulator.wire.fields import (
    MISSING,
    parsed,
    required_text,
    text,
    texts,
    unreadable,
)


def renew_by_id(asked: SimRequest) -> Response:
    """Order a successor and return its id. The old certificate stays valid."""
    old = asked.record(asked.id())
    return answer({"sslId": _renew(asked, old).ssl_id})


def renew_by_renew_id(asked: SimRequest) -> Response:
    """Order a successor by the `renewId` from the enrolment; the successor's id isn't returned."""
    ssl_id = asked.scm.by_renew_id.get(asked.path["renewId"], 0)
    _renew(asked, asked.record(ssl_id))
    return nothing()


def mark_renewed(asked: SimRequest) -> Response:
    """Record that a certificate was renewed elsewhere."""
    asked.need("sslRenew")
    _optional_body(asked)
    _mark(asked.record(asked.id("id")))
    return nothing()


def replace(asked: SimRequest) -> Response:
    """Order the certificate again with a new key or other names, under the same id."""
    asked.need("sslReplace")
    scm = asked.scm
    body = asked.body()
    record = asked.record(asked.id())
    request = csr.read(required_text(body, "csr", most=CSR_LENGTH))
    required_text(body, "reason", most=512)
    common_name = text(body, "commonName", most=64)
    sans = texts(body, "subjectAlternativeNames")
    if record.status != status.ISSUED or record.issue is None:
        raise Refusal(-130, f"The state of the certificate is {record.status}, not ISSUED.")
    csr.check(request.key, record.profile)
    new_name = (common_name or record.common_name).lower()
    new_sans = record.sans if sans is None else tuple(dict.fromkeys(name.lower() for name in sans))
    check_names((new_name, *new_sans))
    check_one_name(scm, record.profile, new_name, new_sans)
    name_check.check(scm, (new_name, *new_sans), record.org_id)

    # Every check precedes the first change, so that a refused replacement leaves the record as it was.
    record.earlier.append(record.issue)
    record.issue = None
    record.issued_at = None
    record.common_name, record.sans, record.key = new_name, new_sans, request.key
    record.replaced_at = now()
    scm.apply(record, new_number=scm.settings.replace_new_order_number)
    return nothing()


def _renew(asked: SimRequest, old: Record) -> Record:
    asked.need("sslRenew")
    scm = asked.scm
    key = _new_key(asked, old)
    if old.profile.id in scm.settings.no_renewal_profiles:
        raise Refusal(-180, "The certificate profile does not allow renewal.")
    renewable = old.status in {status.ISSUED, status.EXPIRED}
    if not renewable or (old.renewed and not scm.settings.renew_twice):
        raise Refusal(-105, f"Error while renewing the certificate, state {old.status}.")
    csr.check(key, old.profile)
    name_check.check(scm, old.names, old.org_id)
    new = Record(
        ssl_id=scm.next_id(),
        renew_id=new_renew_id(),
        org_id=old.org_id,
        profile=old.profile,
        term=old.term if old.term in old.profile.terms else max(old.profile.terms),
        common_name=old.common_name,
        sans=old.sans,
        key=key,
        requested_at=now(),
        requester=asked.account.mail,
        external_requester=old.external_requester,
        comments=old.comments,
        custom_fields=old.custom_fields,
    )
    scm.add(new, asked.account)
    _mark(old)
    return new


def _new_key(asked: SimRequest, old: Record) -> Key:
    sent = text(_optional_body(asked), "csr", most=CSR_LENGTH)
    if sent:
        return csr.read(sent).key
    if asked.scm.settings.renew_needs_csr:
        raise Refusal(MISSING, "Required field 'csr' is missing.")
    return old.key


def _optional_body(asked: SimRequest) -> Json:
    """Return the body, or an empty one if none was sent. SCM accepted a bare `""` until 2024."""
    if not asked.raw.strip():
        return {}
    if asked.raw.strip() == json.dumps("").encode():
        if asked.scm.settings.strict_renew_body:
            raise unreadable()
        return {}
    return parsed(asked.raw)


def _mark(old: Record) -> None:
    old.renewed = True
    old.renewed_at = now()

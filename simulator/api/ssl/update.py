"""Handler that updates a record; the fields of the order only until the CA has issued the certificate."""

from starlette.responses import Response

from certline.simulator.api.ssl import details, enroll, name_check
from certline.simulator.http.call import SimRequest
from certline.simulator.state import csr
from certline.simulator.state import records as status
from certline.simulator.state.records import Record
from certline.simulator.state.scm import Scm
from certline.simulator.wire.answers import Json, Refusal, answer
from certline.simulator.wire.fields import (
    flag,
    invalid,
    number,
    required_number,
    text,
    texts,
    unreadable,
)

DAYS_BEFORE_EXPIRY = 30
AUTO_RENEW_STATES = {"not scheduled": "Not scheduled", "scheduled": "Scheduled"}
# Fields of the order, which may change only before the CA has issued the certificate.
ORDERED = ("term", "certTypeId", "orgId", "commonName", "csr", "subjectAlternativeNames")


def update(asked: SimRequest) -> Response:
    """Change the record whose id is in the body, and return its details."""
    asked.need("sslManage")
    body = asked.body()
    record = asked.record(required_number(body, "sslId"))
    changes: Json = {}
    if any(body.get(name) is not None for name in ORDERED):
        changes = _order(asked, record, body)
    changes |= _remarks(asked.scm, record, body)
    # Everything is checked first, so that a refused update changes nothing.
    for name, value in changes.items():
        setattr(record, name, value)
    # A refused order that is edited is submitted again; `_order` always sets "term".
    if record.status in status.EDITABLE - {status.REQUESTED} and "term" in changes:
        asked.scm.request(record, asked.account)
    return answer(details.as_json(asked, record))


def _order(asked: SimRequest, record: Record, body: Json) -> Json:
    scm = asked.scm
    if record.status not in status.EDITABLE:
        raise Refusal(-1112, f"The order cannot be changed in state {record.status}.")
    org_id = enroll.organization(asked, number(body, "orgId") or record.org_id)
    profile_id = number(body, "certTypeId") or record.profile.id
    profile = enroll.profile_for(scm, profile_id, org_id)
    term = number(body, "term") or record.term
    if term not in profile.terms:
        raise enroll.wrong_term()
    sent = text(body, "csr", most=enroll.CSR_LENGTH)
    key = csr.read(sent).key if sent else record.key
    csr.check(key, profile)
    common_name = (text(body, "commonName", most=64) or record.common_name).lower()
    names = texts(body, "subjectAlternativeNames")
    sans = record.sans if names is None else tuple(dict.fromkeys(name.lower() for name in names))
    enroll.check_names((common_name, *sans))
    enroll.check_one_name(scm, profile, common_name, sans)
    name_check.check(scm, (common_name, *sans), org_id)
    return {
        "org_id": org_id,
        "profile": profile,
        "term": term,
        "key": key,
        "common_name": common_name,
        "sans": sans,
    }


def _remarks(scm: Scm, record: Record, body: Json) -> Json:
    changes: Json = {}
    if body.get("comments") is not None:
        changes["comments"] = text(body, "comments", most=1024) or None
    if body.get("externalRequester") is not None:
        changes["external_requester"] = enroll.external_requester(scm, body)
    if body.get("customFields") is not None:
        filled = record.custom_fields
        changes["custom_fields"] = enroll.custom_fields(scm, body, filled=filled)
    if body.get("requester") is not None:
        changes["requester"] = text(body, "requester", most=128)
    suspend = flag(body, "suspendNotifications")
    if suspend is not None:
        changes["suspend_notifications"] = suspend
    if body.get("autoRenewDetails") is not None:
        changes |= _auto_renew(body["autoRenewDetails"])
    return changes


def _auto_renew(sent: object) -> Json:
    if not isinstance(sent, dict):
        raise unreadable()
    state = AUTO_RENEW_STATES.get((text(sent, "state", most=64) or "").lower())
    if state is None:
        raise invalid("autoRenewDetails.state", "neither 'Not scheduled' nor 'Scheduled'")
    days = number(sent, "daysBeforeExpiration") or DAYS_BEFORE_EXPIRY
    return {
        "auto_renew_state": state,
        "auto_renew_days": days if state == "Scheduled" else None,
    }

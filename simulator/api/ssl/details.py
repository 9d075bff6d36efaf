"""Handler for the details of one certificate."""

import hashlib
from datetime import timedelta

from cryptography.hazmat.primitives.serialization import Encoding
from starlette.responses import Response

from certline.simulator.api.ssl import profiles
from certline.simulator.http.call import SimRequest
from certline.simulator.settings import SimSettings
from certline.simulator.state.authority import ISSUER, SIGNATURE
from certline.simulator.state.records import Issue, Record
from certline.simulator.state.scm import Scm
from certline.simulator.wire import dates
from certline.simulator.wire.answers import Json, answer, without_gaps

VENDOR = "Sectigo Limited"


def details(asked: SimRequest) -> Response:
    """Return the record with this id."""
    return answer(as_json(asked, asked.record(asked.id(), reading=True)))


def as_json(asked: SimRequest, record: Record) -> Json:
    """Return a record as SCM's JSON, without the keys that have no value."""
    settings = asked.scm.settings
    wanted = asked.query.get("dateFormat") if settings.obey_date_format else None
    form = dates.pattern(wanted or settings.date_format)
    code = record.reason_code
    as_text = settings.reason_code_as_text and code is not None
    return without_gaps(
        {
            **_order(record),
            "reasonCode": str(code) if as_text else code,
            "status": asked.scm.shown_status(record),
            **_dates(record, form, _zone(settings, form)),
            **_certificate(asked.scm, record),
            "autoInstallDetails": {"state": "Not configured"},
            "autoRenewDetails": without_gaps(
                {"state": record.auto_renew_state, "daysBeforeExpiration": record.auto_renew_days}
            ),
            "suspendNotifications": record.suspend_notifications,
        }
    )


def _order(record: Record) -> Json:
    return {
        "commonName": record.common_name,
        "sslId": record.ssl_id,
        "id": record.ssl_id,
        "orgId": record.org_id,
        "orderNumber": record.order_number,
        "backendCertId": str(record.order_number) if record.order_number else None,
        "vendor": VENDOR,
        "certType": profiles.as_json(record.profile),
        "validationType": "Organization Validation (OV)",
        "term": record.term,
        "owner": record.owner,
        "requester": record.requester,
        "requestedVia": record.requested_via,
        "externalRequester": record.external_requester,
        "comments": record.comments,
        "renewed": record.renewed,
        "keyAlgorithm": record.key.algorithm,
        "keySize": record.key.size if record.issue else 0,
        "keyType": f"{record.key.algorithm} - {record.key.param}",
        "subjectAlternativeNames": list(record.shown_names) or None,
        "customFields": [{"name": name, "value": value} for name, value in record.custom_fields]
        or None,
    }


def _dates(record: Record, form: str, zone: timedelta) -> Json:
    moments = {
        # As with SCM, an order by ACME has no request date.
        "requested": None if record.requested_via == "ACME" else record.requested_at,
        "approved": record.approved_at,
        "issued": record.issued_at,
        "declined": record.declined_at,
        "expires": record.issue.not_after if record.issue else None,
        "replaced": record.replaced_at,
        "revoked": record.revoked_at,
        "renewedDate": record.renewed_at,
    }
    return {
        name: dates.written(moment + zone if moment else None, form)
        for name, moment in moments.items()
    }


def _zone(settings: SimSettings, form: str) -> timedelta:
    """Return the offset of the zone that SCM's dates are in; only dates without a time have one."""
    return timedelta() if "HH" in form else timedelta(hours=settings.day_zone_hours)


def _certificate(scm: Scm, record: Record) -> Json:
    if record.issue is None:
        return {"certificateDetails": {}}
    encipher = ["keyEncipherment"] if record.key.algorithm == "RSA" else []
    return {
        "serialNumber": record.issue.colon_serial,
        "signatureAlg": SIGNATURE,
        "keyUsages": ["digitalSignature", *encipher],
        "extendedKeyUsages": ["serverAuth"],
        "certificateDetails": {
            "issuer": ISSUER,
            "subject": scm.certificate(record, record.issue).subject.rfc4514_string(),
            "subjectAltNames": ", ".join(f"dNSName={name}" for name in record.issue.names),
            **digests(scm, record, record.issue),
        },
    }


def digests(scm: Scm, record: Record, issue: Issue) -> dict[str, str]:
    """Return the hashes of the certificate, by SCM's names for them."""
    der = scm.certificate(record, issue).public_bytes(Encoding.DER)
    return {
        "md5Hash": hashlib.md5(der, usedforsecurity=False).hexdigest().upper(),
        "sha1Hash": hashlib.sha1(der, usedforsecurity=False).hexdigest().upper(),
        "sha256Hash": hashlib.sha256(der).hexdigest().upper(),
    }

"""Handler for the certificate report, which has more about each certificate than the list."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from certline.simulator.api.ssl.details import digests
from certline.simulator.http.call import SimRequest
from certline.simulator.state import records as status
from certline.simulator.state.authority import ISSUER
from certline.simulator.state.records import Issue, Record
from certline.simulator.state.scm import Scm
from certline.simulator.wire.answers import JSON_TYPE, Json, without_gaps
from certline.simulator.wire.dates import MOMENT, written
from certline.simulator.wire.fields import invalid, number, numbers, parsed, text

# Values of certificateStatus; 0 means any.
WANTED = {1: status.PENDING, 2: {status.ISSUED}, 3: {status.REVOKED}, 4: {status.EXPIRED}}
# Rows made before other calls get their turn.
ROWS_AT_ONCE = 100
DATES = {2, 3, 4, 5}
LEADING_ZEROS = "HEXWithLeadingZeros"
# Values of certificateRequestSource; SCM documents only these two numbers.
SOURCES = {10: "ACME", 12: "REST API"}


async def certificates(asked: SimRequest) -> Response:
    """Return every record that meets the conditions; SCM doesn't page this response."""
    conditions = parsed(asked.raw)
    chosen = list(_chosen(asked, conditions))
    await asked.scm.sign_all(chosen)
    padded = _serial_format(conditions) == LEADING_ZEROS
    rows = []
    for at, record in enumerate(chosen):
        row = _row(asked.scm, record, padded=padded)
        rows.append(json.dumps(row, separators=(",", ":")))
        if at % ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    headers = {
        "Content-Disposition": 'attachment; filename="rest_api_ssl-certificates.json"',
        "Cache-Control": "must-revalidate",
    }
    # Assembled from encoded rows: encoding a whole fleet at once would block every other call.
    body = f'{{"statusCode":0,"reports":[{",".join(rows)}]}}'
    return Response(body, headers={"Content-Type": JSON_TYPE, **headers})


def _chosen(asked: SimRequest, body: Json) -> Iterator[Record]:
    wanted = number(body, "certificateStatus", least=0) or 0
    if wanted and wanted not in WANTED:
        raise invalid("certificateStatus", "not one of 0, 1, 2, 3, 4")
    statuses = WANTED.get(wanted)
    source = number(body, "certificateRequestSource", least=0)
    date = number(body, "certificateDateAttribute", least=0)
    if date is not None and date not in DATES:
        raise invalid("certificateDateAttribute", "not one of 2, 3, 4, 5")
    first, last = _moment(body, "from"), _moment(body, "to")
    if first and last and first >= last:
        raise invalid("from", "not earlier than 'to'")
    org_ids = numbers(body, "organizationIds") or []
    name = (text(body, "commonName", most=256) or "").lower()
    requester = text(body, "externalRequester", most=512) or ""
    for record in asked.records():
        moment = _date(record, date)
        if (
            (statuses is None or record.status in statuses)
            and (source is None or SOURCES.get(source) == record.requested_via)
            and (not org_ids or record.org_id in org_ids)
            and name in record.common_name.lower()
            and requester in (record.external_requester or "")
            and (first is None or (moment is not None and moment >= first))
            and (last is None or (moment is not None and moment <= last))
        ):
            yield record


def _date(record: Record, attribute: int | None) -> datetime | None:
    if attribute == 2:
        return record.revoked_at
    if attribute == 3:
        return record.issue.not_after if record.issue else None
    if attribute == 5:
        return record.issued_at
    return record.requested_at  # attribute 4, and the default


def _serial_format(body: Json) -> str:
    sent = text(body, "serialNumberFormat", most=64) or ""
    if sent not in {"", LEADING_ZEROS}:
        raise invalid("serialNumberFormat", f"neither empty nor {LEADING_ZEROS}")
    return sent


def _moment(body: Json, name: str) -> datetime | None:
    sent = text(body, name, most=64)
    if not sent:
        return None
    try:
        found = datetime.fromisoformat(sent)
        if name == "to" and re.fullmatch(r"\d{4}-\d{2}-\d{2}", sent):
            found += timedelta(days=1)  # the last day is included
    except (ValueError, OverflowError):
        raise invalid(name, "not an ISO date") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _row(scm: Scm, record: Record, *, padded: bool) -> Json:
    issue = record.issue
    hashes = digests(scm, record, issue) if issue else {}
    moments = {
        "requested": None if record.requested_via == "ACME" else record.requested_at,
        "approved": record.approved_at,
        "declined": record.declined_at,
        "expires": issue.not_after if issue else None,
        "revoked": record.revoked_at,
        "replaced": record.replaced_at,
    }
    return without_gaps(
        {
            "id": record.ssl_id,
            "type": record.profile.name,
            "typeId": record.profile.id,
            "orgId": record.org_id,
            "organizationName": scm.customer.name_of(record.org_id),
            "commonName": record.common_name,
            "subjAltNames": "; ".join(record.shown_names) or None,
            "status": scm.shown_status(record),
            "orderNumber": record.order_number,
            "backendCertId": str(record.order_number) if record.order_number else None,
            "term": record.term,
            "issuer": ISSUER if issue else None,
            "requester": record.requester,
            "approver": record.owner,
            "requestedVia": record.requested_via,
            "externalRequester": record.external_requester,
            "comments": record.comments,
            "publicKeyType": f"{record.key.algorithm} - {record.key.param}",
            "serialNumber": _serial(issue, padded=padded) if issue else None,
            "sha1": hashes.get("sha1Hash"),
            "md5": hashes.get("md5Hash"),
            "customFields": [{"name": key, "value": value} for key, value in record.custom_fields]
            or None,
            **{name: written(moment, MOMENT) for name, moment in moments.items()},
        }
    )


def _serial(issue: Issue, *, padded: bool) -> str:
    """Return the serial number as plain hex; the report drops leading zeros unless the request keeps them."""
    return f"{issue.serial:032X}" if padded else f"{issue.serial:X}"

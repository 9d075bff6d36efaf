"""What SCM's report says about a record, if it says enough to stand in for the record's details.

The report lacks two fields of the details: whether SCM renews the certificate automatically, and whether it was
renewed. SCM's lists name the former (`scm_report`). The latter matters for a record that has a later one with the
same names (`facts_reported`), and for a certificate that ends soon: it may have been marked as renewed by hand.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from certline.models.imports.report_row import Reported
from certline.workers.scm import CertificateRow, Details, ReportRow, ScmStatus

# The day that a record must have in each status, besides that of the request.
DAY_OF = {
    ScmStatus.ISSUED: "expires",
    ScmStatus.EXPIRED: "expires",
    ScmStatus.REVOKED: "revoked",
    ScmStatus.REPLACED: "replaced",
    ScmStatus.DECLINED: "declined",
}
DAYS = ("requested", "expires", "revoked", "replaced", "declined")
# SCM's own renewal begins so long before the end, and ours as a rule.
SOON = timedelta(days=30)
# Statuses of records that have a certificate.
WITH_CERTIFICATE = {ScmStatus.ISSUED, ScmStatus.EXPIRED, ScmStatus.REVOKED, ScmStatus.REPLACED}


def reported(row: ReportRow, now: datetime) -> Reported:
    """Return a row of the report with its facts, if all that matters is there."""
    ends_soon = row.state.is_issued and row.expires is not None and row.expires < now + SOON
    facts = None if ends_soon else _facts(row)
    return Reported(row.ssl_id, _names(row.common_name, row.sans), facts)


def _facts(row: ReportRow) -> dict[str, Any] | None:
    """Return what an import needs of a record, as JSON, or None if the report lacks some of it."""
    # What SCM may leave out because it has no value isn't among them: comments, requesters, custom fields.
    needed: list[object] = [row.common_name, row.org_id, row.profile_id, row.profile_name]
    needed += [row.term, row.requester, row.requested]
    if row.state in DAY_OF:
        needed.append(getattr(row, DAY_OF[row.state]))
    if row.state in WITH_CERTIFICATE:
        needed.append(row.serial_number)
    # The details write `EC - P-256`. How the report writes a key isn't documented.
    if row.state is ScmStatus.UNKNOWN or not all(needed) or " - " not in row.key_type:
        return None
    return {
        "status": row.status,
        "common_name": row.common_name,
        "sans": row.sans,
        "org_id": row.org_id,
        "profile_id": row.profile_id,
        "profile_name": row.profile_name,
        "term": row.term,
        "serial_number": row.serial_number,
        "key_type": row.key_type,
        "requester": row.requester,
        "comments": row.comments,
        "external_requester": row.external_requester,
        "custom_fields": row.custom_fields,
        **{name: _day(getattr(row, name)) for name in DAYS},
    }


def details_from(scm_id: int, facts: Mapping[str, Any]) -> Details:
    """Return the details that these facts stand in for."""
    return Details(
        ssl_id=scm_id,
        status=facts["status"],
        state=ScmStatus.read(facts["status"]),
        common_name=facts["common_name"],
        sans=tuple(facts["sans"]),
        org_id=facts["org_id"],
        profile_id=facts["profile_id"],
        profile_name=facts["profile_name"],
        term=facts["term"],
        serial_number=facts["serial_number"],
        key_type=facts["key_type"],
        requester=facts["requester"],
        comments=facts["comments"],
        external_requester=facts["external_requester"],
        custom_fields=tuple((name, value) for name, value in facts["custom_fields"]),
        requested=_read_day(facts["requested"]),
        expires=_read_day(facts["expires"]),
        revoked=_read_day(facts["revoked"]),
        replaced=_read_day(facts["replaced"]),
        declined=_read_day(facts["declined"]),
    )


def agrees(row: CertificateRow, facts: Mapping[str, Any]) -> bool:
    """Return True if SCM's list, which is read after the report, shows the record as the report does."""
    return (
        row.common_name.lower() == facts["common_name"].lower()
        and _names("", row.sans) == _names("", facts["sans"])
        and row.serial_number == facts["serial_number"]
    )


def _names(common_name: str, sans: tuple[str, ...] | list[str]) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in (common_name, *sans) if name.strip())


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.date().isoformat()


def _read_day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)

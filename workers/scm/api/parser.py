"""Functions that read SCM's JSON into values, one for each kind of response; all raise WrongShapeError."""

from certline.workers.scm.answers import (
    AdminRecord,
    AdminRow,
    CertificateRow,
    Details,
    DomainRow,
    Enrolled,
    OrganizationDetails,
    Password,
    ReportRow,
    ScmCustomField,
    ScmDelegation,
    ScmDepartment,
    ScmDomain,
    ScmOrganization,
    ScmProfile,
    ScmValidation,
)
from certline.workers.scm.status import PasswordState, ScmStatus
from certline.workers.scm.transport.json_reader import (
    Row,
    WrongShapeError,
    number,
    serial,
    texts,
)


def organization(raw: object) -> ScmOrganization:
    """Read a row of GET /organization/v1."""
    row = Row(raw)
    return ScmOrganization(row.id("id"), row.text("name"), row.each("departments", _department))


def organization_details(raw: object) -> OrganizationDetails:
    """Read the response of GET /organization/v1/{id}."""
    row = Row(raw)
    return OrganizationDetails(
        id=row.id("id"),
        name=row.text("name"),
        secondary_name=row.text("secondaryName"),
        cert_types=row.texts("certTypes"),
        ssl_api_enabled=row.flag("sslCertsApiEnabled"),
        validation_status=row.text("validationStatus"),
        contact_emails=row.texts("contactEmails"),
        departments=row.each("departments", _department),
    )


def _department(raw: object) -> ScmDepartment:
    row = Row(raw)
    return ScmDepartment(row.id("id"), row.text("name"))


def domain_row(raw: object) -> DomainRow:
    """Read a row of GET /domain/v1."""
    row = Row(raw)
    return DomainRow(row.id("id"), row.text("name"))


def domain(raw: object) -> ScmDomain:
    """Read the response of GET /domain/v1/{id}."""
    row = Row(raw)
    return ScmDomain(
        id=row.id("id"),
        name=row.text("name"),
        state=row.text("state"),
        delegation_status=row.text("delegationStatus"),
        validation_status=row.text("validationStatus"),
        validation_method=row.text("validationMethod"),
        dcv_expiration=row.day("dcvExpiration"),
        delegations=row.each("delegations", _delegation),
        dcv_validation=row.day("dcvValidation"),
    )


def _delegation(raw: object) -> ScmDelegation:
    row = Row(raw)
    return ScmDelegation(
        org_id=row.id("orgId"),
        cert_types=row.texts("certTypes"),
        privileges=row.texts("domainCertificateRequestPrivileges"),
        status=row.text("status"),
    )


def validation(raw: object) -> ScmValidation:
    """Read a row of GET /dcv/v1/validation, or of v2."""
    row = Row(raw)
    if not row.has("domain"):
        raise WrongShapeError("domain is missing")
    return ScmValidation(
        domain=row.text("domain"),
        status=row.text("dcvStatus"),
        method=row.text("dcvMethod"),
        order_status=row.text("dcvOrderStatus"),
        order_method=row.text("dcvOrderMethod"),
        expires=row.day("expirationDate"),
    )


def profile(raw: object) -> ScmProfile:
    """Read a row of GET /ssl/v1/types; older versions of SCM send neither description nor key types."""
    row = Row(raw)
    return ScmProfile(
        id=row.id("id"),
        name=row.text("name"),
        description=row.text("description"),
        terms=row.each("terms", number),
        key_types={name: texts(sizes) for name, sizes in row.inner("keyTypes").items()},
    )


def custom_field(raw: object) -> ScmCustomField:
    """Read a row of GET /ssl/v1/customFields."""
    row = Row(raw)
    return ScmCustomField(row.id("id"), row.text("name"), mandatory=bool(row.flag("mandatory")))


def enrolled(raw: object) -> Enrolled:
    """Read the response of POST /ssl/v1/enroll."""
    row = Row(raw)
    return Enrolled(row.id("sslId"), row.text("renewId") or None)


def renewed(raw: object) -> int:
    """Read the response of POST /ssl/v1/renewById/{sslId}: the successor's id."""
    return Row(raw).id("sslId")


def certificate_row(raw: object) -> CertificateRow:
    """Read a row of GET /ssl/v1; SCM leaves out keys that have no value.

    If anything but the id can't be read, only the id is returned: one odd row must not hide the rest of its page,
    and the certificate's details say what is wrong.
    """
    row = Row(raw)
    ssl_id = _ssl_id(row)
    try:
        return CertificateRow(
            ssl_id,
            common_name=row.text("commonName"),
            sans=row.texts("subjectAlternativeNames"),
            serial_number=serial(row.text("serialNumber")),
        )
    except WrongShapeError:
        return CertificateRow(ssl_id)


def details(raw: object) -> Details:
    """Read the response of GET /ssl/v1/{sslId}, or of PUT /ssl/v1."""
    row = Row(raw)
    kind, auto_renew = row.inner("certType"), row.inner("autoRenewDetails")
    return Details(
        ssl_id=_ssl_id(row),
        status=row.text("status"),
        state=ScmStatus.read(row.text("status")),
        common_name=row.text("commonName"),
        org_id=row.number("orgId"),
        profile_id=kind.number("id"),
        profile_name=kind.text("name"),
        term=row.number("term"),
        serial_number=serial(row.text("serialNumber")),
        sans=row.texts("subjectAlternativeNames"),
        comments=row.text("comments"),
        external_requester=row.text("externalRequester"),
        requested=row.day("requested"),
        issued=row.day("issued"),
        expires=row.day("expires"),
        replaced=row.day("replaced"),
        revoked=row.day("revoked"),
        renewed=bool(row.flag("renewed")),
        backend_cert_id=row.text("backendCertId") or None,
        key_type=row.text("keyType"),
        auto_renew_state=auto_renew.text("state"),
        auto_renew_days=auto_renew.number("daysBeforeExpiration"),
        approved=row.day("approved"),
        declined=row.day("declined"),
        renewed_date=row.day("renewedDate"),
        requester=row.text("requester"),
        requested_via=row.text("requestedVia"),
        reason_code=row.text("reasonCode"),
        custom_fields=row.each("customFields", _custom_value),
    )


def report(raw: object) -> list[ReportRow]:
    """Read the response of POST /report/v1/ssl-certificates."""
    return list(_report(raw).each("reports", report_row))


def readable_report(raw: object) -> list[ReportRow]:
    """Read the same response without the rows that can't be read."""
    rows = _report(raw).each("reports", _row_or_none)
    return [row for row in rows if row is not None]


def _row_or_none(raw: object) -> ReportRow | None:
    try:
        return report_row(raw)
    except WrongShapeError:
        return None


def _report(raw: object) -> Row:
    row = Row(raw)
    # A statusCode other than 0 is an error despite HTTP 200; with statusCode 0 an empty report may lack `reports`.
    if row.number("statusCode"):
        raise WrongShapeError(f"the report's statusCode is {row.text('statusCode')}")
    if not row.has("reports") and not row.has("statusCode"):
        raise WrongShapeError("reports is missing")
    return row


def report_row(raw: object) -> ReportRow:
    """Read a row of the report; its key names differ from those of the details."""
    row = Row(raw)
    return ReportRow(
        ssl_id=row.id("id"),
        status=row.text("status"),
        state=ScmStatus.read(row.text("status")),
        common_name=row.text("commonName"),
        org_id=row.number("orgId"),
        organization_name=row.text("organizationName"),
        profile_id=row.number("typeId"),
        profile_name=row.text("type"),
        term=row.number("term"),
        serial_number=serial(row.text("serialNumber")),
        sans=row.texts("subjAltNames"),
        comments=row.text("comments"),
        external_requester=row.text("externalRequester"),
        requester=row.text("requester"),
        approver=row.text("approver"),
        requested_via=row.text("requestedVia"),
        issuer=row.text("issuer"),
        backend_cert_id=row.text("backendCertId") or None,
        key_type=row.text("publicKeyType"),
        requested=row.moment("requested"),
        approved=row.moment("approved"),
        declined=row.moment("declined"),
        downloaded=row.moment("downloaded"),
        expires=row.moment("expires"),
        replaced=row.moment("replaced"),
        revoked=row.moment("revoked"),
        custom_fields=row.each("customFields", _custom_value),
    )


def password(raw: object) -> Password:
    """Read the response of GET /admin/v1/password; the state is read from either of two possible keys."""
    row = Row(raw)
    state = PasswordState.read(row.text("passwordState") or row.text("state"))
    return Password(state, row.day("expirationDate"))


def admin_row(raw: object) -> AdminRow:
    """Read a row of GET /admin/v1."""
    row = Row(raw)
    return AdminRow(row.id("id"), row.text("login"))


def admin_record(raw: object) -> AdminRecord:
    """Read the response of GET /admin/v1/{id}."""
    row = Row(raw)
    roles = row.each("credentials", lambda one: Row(one).text("role"))
    return AdminRecord(
        id=row.id("id"),
        login=row.text("login"),
        type=row.text("type"),
        roles=tuple(dict.fromkeys(role for role in roles if role)),
        privileges=row.texts("privileges") if row.has("privileges") else None,
    )


def _ssl_id(row: Row) -> int:
    return row.id("id" if row.has("id") else "sslId")  # SCM deprecates `sslId` in favour of `id`


def _custom_value(raw: object) -> tuple[str, str]:
    row = Row(raw)
    return row.text("name"), row.text("value")

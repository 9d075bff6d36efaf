"""Client for SCM's REST API, with one method for each operation that certline uses."""

from certline.workers.scm.answers import (
    AdminRecord,
    AdminRow,
    DomainRow,
    OrganizationDetails,
    Password,
    ReportRow,
    ScmCustomField,
    ScmDomain,
    ScmOrganization,
    ScmProfile,
    ScmValidation,
)
from certline.workers.scm.api import parser
from certline.workers.scm.api.certificates import Certificates
from certline.workers.scm.api.domain_validation import DomainValidation
from certline.workers.scm.api.orders import Ordering
from certline.workers.scm.errors import Garbled, ScmError
from certline.workers.scm.inputs import ReportQuery
from certline.workers.scm.transport.caller import ScmCall


class ScmClient(Certificates, Ordering, DomainValidation):
    """Client of one account at SCM, with one login; its settings are described at `Caller`.

    The methods below only read. Those of `Certificates` read and update certificates, those of `Ordering` change
    them, and those of `DomainValidation` validate domains.
    """

    def organizations(self) -> list[ScmOrganization]:
        """Return all organisations visible to this account, with their departments; SCM doesn't page this list."""
        return self._list(ScmCall("organizations", "GET", "/organization/v1"), parser.organization)

    def organization(self, organization_id: int) -> OrganizationDetails:
        """Return one organisation's record, including whether it may order over the API. Raises NotFound."""
        call = ScmCall("organization", "GET", f"/organization/v1/{organization_id:d}")
        found = self._one(call, parser.organization_details)
        if found.id != organization_id:
            raise Garbled(
                "organization", f"asked for {organization_id}, got {found.id}", status=200
            )
        return found

    def domains(self) -> list[DomainRow]:
        """Return all domains visible to this account, each once, over all pages."""
        call = ScmCall("domains", "GET", "/domain/v1")
        return self._pages(call, parser.domain_row, lambda row: row.id)

    def domain(self, domain_id: int) -> ScmDomain:
        """Return one domain with its validation and delegations. Raises NotFound."""
        return self._one(ScmCall("domain", "GET", f"/domain/v1/{domain_id:d}"), parser.domain)

    def validations(
        self,
        *,
        domain: str | None = None,
        org_id: int | None = None,
        status: str | None = None,
        order_status: str | None = None,
        expires_within_days: int | None = None,
    ) -> list[ScmValidation]:
        """Return the state of each domain's validation, over all pages: all domains, or those that match.

        SCM's hosts differ in the version of this call they offer: `v1` is tried first, and `v2` after a 404.
        """
        asked = {
            "domain": domain,
            "org": org_id,
            "dcvStatus": status,
            "orderStatus": order_status,
            "expiresIn": expires_within_days,
        }
        where = {name: value for name, value in asked.items() if value is not None}
        older, newer = (
            ScmCall("validations", "GET", f"/dcv/{version}/validation", where)
            for version in ("v1", "v2")
        )
        try:
            return self._pages(older, parser.validation, lambda row: row.domain)
        except ScmError as error:
            if error.status != 404:
                raise
        return self._pages(newer, parser.validation, lambda row: row.domain)

    def profiles(self, organization_id: int | None = None) -> list[ScmProfile]:
        """Return all certificate profiles, or only those open to one organisation."""
        where = {} if organization_id is None else {"organizationId": organization_id}
        return self._list(ScmCall("profiles", "GET", "/ssl/v1/types", where), parser.profile)

    def custom_fields(self) -> list[ScmCustomField]:
        """Return the custom fields that the customer has added to SSL orders."""
        call = ScmCall("custom_fields", "GET", "/ssl/v1/customFields")
        return self._list(call, parser.custom_field)

    def ssl_report(self, query: ReportQuery, *, skip_odd: bool = False) -> list[ReportRow]:
        """Return all rows of the report at once, with comments and names; it may take minutes. Read-only.

        `skip_odd`: a row that can't be read is left out, instead of raising Garbled.
        """
        asked: dict[str, object] = {
            "from": query.start and query.start.isoformat(),
            "to": query.end and query.end.isoformat(),
            "certificateDateAttribute": query.about and int(query.about),
            "organizationIds": list(query.organization_ids) or None,
            "commonName": query.common_name,
            "externalRequester": query.external_requester,
            "certificateRequestSource": query.source and int(query.source),
        }
        body = {name: value for name, value in asked.items() if value is not None}
        body["certificateStatus"] = int(query.status)
        call = ScmCall(
            "ssl_report",
            "POST",
            "/report/v1/ssl-certificates",
            {"output_type": "buffered"},
            body,
            is_report=True,
        )
        return self._one(call, parser.readable_report if skip_odd else parser.report)

    def password(self) -> Password:
        """Return the state and expiry of our password; the state is UNKNOWN for a word we don't know."""
        return self._one(ScmCall("password", "GET", "/admin/v1/password"), parser.password)

    def admins(self) -> list[AdminRow]:
        """Return the administrators visible to this account, over all pages; it may not see itself."""
        return self._pages(
            ScmCall("admins", "GET", "/admin/v1"), parser.admin_row, lambda row: row.id
        )

    def admin(self, admin_id: int) -> AdminRecord:
        """Return an administrator's record. Raises NotFound if SCM has no such id or hides it from us."""
        return self._one(ScmCall("admin", "GET", f"/admin/v1/{admin_id:d}"), parser.admin_record)

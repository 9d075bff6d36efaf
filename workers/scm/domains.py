"""Calls that read the domains at SCM and their validation."""

from certline.workers.scm.answers import DomainRow, ScmDomain, ScmValidation
from certline.workers.scm.api import parser
from certline.workers.scm.api.pagination import Pages
from certline.workers.scm.errors import ScmError
from certline.workers.scm.transport.caller import ScmCall


class Domains(Pages):
    """Methods that read domains, delegations and validations."""

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

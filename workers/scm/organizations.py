"""Calls that read the organisations at SCM."""

from certline.workers.scm.answers import OrganizationDetails, ScmOrganization
from certline.workers.scm.api import parser
from certline.workers.scm.errors import Garbled
from certline.workers.scm.transport.caller import Caller, ScmCall


class Organizations(Caller):
    """Methods that read organisations and their departments."""

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

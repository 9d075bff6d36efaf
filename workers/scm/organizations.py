"""Organisations at SCM."""

from certline.workers.scm.answers import Organization, OrganizationDetails
from certline.workers.scm.api import parser
from certline.workers.scm.errors import Garbled
from certline.workers.scm.transport.caller import Call, Caller


class Organizations(Caller):
    """Who orders."""

    def organizations(self) -> list[Organization]:
        """All organisations this account sees, with their departments; the list has no pages."""
        return self._list(Call("organizations", "GET", "/organization/v1"), parser.organization)

    def organization(self, organization_id: int) -> OrganizationDetails:
        """One organisation: may it order, and by this API? Raises NotFound."""
        call = Call("organization", "GET", f"/organization/v1/{organization_id:d}")
        found = self._one(call, parser.organization_details)
        if found.id != organization_id:
            raise Garbled(
                "organization", f"asked for {organization_id}, got {found.id}", status=200
            )
        return found

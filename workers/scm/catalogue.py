"""Calls that read what may be ordered at SCM: profiles and custom fields."""

from certline.workers.scm.answers import ScmCustomField, ScmProfile
from certline.workers.scm.api import parser
from certline.workers.scm.transport.caller import Caller, ScmCall


class Catalogue(Caller):
    """Methods that read certificate profiles and custom fields."""

    def profiles(self, organization_id: int | None = None) -> list[ScmProfile]:
        """Return all certificate profiles, or only those open to one organisation."""
        where = {} if organization_id is None else {"organizationId": organization_id}
        return self._list(ScmCall("profiles", "GET", "/ssl/v1/types", where), parser.profile)

    def custom_fields(self) -> list[ScmCustomField]:
        """Return the custom fields that the customer has added to SSL orders."""
        call = ScmCall("custom_fields", "GET", "/ssl/v1/customFields")
        return self._list(call, parser.custom_field)

"""Handlers for the customer's organisations."""

from starlette.responses import Response

from certline.simulator.http.call import SimRequest
from certline.simulator.state.customer_parts import SimOrganization
from certline.simulator.state.scm import Scm
from certline.simulator.wire.answers import Json, Refusal, answer
from certline.simulator.wire.fields import path_id


def listed(asked: SimRequest) -> Response:
    """Return all organisations that the caller may see; SCM doesn't page this list."""
    found = [
        each
        for each in asked.scm.customer.organizations
        if any(asked.account.sees(org_id) for org_id in each.ids)
    ]
    return answer([_row(asked, each) for each in found])


def details(asked: SimRequest) -> Response:
    """Return one organisation or department."""
    org_id = path_id(asked.path["id"])
    found = asked.scm.customer.organization(org_id)
    if found is None or not asked.account.sees(org_id):
        code = asked.scm.settings.unknown_organization_code
        raise Refusal(code, "Organization not found.", status=404)
    name = asked.scm.customer.name_of(org_id)
    return answer(
        {
            **(_row(asked, found) if org_id == found.id else {"id": org_id, "name": name}),
            "certTypes": ["SSL"],
            "contactEmails": "pki-team@nordhafen.example",
            "address1": "Hafenstrasse 1",
            "city": found.city,
            "stateOrProvince": "Nordhafen",
            "postalCode": "27999",
            "country": "DE",
            "sslCertsApiEnabled": api_enabled(asked.scm, org_id),
            "clientCertsApiEnabled": False,
        }
    )


def api_enabled(scm: Scm, org_id: int) -> bool:
    """Return True if the organisation or department may order over the API."""
    found = scm.customer.organization(org_id)
    shut = org_id in scm.settings.api_disabled_organizations
    return found is not None and found.api and not shut


def _row(asked: SimRequest, found: SimOrganization) -> Json:
    row: Json = {"id": found.id, "name": found.name}
    parts = [part for part in found.departments if asked.account.sees(part.id)]
    if parts:
        row["departments"] = [
            {"id": part.id, "name": part.name, "parentName": found.name} for part in parts
        ]
    return row

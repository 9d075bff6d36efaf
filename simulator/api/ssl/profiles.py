"""Handlers for certificate profiles and custom fields."""

from starlette.responses import Response

from certline.simulator.http.call import SimRequest
from certline.simulator.state.customer_parts import SimProfile
from certline.simulator.wire.answers import Json, answer
from certline.simulator.wire.fields import path_id


def types(asked: SimRequest) -> Response:
    """Return the profiles open to the caller, or only those offered to one organisation."""
    customer = asked.scm.customer
    ids = [i for each in customer.organizations for i in each.ids if asked.account.sees(i)]
    profiles = [p for p in customer.profiles.values() if any(p.offered_to(i) for i in ids)]
    if org_id := asked.query.get("organizationId"):
        profiles = [found for found in profiles if found.offered_to(path_id(org_id))]
    return answer([as_json(found) for found in profiles])


def custom_fields(asked: SimRequest) -> Response:
    """Return the customer's custom fields."""
    mandatory = asked.scm.settings.mandatory_custom_fields
    return answer(
        [
            {"id": found.id, "name": found.name, "mandatory": found.name in mandatory}
            for found in asked.scm.customer.custom_fields
        ]
    )


def custom_fields_v2(asked: SimRequest) -> Response:
    """Return the custom fields in the format of v2, with their inputs; only SSL has any."""
    if asked.query.get("certType", "ssl").lower() != "ssl":
        return answer([])
    mandatory = asked.scm.settings.mandatory_custom_fields
    return answer(
        [
            {
                "id": found.id,
                "name": found.name,
                "certType": "ssl",
                "state": "ACTIVE",
                "input": {"type": "TEXT_SINGLE_LINE"},
                "mandatories": ["REST_API"] if found.name in mandatory else [],
            }
            for found in asked.scm.customer.custom_fields
        ]
    )


def as_json(profile: SimProfile) -> Json:
    """Return a profile as SCM's JSON, used in the list and in the details of a certificate."""
    return {
        "id": profile.id,
        "name": profile.name,
        "description": profile.description,
        "terms": list(profile.terms),
        "keyTypes": {name: list(sizes) for name, sizes in profile.key_types.items()},
        "useSecondaryOrgName": False,
    }

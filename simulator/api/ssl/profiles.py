"""Certificate profiles and custom fields: what an order may say."""

from starlette.responses import Response

from certline.simulator.http.call import Asked
from certline.simulator.state.customer_parts import Profile
from certline.simulator.wire.answers import Json, answer
from certline.simulator.wire.fields import path_id


def types(asked: Asked) -> Response:
    """The profiles, or those that one organisation is offered."""
    customer = asked.scm.customer
    ids = [i for each in customer.organizations for i in each.ids if asked.account.sees(i)]
    profiles = [p for p in customer.profiles.values() if any(p.offered_to(i) for i in ids)]
    if org_id := asked.query.get("organizationId"):
        profiles = [found for found in profiles if found.offered_to(path_id(org_id))]
    return answer([as_json(found) for found in profiles])


def custom_fields(asked: Asked) -> Response:
    """The fields that the customer added."""
    mandatory = asked.scm.settings.mandatory_custom_fields
    return answer(
        [
            {"id": found.id, "name": found.name, "mandatory": found.name in mandatory}
            for found in asked.scm.customer.custom_fields
        ]
    )


def custom_fields_v2(asked: Asked) -> Response:
    """The same fields with their inputs; there are some for SSL only."""
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


def as_json(profile: Profile) -> Json:
    """A profile as the list and the details of a certificate show it."""
    return {
        "id": profile.id,
        "name": profile.name,
        "description": profile.description,
        "terms": list(profile.terms),
        "keyTypes": {name: list(sizes) for name, sizes in profile.key_types.items()},
        "useSecondaryOrgName": False,
    }

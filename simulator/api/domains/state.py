"""Handlers that create, activate, suspend and delete domains."""

from starlette.responses import Response

from certline.simulator.api.domains.delegations import delegations_sent
from certline.simulator.api.domains.domains import one
from certline.simulator.http.call import SimRequest
from certline.simulator.state.customer_parts import SimDomain, SimValidation, ascii_name
from certline.simulator.wire.answers import Refusal, done, nothing
from certline.simulator.wire.fields import flag, invalid, required_text


def create(asked: SimRequest) -> Response:
    """Create a domain; only the `Location` header has its id. A domain below a validated one is validated too."""
    asked.need("allowManageDomains")
    scm = asked.scm
    body = asked.body()
    name = _name(asked, ascii_name(required_text(body, "name", most=255)))
    delegations = delegations_sent(asked, body.get("delegations"))
    active = flag(body, "active")
    found = SimDomain(scm.next_domain_id(), name, delegations)
    found.state = "SUSPENDED" if active is False else "ACTIVE"
    scm.customer.domains.append(found)
    top = scm.customer.top_of(found)
    proven = [d for d in scm.customer.domains if d.bare == top and d is not found]
    if proven:
        found.validation = SimValidation(proven[0].validation.at, proven[0].validation.mode)
    return Response(status_code=201, headers={"Location": f"{asked.base}/api/domain/v1/{found.id}"})


def delete(asked: SimRequest) -> Response:
    """Delete a domain."""
    asked.need("allowManageDomains")
    asked.scm.customer.domains.remove(one(asked))
    return nothing()


def activate(asked: SimRequest) -> Response:
    """Activate a domain, so that certificates may be ordered for it."""
    asked.need("allowManageDomains")
    one(asked).state = "ACTIVE"
    return done()


def suspend(asked: SimRequest) -> Response:
    """Suspend a domain."""
    asked.need("allowManageDomains")
    one(asked).state = "SUSPENDED"
    return done()


def _name(asked: SimRequest, name: str) -> str:
    if "." not in name.removeprefix("*."):
        raise Refusal(-714, "The domain name has too few dots.")
    if (
        len(name) < 4
        or any(part == "" for part in name.split("."))
        or not name.isascii()
        or " " in name
    ):
        raise Refusal(-732, "The domain name is invalid.")
    if any(found.name == name for found in asked.scm.customer.domains):
        raise invalid("name", "the domain exists already")
    return name

"""Handlers for the list of the customer's domains and the details of one."""

from starlette.responses import Response

from certline.simulator.http.call import SimRequest
from certline.simulator.http.pages import page, window
from certline.simulator.settings import SimSettings
from certline.simulator.state.customer_parts import METHODS, SimDelegation, SimDomain, ascii_name
from certline.simulator.wire.answers import Json, Refusal, answer, without_gaps
from certline.simulator.wire.fields import invalid, path_id

STATES = {"active": "ACTIVE", "inactive": "SUSPENDED"}
STATUSES = {"approved": "ACTIVE", "requested": "REQUESTED"}


def listed(asked: SimRequest) -> Response:
    """Return a page of the domains that match the filters."""
    found = chosen(asked)
    rows: list[Json] = [
        {"id": d.id, "name": shown_name(d, asked.scm.settings)} for d in found[window(asked)]
    ]
    return page(rows, len(found))


def counted(asked: SimRequest) -> Response:
    """Return how many domains match the filters."""
    return answer({"count": len(chosen(asked))})


def chosen(asked: SimRequest) -> list[SimDomain]:
    """Return the domains that the caller may see and that match the filters."""
    found = visible(asked)
    if name := asked.query.get("name"):
        found = [d for d in found if ascii_name(name) in d.name]
    if state := asked.query.get("state"):
        wanted = _one_of(STATES, "state", state)
        found = [d for d in found if d.state == wanted]
    if status := asked.query.get("status"):
        wanted = _one_of(STATUSES, "status", status)
        found = [d for d in found if d.status == wanted]
    if org_id := asked.query.get("orgId"):
        wanted_id = path_id(org_id)
        found = [d for d in found if wanted_id in {each.org_id for each in d.delegations}]
    return found


def visible(asked: SimRequest) -> list[SimDomain]:
    """Return the domains the caller may see: all, or those delegated to the caller's organisations."""
    return [
        domain
        for domain in asked.scm.customer.domains
        if asked.account.org_ids is None
        or any(asked.account.sees(each.org_id) for each in domain.delegations)
    ]


def one(asked: SimRequest) -> SimDomain:
    """Return the domain whose id is in the path. Raises Refusal if the caller sees no such domain."""
    domain_id = path_id(asked.path["id"])
    found = next((d for d in visible(asked) if d.id == domain_id), None)
    if found is None:
        raise Refusal(-727, "Domain not found.", status=404)
    return found


def details(asked: SimRequest) -> Response:
    """Return one domain with its delegations and its validation."""
    found = one(asked)
    body = {
        "id": found.id,
        "name": shown_name(found, asked.scm.settings),
        "delegationStatus": found.status,
        "state": found.state,
        **(_validation(asked, found) if asked.scm.settings.dcv_enabled else {}),
        "delegations": [
            _delegation(each) for each in found.delegations if asked.account.sees(each.org_id)
        ],
    }
    return answer(without_gaps(body))


def shown_name(found: SimDomain, settings: SimSettings) -> str:
    """Return a domain's name in the spelling selected by the switch `unicode_domains`."""
    if not settings.unicode_domains:
        return found.name
    try:
        return found.name.encode().decode("idna")
    except UnicodeError:  # a label that begins with xn-- and encodes nothing
        return found.name


def spoken(constant: str | None, settings: SimSettings) -> str | None:
    """Return the state in the spelling selected by the switch `spoken_states`.

    SCM's documents have two: `NOT_VALIDATED` and "Not validated".
    """
    if constant is None or not settings.spoken_states:
        return constant
    return constant.replace("_", " ").capitalize()


def _one_of(words: dict[str, str], name: str, sent: str) -> str:
    if sent.lower() not in words:
        raise invalid(name, f"not one of {', '.join(words)}")
    return words[sent.lower()]


def _validation(asked: SimRequest, found: SimDomain) -> Json:
    asked.scm.settle_validation(found)
    days = found.validation.days(asked.scm.settings)
    return {
        "validationStatus": spoken(found.validation.status(asked.scm.settings), asked.scm.settings),
        "validationMethod": METHODS[found.validation.mode] if days else None,
        "dcvValidation": days[0].isoformat() if days else None,
        "dcvExpiration": days[1].isoformat() if days else None,
    }


def _delegation(each: SimDelegation) -> Json:
    return {
        "orgId": each.org_id,
        "certTypes": list(each.cert_types),
        "domainCertificateRequestPrivileges": list(each.privileges),
        "status": each.status,
    }

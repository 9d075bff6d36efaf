"""Handlers that add, remove, approve and reject delegations of domains."""

from starlette.responses import Response

from certline.simulator.api.domains import domains
from certline.simulator.http.call import SimRequest
from certline.simulator.state.customer_parts import ALL_NAMES, SimDelegation, SimDomain
from certline.simulator.wire.answers import Json, Refusal, done
from certline.simulator.wire.fields import (
    MISSING,
    invalid,
    numbers,
    required_number,
    texts,
    unreadable,
)

CERT_TYPES = {"SSL", "SMIME", "CodeSign"}
PRIVILEGES = {"DOMAIN", "SUBDOMAIN", "WILDCARD_1ST_LEVEL", "WILDCARD_2ND_LEVEL"}
MOST_DOMAINS = 1000


def delegations_sent(asked: SimRequest, sent: object) -> list[SimDelegation]:
    """Read the delegations of a new domain. Raises Refusal if there is none."""
    if not sent:
        raise Refusal(MISSING, "Required field 'delegations' is missing.")
    if not isinstance(sent, list) or not all(isinstance(each, dict) for each in sent):
        raise unreadable()
    return [_read(asked, each) for each in sent]


def add(asked: SimRequest) -> Response:
    """Delegate a domain to one more organisation or department."""
    asked.need("allowManageDomains")
    found = domains.one(asked)
    _put(found, _read(asked, asked.body()))
    return done()


def add_many(asked: SimRequest) -> Response:
    """Delegate several domains to one more organisation or department."""
    asked.need("allowManageDomains")
    body = asked.body()
    ids = numbers(body, "domainIds") or []
    if not 1 <= len(ids) <= MOST_DOMAINS:
        raise invalid("domainIds", f"not between 1 and {MOST_DOMAINS} ids")
    found = [domain for domain in domains.visible(asked) if domain.id in ids]
    if len(found) != len(set(ids)):
        raise Refusal(-727, "Domain not found.")
    for domain in found:
        _put(domain, _read(asked, body))
    return done()


def remove(asked: SimRequest) -> Response:
    """Remove certificate types from a delegation, as given in the body of the DELETE."""
    asked.need("allowManageDomains")
    found = domains.one(asked)
    taken = _read(asked, asked.body())
    old = _of(found, taken.org_id)
    left = tuple(kind for kind in old.cert_types if kind not in taken.cert_types)
    if left:
        old.cert_types = left
    else:
        found.delegations.remove(old)
    return done()


def approve(asked: SimRequest) -> Response:
    """Approve a requested delegation."""
    _requested(asked)[1].status = "ACTIVE"
    return done()


def reject(asked: SimRequest) -> Response:
    """Reject a requested delegation."""
    found, delegation = _requested(asked)
    found.delegations.remove(delegation)
    return done()


def _requested(asked: SimRequest) -> tuple[SimDomain, SimDelegation]:
    asked.need("allowManageDomains")
    found = domains.one(asked)
    delegation = _of(found, required_number(asked.body(), "orgId"))
    if delegation.status != "REQUESTED" or asked.account.org_ids is not None:
        raise Refusal(asked.scm.settings.no_privilege_code, "There is no request you may decide.")
    return found, delegation


def _read(asked: SimRequest, sent: Json) -> SimDelegation:
    org_id = required_number(sent, "orgId")
    if asked.scm.customer.organization(org_id) is None:
        raise Refusal(asked.scm.settings.unknown_organization_code, "Organization not found.")
    if not asked.account.sees(org_id):
        raise Refusal(asked.scm.settings.foreign_organization_code, "Access denied.")
    kinds = texts(sent, "certTypes") or []
    if not kinds or not set(kinds) <= CERT_TYPES:
        raise invalid("certTypes", f"not one of {', '.join(sorted(CERT_TYPES))}")
    privileges = texts(sent, "domainCertificateRequestPrivileges") or list(ALL_NAMES)
    if not set(privileges) <= PRIVILEGES:
        raise invalid("domainCertificateRequestPrivileges", "unknown privilege")
    # A delegation requested by an administrator of a part must be approved by one of the whole customer.
    status = "ACTIVE" if asked.account.org_ids is None else "REQUESTED"
    return SimDelegation(org_id, tuple(privileges), tuple(kinds), status)


def _put(found: SimDomain, new: SimDelegation) -> None:
    for old in found.delegations:
        if old.org_id == new.org_id:
            # A second delegation to the same organisation only adds certificate types.
            old.cert_types = tuple(dict.fromkeys((*old.cert_types, *new.cert_types)))
            return
    found.delegations.append(new)


def _of(found: SimDomain, org_id: int) -> SimDelegation:
    for each in found.delegations:
        if each.org_id == org_id:
            return each
    raise invalid("orgId", "the domain is not delegated to it")

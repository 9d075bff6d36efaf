"""Checks that an organisation may order a name: its domain must be delegated, active and validated."""

from certline.simulator.state.customer_parts import SimDomain
from certline.simulator.state.scm import Scm
from certline.simulator.wire.answers import Refusal


def check(scm: Scm, names: tuple[str, ...], org_id: int) -> None:
    """Raise Refusal for names that the organisation may not order, or whose domain isn't active or validated."""
    found = []
    for name in names:
        allowed = [d for d in scm.customer.domains if _covers(d, name.lower(), org_id)]
        if not allowed:
            raise Refusal(-1010, f"The domain is not allowed for the organization: {name}")
        # The most specific domain decides about state and validation.
        best = max(allowed, key=lambda domain: len(domain.name))
        if best.state != "ACTIVE":
            raise Refusal(-715, f"The domain is inactive: {name}")
        found.append(best)
    if not scm.settings.dcv_enabled:
        return
    for domain in found:
        scm.settle_validation(domain)
    lapsed = sorted({d.name for d in found if d.validation.status(scm.settings) != "VALIDATED"})
    if lapsed:
        code = scm.settings.unvalidated_code
        raise Refusal(code, f"DCV is missing or expired for: {', '.join(lapsed)}")


def _covers(domain: SimDomain, name: str, org_id: int) -> bool:
    privileges = domain.privileges(org_id)
    if name == domain.name:
        return "DOMAIN" in privileges
    if domain.name.startswith("*."):
        return False
    if name.startswith("*."):
        parent = name[2:]
        return (parent == domain.name and "WILDCARD_1ST_LEVEL" in privileges) or (
            parent.endswith(f".{domain.name}") and "WILDCARD_2ND_LEVEL" in privileges
        )
    return name.endswith(f".{domain.name}") and "SUBDOMAIN" in privileges

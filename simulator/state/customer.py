"""The simulated customer: a university with its organisations, domains and profiles."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from certline.simulator.settings import SimSettings
from certline.simulator.state.customer_parts import (
    ALL_NAMES,
    SimCustomField,
    SimDelegation,
    SimDepartment,
    SimDomain,
    SimOrganization,
    SimProfile,
    SimValidation,
)
from certline.simulator.state.validity import end_of
from certline.simulator.wire.dates import now

VALIDATED_DAYS_AGO = 60

RSA = ("2048", "3072", "4096")
EC = ("P-256", "P-384")

UNIVERSITY = SimOrganization(
    9101,
    "Nordhafen University",
    "Nordhafen",
    (SimDepartment(9102, "IT Services"), SimDepartment(9103, "Library")),
)
HOSPITAL = SimOrganization(
    9201, "Nordhafen University Hospital", "Nordhafen", (SimDepartment(9202, "Radiology"),)
)
INSTITUTE = SimOrganization(9301, "Nordhafen Institute for Sea Ice", "Suedmole")

ORGANIZATIONS = (UNIVERSITY, HOSPITAL, INSTITUTE)

PROFILES = (
    SimProfile(
        21790,
        "OV Multi-Domain SSL",
        "Public OV certificate, several names",
        (90, 199),
        {"RSA": RSA, "EC": EC},
    ),
    SimProfile(
        21791, "OV Short-Lived SSL", "Public OV certificate, 47 days", (47,), {"RSA": RSA, "EC": EC}
    ),
    SimProfile(
        21792, "OV SSL EC", "Public OV certificate, elliptic curves only", (90, 199), {"EC": EC}
    ),
    SimProfile(
        21793,
        "OV SSL RSA",
        "Public OV certificate for old appliances, RSA only",
        (199,),
        {"RSA": ("2048", "3072")},
        frozenset(HOSPITAL.ids),
    ),
    SimProfile(
        21794,
        "OV Single Domain SSL",
        "Public OV certificate, one name",
        (90, 199),
        {"RSA": RSA, "EC": EC},
        one_name=True,
    ),
)

CUSTOM_FIELDS = (SimCustomField(611, "CostCentre"), SimCustomField(612, "PipelineRef"))


def domain(
    domain_id: int,
    name: str,
    org_ids: Iterable[int],
    privileges: tuple[str, ...] = ALL_NAMES,
    *,
    days_ago: int | None = VALIDATED_DAYS_AGO,
    state: str = "ACTIVE",
    status: str = "ACTIVE",
) -> SimDomain:
    """Return a domain validated `days_ago` days ago, or never if None."""
    at = None if days_ago is None else now() - timedelta(days=days_ago)
    if at is not None and days_ago == VALIDATED_DAYS_AGO:
        # As limits become shorter, the usual domain is still validated.
        at = max(at, now() - (end_of(now(), SimSettings()) - now()) / 2)
    delegations = [SimDelegation(org_id, privileges, status=status) for org_id in org_ids]
    return SimDomain(domain_id, name, delegations, state, SimValidation(at))


def domains() -> list[SimDomain]:
    """Return the customer's initial domains; the last three can't be ordered for, each for another reason."""
    return [
        domain(40211, "nordhafen.example", UNIVERSITY.ids),
        domain(40212, "*.nordhafen.example", UNIVERSITY.ids),
        domain(40215, "nordhafen-university.example", UNIVERSITY.ids),
        domain(40221, "cs.nordhafen.example", UNIVERSITY.ids, (*ALL_NAMES, "WILDCARD_1ST_LEVEL")),
        domain(40240, "library.example", (9101, 9103)),
        domain(40241, "*.library.example", (9101, 9103)),
        domain(40252, "alumni.example", (9101, 9102)),
        domain(40253, "press.example", (9101, 9102)),
        domain(40260, "hospital.example", HOSPITAL.ids),
        domain(40261, "*.hospital.example", HOSPITAL.ids),
        domain(40263, "radiology.example", HOSPITAL.ids),
        domain(40270, "seaice.example", INSTITUTE.ids),
        domain(40271, "*.seaice.example", INSTITUTE.ids),
        domain(40280, "lapsed.example", UNIVERSITY.ids, days_ago=230),
        domain(40281, "unproven.example", UNIVERSITY.ids, days_ago=None),
        domain(40282, "asleep.example", UNIVERSITY.ids, state="SUSPENDED"),
    ]


@dataclass(slots=True)
class Customer:
    """The customer's organisations, domains, profiles and custom fields before the first order."""

    organizations: list[SimOrganization] = field(default_factory=lambda: list(ORGANIZATIONS))
    domains: list[SimDomain] = field(default_factory=domains)
    profiles: dict[int, SimProfile] = field(default_factory=lambda: {p.id: p for p in PROFILES})
    custom_fields: tuple[SimCustomField, ...] = CUSTOM_FIELDS

    def organization(self, org_id: int) -> SimOrganization | None:
        """Return the organisation with this id or with a department of this id, or None."""
        return next((found for found in self.organizations if org_id in found.ids), None)

    def name_of(self, org_id: int) -> str | None:
        """Return the name of the organisation or department with this id, or None."""
        found = self.organization(org_id)
        parts = {part.id: part.name for part in found.departments} if found else {}
        return parts.get(org_id, found.name if found else None)

    def family(self, name: str) -> list[SimDomain]:
        """Return the domains with this name or below it, which are all covered by one validation."""
        return [d for d in self.domains if d.bare == name or d.bare.endswith(f".{name}")]

    def top_of(self, found: SimDomain) -> str:
        """Return the name at which a domain is validated: that of the topmost domain above it, or its own."""
        above = [d.bare for d in self.domains if found.bare.endswith(f".{d.bare}")]
        return min(above, key=len, default=found.bare)

    def is_top(self, found: SimDomain) -> bool:
        """Return True for a domain that is validated itself: none is above it, and a wildcard stands alone."""
        if self.top_of(found) != found.bare:
            return False
        return found.name == found.bare or found.bare not in {d.name for d in self.domains}

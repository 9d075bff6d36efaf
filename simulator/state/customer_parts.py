"""Parts of a simulated customer: organisations, domains with delegations and validation, profiles, fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from certline.simulator.settings import SimSettings
from certline.simulator.state.validity import end_of
from certline.simulator.wire.dates import now

ALL_NAMES = ("DOMAIN", "SUBDOMAIN")

NOT_INITIATED = "NOT_INITIATED"
AWAITING_SUBMISSION = "AWAITING_SUBMISSION"
SUBMITTED = "SUBMITTED"
REJECTED = "REJECTED"

# Validation modes, with the words that a domain's details use for them.
METHODS = {
    "HTTP": "HTTP_CSR_HASH",
    "HTTPS": "HTTPS_CSR_HASH",
    "CNAME": "CNAME_CSR_HASH",
    "TXT": "DNSTXT_RANDOM_VALUE",
    "EMAIL": "EMAIL",
}


def ascii_name(name: str) -> str:
    """Return a domain's name in lower case, with labels beyond ASCII as `xn--`.

    A name that has no such form is returned as given.
    """
    try:
        return name.encode("idna").decode().lower()
    except UnicodeError:
        return name.lower()


@dataclass(frozen=True, slots=True)
class SimDepartment:
    """A department of an organisation; its id is valid wherever an organisation's id is."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class SimOrganization:
    """An organisation, named as the subject of certificates. `api`: it may order over the API."""

    id: int
    name: str
    city: str
    departments: tuple[SimDepartment, ...] = ()
    api: bool = True

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the organisation and of its departments."""
        return (self.id, *(part.id for part in self.departments))


@dataclass(slots=True)
class SimDelegation:
    """A delegation of a domain to an organisation, with the names and types it may order."""

    org_id: int
    privileges: tuple[str, ...] = ALL_NAMES
    cert_types: tuple[str, ...] = ("SSL",)
    status: str = "ACTIVE"  # or REQUESTED: waits for an administrator of the whole customer


@dataclass(slots=True)
class SimValidation:
    """Domain control validation of a domain: the last completed one, and the one in progress (`order…`).

    `starts` counts the proofs that were asked for; `looks` are those of the CA for the proof submitted last.
    """

    at: datetime | None = None
    mode: str = "CNAME"
    order: str = NOT_INITIATED
    order_mode: str | None = None
    order_id: str | None = None
    submitted_at: datetime | None = None
    mail: str | None = None
    starts: int = 0
    looks: int = 0
    looked_at: datetime | None = None

    def status(self, settings: SimSettings) -> str:
        """Return the state of the last validation: none yet, valid or expired."""
        if self.at is None:
            return "NOT_VALIDATED"
        return "VALIDATED" if now() < end_of(self.at, settings) else "EXPIRED"

    def days(self, settings: SimSettings) -> tuple[date, date] | None:
        """Return the days of the last validation and of its expiry, or None."""
        return (self.at.date(), end_of(self.at, settings).date()) if self.at else None

    def completed(self, at: datetime | None, mode: str) -> "SimValidation":
        """Return a validation without one in progress, and completed at that time; None: never."""
        return SimValidation(at, mode, starts=self.starts)


@dataclass(slots=True)
class SimDomain:
    """A domain of the customer."""

    id: int
    name: str
    delegations: list[SimDelegation]
    state: str = "ACTIVE"
    validation: SimValidation = field(default_factory=SimValidation)

    @property
    def org_ids(self) -> set[int]:
        """Ids of the organisations and departments with an active delegation."""
        return {each.org_id for each in self.delegations if each.status == "ACTIVE"}

    @property
    def status(self) -> str:
        """Delegation status: REQUESTED until a delegation is approved, then ACTIVE."""
        return "ACTIVE" if self.org_ids else "REQUESTED"

    @property
    def bare(self) -> str:
        """Name without the wildcard, which is the one that is validated."""
        return self.name.removeprefix("*.")

    def privileges(self, org_id: int) -> tuple[str, ...]:
        """Return the privileges of an organisation, which say for which names it may order certificates."""
        return tuple(
            privilege
            for each in self.delegations
            if each.org_id == org_id and each.status == "ACTIVE" and "SSL" in each.cert_types
            for privilege in each.privileges
        )


@dataclass(frozen=True, slots=True)
class SimProfile:
    """A certificate profile: its terms in days, its key types, and the organisations it is offered to."""

    id: int
    name: str
    description: str
    terms: tuple[int, ...]
    key_types: Mapping[str, tuple[str, ...]]
    org_ids: frozenset[int] | None = None
    one_name: bool = False

    def offered_to(self, org_id: int) -> bool:
        """Return True if this organisation or department may order the profile."""
        return self.org_ids is None or org_id in self.org_ids


@dataclass(frozen=True, slots=True)
class SimCustomField:
    """A custom field that the customer has added to orders."""

    id: int
    name: str

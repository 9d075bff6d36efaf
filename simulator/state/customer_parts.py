"""What a customer is made of: organisations, domains and their delegations, profiles, fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from certline.simulator.wire.dates import now

ALL_NAMES = ("DOMAIN", "SUBDOMAIN")
# How long a domain's validation may be used again (days).
DCV_REUSE = timedelta(days=198)

NOT_INITIATED = "NOT_INITIATED"
AWAITING_SUBMISSION = "AWAITING_SUBMISSION"
SUBMITTED = "SUBMITTED"

# How a domain says what the validation calls a mode.
METHODS = {
    "HTTP": "HTTP_CSR_HASH",
    "HTTPS": "HTTPS_CSR_HASH",
    "CNAME": "CNAME_CSR_HASH",
    "TXT": "DNSTXT_RANDOM_VALUE",
    "EMAIL": "EMAIL",
}


@dataclass(frozen=True, slots=True)
class Department:
    """A part of an organisation; its id may stand wherever an organisation's may."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Organization:
    """Someone certificates are made out to. `api` is its switch for orders over the API."""

    id: int
    name: str
    city: str
    departments: tuple[Department, ...] = ()
    api: bool = True

    @property
    def ids(self) -> tuple[int, ...]:
        """Its own id and those of its departments."""
        return (self.id, *(part.id for part in self.departments))


@dataclass(slots=True)
class Delegation:
    """Who may order names of a domain, and which."""

    org_id: int
    privileges: tuple[str, ...] = ALL_NAMES
    cert_types: tuple[str, ...] = ("SSL",)
    status: str = "ACTIVE"  # or REQUESTED: an administrator of the whole customer has to agree


@dataclass(slots=True)
class Validation:
    """How the proof that a domain is the customer's stands, and the proof being made."""

    at: datetime | None = None
    mode: str = "CNAME"
    order: str = NOT_INITIATED
    order_mode: str | None = None
    order_id: str | None = None
    submitted_at: datetime | None = None
    mail: str | None = None

    @property
    def status(self) -> str:
        """Never made, good, or run out."""
        if self.at is None:
            return "NOT_VALIDATED"
        return "VALIDATED" if now() < self.at + DCV_REUSE else "EXPIRED"

    @property
    def days(self) -> tuple[date, date] | None:
        """The day it was made and the day it runs out."""
        return (self.at.date(), (self.at + DCV_REUSE).date()) if self.at else None


@dataclass(slots=True)
class Domain:
    """A domain of the customer."""

    id: int
    name: str
    delegations: list[Delegation]
    state: str = "ACTIVE"
    validation: Validation = field(default_factory=Validation)

    @property
    def org_ids(self) -> set[int]:
        """Those to whom it is delegated by now."""
        return {each.org_id for each in self.delegations if each.status == "ACTIVE"}

    @property
    def status(self) -> str:
        """REQUESTED as long as no delegation is approved."""
        return "ACTIVE" if self.org_ids else "REQUESTED"

    @property
    def bare(self) -> str:
        """The name without a wildcard: what is validated."""
        return self.name.removeprefix("*.")

    def privileges(self, org_id: int) -> tuple[str, ...]:
        """Which names that organisation may order."""
        return tuple(
            privilege
            for each in self.delegations
            if each.org_id == org_id and each.status == "ACTIVE" and "SSL" in each.cert_types
            for privilege in each.privileges
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of certificate: the terms and keys it comes with, and whom it is offered to."""

    id: int
    name: str
    description: str
    terms: tuple[int, ...]
    key_types: Mapping[str, tuple[str, ...]]
    org_ids: frozenset[int] | None = None
    one_name: bool = False

    def offered_to(self, org_id: int) -> bool:
        """Whether that organisation or department may order it."""
        return self.org_ids is None or org_id in self.org_ids


@dataclass(frozen=True, slots=True)
class CustomField:
    """A field that the customer added to orders."""

    id: int
    name: str

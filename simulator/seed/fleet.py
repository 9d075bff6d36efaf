"""Seeds a fleet of existing orders in every status; the same seed produces the same fleet."""

import random
from dataclasses import dataclass, field

from certline.simulator.seed.history import give
from certline.simulator.state import records as status
from certline.simulator.state.csr import Key
from certline.simulator.state.customer import UNIVERSITY, domain
from certline.simulator.state.customer_parts import SimDepartment, SimOrganization, SimProfile
from certline.simulator.state.records import Record
from certline.simulator.state.scm import ALPHABET, DAY, Scm
from certline.simulator.wire.dates import now

HOSTS = ("www", "mail", "vpn", "shop", "wiki", "git", "portal", "login", "files", "print")
# Number of orders in each status, out of fifty; they are shuffled.
OF_FIFTY = {
    status.ISSUED: 31,
    status.EXPIRED: 6,
    status.REVOKED: 3,
    status.REQUESTED: 2,
    status.REPLACED: 1,
    status.INIT: 1,
    status.APPROVED: 1,
    status.SA_APPROVED: 1,
    status.APPLIED: 1,
    status.DECLINED: 1,
    status.REJECTED: 1,
    status.INVALID: 1,
}
# Every 25th record is an imported certificate; SCM allows only those to be deleted.
IMPORTED_EVERY = 25
ACME_EVERY = 17
WILDCARD_EVERY = 40

OBSERVATORY = SimOrganization(
    9401,
    "Suedmole Observatory",
    "Suedmole",
    (SimDepartment(9402, "Night Sky"), SimDepartment(9403, "Radio Telescopes")),
)
# Its switch for the API is off: it has certificates, but may not order any over the API.
STUDENTS = SimOrganization(9501, "Nordhafen Student Services", "Nordhafen", api=False)


@dataclass(frozen=True, slots=True)
class FleetPlace:
    """An organisation or department that orders, with the profiles offered to it and its domains."""

    org_id: int
    profiles: tuple[SimProfile, ...]
    domains: tuple[str, ...]


@dataclass(slots=True)
class Dice:
    """Seeded random choices, with the statuses not yet used and the renewed orders that need a successor."""

    chance: random.Random
    statuses: list[str] = field(default_factory=list)
    renewed: list[Record] = field(default_factory=list)

    def status(self) -> str:
        """Return the status of the next order."""
        if not self.statuses:
            self.statuses = [name for name, count in OF_FIFTY.items() for _ in range(count)]
            self.chance.shuffle(self.statuses)
        return self.statuses.pop()


def seed(scm: Scm, count: int, number: int) -> None:
    """Add `count` orders, generated from the seed `number`; their certificates are signed when first read."""
    if not count:
        return
    _furnish(scm)
    places = _places(scm)
    dice = Dice(random.Random(number))  # noqa: S311  # has to be reproducible, not secret
    for at in range(1, count + 1):
        state = dice.status()
        old = dice.renewed.pop() if state == status.ISSUED and dice.renewed else None
        record = _successor(scm, dice, old) if old else _order(scm, dice, places, at)
        give(scm, record, state, dice.chance, old.renewed_at if old else None)
        # If the successor would have expired by now too, none is created.
        if record.renewed_at and record.renewed_at + record.term * DAY > now() + DAY:
            dice.renewed.append(record)
        scm.keep(record)


def _furnish(scm: Scm) -> None:
    """Add further organisations, and domains in every state, to the customer."""
    scm.customer.organizations += [OBSERVATORY, STUDENTS]
    scm.customer.domains += [
        domain(40301, "observatory.example", OBSERVATORY.ids),
        domain(40302, "*.observatory.example", OBSERVATORY.ids),
        domain(40303, "telescope.example", (9401, 9403), days_ago=190),  # expires soon
        domain(40304, "comet.example", (9401, 9402), days_ago=240),
        domain(40305, "eclipse.example", (9401,), days_ago=None, status="REQUESTED"),
        domain(40311, "students.example", STUDENTS.ids),
        domain(40312, "canteen.example", STUDENTS.ids, state="SUSPENDED"),
        domain(40313, "summer-school.example", UNIVERSITY.ids, days_ago=None, status="REQUESTED"),
    ]


def _places(scm: Scm) -> list[FleetPlace]:
    customer = scm.customer
    return [
        FleetPlace(
            org_id,
            tuple(p for p in customer.profiles.values() if p.offered_to(org_id)),
            tuple(d.name for d in customer.domains if org_id in d.org_ids and d.name == d.bare),
        )
        for organization in customer.organizations
        for org_id in organization.ids
    ]


def _order(scm: Scm, dice: Dice, places: list[FleetPlace], at: int) -> Record:
    chance = dice.chance
    place = chance.choice(places)
    profile = chance.choice(place.profiles)
    name = f"{chance.choice(HOSTS)}-{at}.{chance.choice(place.domains)}"
    if at % WILDCARD_EVERY == 0:
        name = f"*.{name}"
    with_www = chance.random() < 1 / 3 and not name.startswith("*.")
    cost_centre = (("CostCentre", str(chance.randrange(1000, 9999))),)
    return Record(
        ssl_id=scm.next_id(),
        renew_id=_renew_id(chance),
        org_id=place.org_id,
        profile=profile,
        term=chance.choice(profile.terms),
        common_name=name,
        sans=(name, f"www.{name}") if with_www else (name,),
        key=_key(profile, chance),
        requested_at=now(),
        requester=f"admin-{place.org_id}@nordhafen.example",
        external_requester=f"team-{at % 9 + 1}@nordhafen.example" if at % 4 == 0 else None,
        comments=f"{scm.customer.name_of(place.org_id)}, number {at} of the fleet",
        custom_fields=cost_centre if at % 3 == 0 else (),
        requested_via=_way(at),
    )


def _successor(scm: Scm, dice: Dice, old: Record) -> Record:
    """Return the successor of an order that was renewed."""
    return Record(
        ssl_id=scm.next_id(),
        renew_id=_renew_id(dice.chance),
        org_id=old.org_id,
        profile=old.profile,
        term=old.term,
        common_name=old.common_name,
        sans=old.sans,
        key=_key(old.profile, dice.chance),
        requested_at=now(),
        requester=old.requester,
        external_requester=old.external_requester,
        comments=old.comments,
        custom_fields=old.custom_fields,
    )


def _way(at: int) -> str:
    if at % IMPORTED_EVERY == 0:
        return "Imported"
    return "ACME" if at % ACME_EVERY == 0 else ("REST API" if at % 2 else "Enrollment Form")


def _key(profile: SimProfile, chance: random.Random) -> Key:
    algorithm = chance.choice(sorted(profile.key_types))
    return Key(algorithm, profile.key_types[algorithm][0])


def _renew_id(chance: random.Random) -> str:
    return "".join(chance.choices(ALPHABET, k=20))

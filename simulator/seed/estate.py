"""Further organisations, and domains in every state, for a customer seeded with a fleet."""

from certline.simulator.state.customer import UNIVERSITY, domain
from certline.simulator.state.customer_parts import SimDepartment, SimOrganization
from certline.simulator.state.scm import Scm

OBSERVATORY = SimOrganization(
    9401,
    "Suedmole Observatory",
    "Suedmole",
    (SimDepartment(9402, "Night Sky"), SimDepartment(9403, "Radio Telescopes")),
)
# Its switch for the API is off: it has certificates, but may not order any over the API.
STUDENTS = SimOrganization(9501, "Nordhafen Student Services", "Nordhafen", api=False)


def furnish(scm: Scm) -> None:
    """Add these organisations and domains to the customer."""
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

"""Stories of imports: the process that imports what SCM already holds dies."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from certline.models import Command, CommandType, Organization, Profile
from certline.workers.keys import key_pair
from certline.workers.keys.csr import sign_request
from certline.workers.scm import Enrolment
from tests.faults.killing import kill_workers
from tests.faults.stage import Stage
from tests.faults.stories.doors import type_twice
from tests.servers import until


def an_import(stage: Stage, points: Sequence[str]) -> None:
    """Import everything that SCM lists, beside what we already store."""
    stage.store()
    for point in points:  # one by one: each point needs records that no import has seen
        kill_workers(stage, [point], [_import(stage)])


def an_import_of_named_orders(stage: Stage, points: Sequence[str]) -> None:
    """Import orders that a user names."""
    kill_workers(stage, points, [_import(stage, named=True) for _ in points])


def an_import_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `import`."""
    for point in points:
        strangers(stage)
        type_twice(stage, point, "import")


def strangers(stage: Stage) -> list[int]:
    """Create two certificates at SCM that others have ordered. Returns their ids."""
    with stage.plant.database.transaction() as db:
        named = Organization.name == "Nordhafen University"
        organization = db.scalars(select(Organization).where(named)).one()
        named = Profile.name == "OV Multi-Domain SSL"
        profile = db.scalars(select(Profile).where(named)).one()
    ids = []
    for _ in range(2):
        name = stage.new_name().replace("s", "stranger", 1)
        stage.names.pop()
        csr = sign_request(key_pair.generate("EC", "P-256"), name, [])
        wanted = Enrolment(organization.scm_id, profile.scm_id, 90, csr, sans=(name,))
        ids.append(stage.scm().enroll(wanted).ssl_id)
    until(lambda: all(row["status"] == "Issued" for row in _records(stage, ids)), 30)
    return ids


def _records(stage: Stage, ids: Sequence[int]) -> list[dict[str, Any]]:
    return [row for row in stage.simulate("GET", "orders") if row["sslId"] in ids]


def _import(stage: Stage, *, named: bool = False) -> Command:
    ids = strangers(stage)
    return stage.accept(CommandType.IMPORT, {"order": ids} if named else {})

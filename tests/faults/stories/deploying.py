"""Stories of what is done with certificates that are stored."""

from collections.abc import Sequence

from certline.models.certificates.deploy_hook import add_hook, run_hook
from tests.faults.crashes.runner import kill_workers
from tests.faults.harness.scenario import Stage


def a_hook(stage: Stage, points: Sequence[str]) -> None:
    """A certificate's files are written and a command is run, which may happen twice."""
    certificates = [stage.store() for _ in points]
    with stage.plant.database.transaction() as db:
        # It is for names that no other story has.
        hook = add_hook(
            db, "web", ["certificate.stored"], who="ida", command="true", common_name="none"
        )
        commands = [run_hook(db, hook, each, requested_by="ida") for each in certificates]
    kill_workers(stage, points, commands)

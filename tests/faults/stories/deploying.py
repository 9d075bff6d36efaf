"""Stories of deploy hooks on stored certificates."""

from collections.abc import Sequence

from certline.models.audit.identity import Identity
from certline.models.certificates.deploy_hook import add_hook, run_hook
from tests.faults.crashes.runner import kill_workers
from tests.faults.harness.scenario import Stage


def a_hook(stage: Stage, points: Sequence[str]) -> None:
    """Write a certificate's files and run a command, which may happen twice."""
    certificates = [stage.store() for _ in points]
    with stage.plant.database.transaction() as db:
        # The hook matches no name used by other stories.
        hook = add_hook(
            db,
            "web",
            ["certificate.stored"],
            who=Identity("os:ida"),
            command="true",
            common_name="none",
        )
        commands = [
            run_hook(db, hook, each, requested_by=Identity("os:ida")) for each in certificates
        ]
    kill_workers(stage, points, commands)

"""Stories of stored certificates: renewed, reissued, revoked, also with lost requests and responses."""

from collections.abc import Sequence

from sqlalchemy import update

from certline.models import Command, CommandType, OrderKind
from certline.workers.runtime.outcomes import MOST_TRIES
from certline.workers.scm import RevocationReason
from tests.faults.killing import kill_workers
from tests.faults.stage import Stage
from tests.faults.stories.orders import DETAILS, NOT_ALLOWED

RENEW = "/ssl/v1/renewById/"
REPLACE = "/ssl/v1/replace/"
REVOKE = "/ssl/v1/revoke/"


def a_renewal(stage: Stage, points: Sequence[str]) -> None:
    """Renew a certificate."""
    kill_workers(stage, points, [renewal(stage) for _ in points])


def a_reissue(stage: Stage, points: Sequence[str]) -> None:
    """Reissue a certificate, which keeps its SCM id."""
    kill_workers(stage, points, [reissue(stage) for _ in points])


def a_renewal_that_needs_a_new_order(stage: Stage, points: Sequence[str]) -> None:
    """Renew where the profile allows no renewal, so that a new order replaces it."""
    commands = [renewal(stage) for _ in points]
    refusal = '{"code": -180, "description": "The certificate profile does not allow renewal."}'
    with stage.failing("POST", RENEW, "status", status=400, body=refusal):
        kill_workers(stage, points, commands)
        stage.work_until(lambda: all(stage.order(each).kind is OrderKind.NEW for each in commands))


def a_renewal_that_is_turned_away(stage: Stage, points: Sequence[str]) -> None:
    """Renew a certificate that SCM does not let us read: an operator decides."""
    commands = [renewal(stage) for _ in points]
    with stage.failing("GET", DETAILS, "status", status=400, body=NOT_ALLOWED):
        kill_workers(stage, points, commands)
        stage.until_in_review(commands)
    stage.decide()


def a_lost_renewal(stage: Stage, points: Sequence[str]) -> None:
    """Renew where SCM creates the successor and the response is lost."""
    kill_workers(stage, points, [lost(stage, renewal(stage), RENEW) for _ in points])


def a_lost_reissue(stage: Stage, points: Sequence[str]) -> None:
    """Reissue where SCM carries it out and the response is lost."""
    kill_workers(stage, points, [lost(stage, reissue(stage), REPLACE) for _ in points])


def a_revocation(stage: Stage, points: Sequence[str]) -> None:
    """Revoke a certificate."""
    kill_workers(stage, points, [revocation(stage) for _ in points])


def a_revocation_of_what_is_revoked(stage: Stage, points: Sequence[str]) -> None:
    """Revoke a certificate that SCM reports as revoked already."""
    commands = []
    for _ in points:
        certificate = stage.store()
        stage.scm().revoke_by_serial(
            certificate.serial_number, RevocationReason.UNSPECIFIED, "by somebody else"
        )
        commands.append(
            stage.accept(
                CommandType.REVOKE, {"certificate": certificate.id, "comments": "key was copied"}
            )
        )
    kill_workers(stage, points, commands)


def a_revocation_whose_answer_is_lost(stage: Stage, points: Sequence[str]) -> None:
    """Revoke where SCM revokes and the response is lost."""
    commands = [revocation(stage) for _ in points]
    with stage.failing("POST", REVOKE, "drop_after"):
        kill_workers(stage, points, commands)


def a_revocation_that_scm_never_answers(stage: Stage, points: Sequence[str]) -> None:
    """Revoke where SCM has failed for hours: an operator retries it."""
    commands = [revocation(stage) for _ in points]
    with stage.plant.database.transaction() as db:
        ids = [command.id for command in commands]
        tired = update(Command).where(Command.id.in_(ids))
        db.execute(tired.values(attempts=MOST_TRIES))
    with stage.failing("POST", REVOKE, "status", status=400, body=NOT_ALLOWED):
        kill_workers(stage, points, commands)
        stage.until_in_review(commands)
    for command in commands:
        stage.type("command", "retry", command.id)


def renewal(stage: Stage) -> Command:
    """Request the renewal of a stored certificate by another system's command."""
    return stage.accept(CommandType.RENEW, {"certificate": stage.store().id})


def reissue(stage: Stage) -> Command:
    """Request the reissue of a stored certificate by another system's command."""
    payload = {"certificate": stage.store().id, "reason": "the key may have been copied"}
    return stage.accept(CommandType.REISSUE, payload)


def revocation(stage: Stage) -> Command:
    """Request the revocation of a stored certificate by another system's command."""
    payload = {"certificate": stage.store().id, "comments": "key was copied"}
    return stage.accept(CommandType.REVOKE, payload)


def lost(stage: Stage, command: Command, path: str) -> Command:
    """Leave the command's order in `sending`, though SCM has done it, and let an hour pass."""
    with stage.failing("POST", path, "drop_after"):
        stage.run(command)
    stage.age()
    stage.run(stage.place())
    stage.age()
    return command

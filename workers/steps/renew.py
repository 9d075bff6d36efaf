"""Step 1 of a renewal: have SCM issue a certificate's successor, once."""

from certline.models import Command, CommandType
from certline.models.renewals.failures import note_refusal, rest_of_command
from certline.workers.ordering.precheck import Before, Objection
from certline.workers.ordering.succession_command import SuccessorAtHand, load, send_successor
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import Step
from certline.workers.scm import Details, ScmStatus


def renew(context: WorkerContext, command: Command, begun: SuccessorAtHand) -> None:
    """Send the command's renewal to SCM, unless another run has sent it or SCM has renewed the certificate.

    The order's status ends the command. Raises TryLater, AccountSuspendedError, and GiveUp or BadCommandError if
    the renewal is invalid.
    """
    send_successor(context, command, begun, objection)


def objection(record: Details, before: Before) -> Objection | None:
    """Return the objection to a renewal that follows from the certificate's record, or None.

    It isn't documented whether SCM renews a certificate twice, so a second renewal is sent only if it was
    requested with `again` (SCM document: renewById; `renewed` of the details).
    """
    number = record.ssl_id
    if record.state.is_pending or record.state.is_refused or record.state is ScmStatus.REVOKED:
        return before.refuse(
            f"SCM renews issued certificates only, and its status of {number} is {record.status}"
        )
    if record.renewed and not before.renewed_by_us and not before.again:
        when = f" on {record.renewed_date}" if record.renewed_date else ""
        return before.refuse(
            f"SCM says that {number} was renewed{when}, but not by certline: see its successor at "
            "SCM, or renew it once more on purpose (again)"
        )
    return None


# Failed renewals are counted for their line, whose wait may be longer than that of an attempt.
STEP = Step(CommandType.RENEW, renew, load, on_failed=note_refusal, rest=rest_of_command)

"""Step 1 of a reissue: have SCM issue a certificate again under the same sslId, once."""

from certline.models import Command, CommandType
from certline.workers.ordering.precheck import Before, Objection
from certline.workers.ordering.succession_command import SuccessorAtHand, load, send_successor
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import Step
from certline.workers.scm import Details, ScmStatus


def reissue(context: WorkerContext, command: Command, begun: SuccessorAtHand) -> None:
    """Send the command's reissue to SCM, unless another run has sent it or SCM can't reissue the certificate.

    The order's status ends the command. Raises TryLater, AccountSuspendedError, and GiveUp or BadCommandError if
    the reissue is invalid.
    """
    send_successor(context, command, begun, objection)


def objection(record: Details, before: Before) -> Objection | None:
    """Return the objection to a reissue that follows from the certificate's record, or None.

    SCM reissues only certificates whose status is Issued.
    """
    state, number = record.state, record.ssl_id
    if state.is_pending:
        return before.refuse(f"SCM is already reissuing {number} ({record.status})")
    if state.is_refused or state in (ScmStatus.REVOKED, ScmStatus.EXPIRED):
        return before.refuse(
            f"SCM reissues issued certificates only, and its status of {number} is {record.status}"
        )
    return None


STEP = Step(CommandType.REISSUE, reissue, load)

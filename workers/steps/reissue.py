"""Step 1 of a reissue: have SCM make a certificate anew under its sslId, once."""

from typing import Any

from certline.models import Command, CommandType
from certline.workers.ordering.precheck import Before, Objection, may_be_sent
from certline.workers.ordering.submission import send
from certline.workers.ordering.succession import placed
from certline.workers.runtime.context import Line
from certline.workers.runtime.step import Step
from certline.workers.scm import Details, ScmStatus


def reissue(line: Line, command: Command) -> dict[str, Any] | None:
    """Send the command's reissue, unless somebody has sent it or SCM can't make the certificate anew."""
    order_id = placed(line, command)
    if order_id is not None and may_be_sent(line, command, order_id, objection):
        send(line, order_id)
    return None


def objection(record: Details, before: Before) -> Objection | None:
    """What speaks against a reissue, by the certificate's record: SCM makes anew what is issued."""
    state, number = record.state, record.ssl_id
    if state.is_pending:
        return before.refuse(f"SCM is making {number} anew already ({record.status})")
    if state.is_refused or state in (ScmStatus.REVOKED, ScmStatus.EXPIRED):
        return before.refuse(
            f"SCM makes anew what is issued, and its status of {number} is {record.status}"
        )
    return None


STEP = Step(CommandType.REISSUE, reissue)
